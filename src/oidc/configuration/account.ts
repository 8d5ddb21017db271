import type { AccessToken, Configuration, FindAccount, KoaContextWithOIDC } from 'oidc-provider'
import type pg from 'pg'
import { findActiveUser } from '../../registry/users/queries.ts'
import type { User } from '../../registry/users/user.ts'
import { takeUser } from '../adapter/circumstances.ts'
import { GRANT_CLAIM, SESSION_CLAIM } from '../introspection/jwt-access-token.ts'
import { delegationOf } from '../token-exchange/delegation.ts'
import type { ManagementRules } from './management.ts'

/** OpenID Connect Core §5.4: which scope reveals which claims. */
export const claims: NonNullable<Configuration['claims']> = {
  openid: ['sub'],
  profile: ['name', 'preferred_username', 'updated_at'],
  email: ['email', 'email_verified'],
}

/** How a person signed in, as `acr` and `amr` (RFC 8176) state it. */
export const PASSWORD_SIGN_IN = { acr: 'urn:grantry:acr:password', amr: ['pwd'] }

/** People from the registry. A disabled or deleted one is not found, so every token that asks for them ends. */
export function createFindAccount({ pool }: { pool: pg.Pool }, management: ManagementRules): FindAccount {
  return async (ctx, sub, source) => {
    const found = takeUser(ctx, sub)
    const user = found === undefined ? await findActiveUser(pool, sub) : (found ?? undefined)
    if (user && source && ctx.oidc.route === 'token') management.requireSomething(ctx, user, source)
    return user && { accountId: user.id, user, claims: () => Promise.resolve(toClaims(user)) }
  }
}

function toClaims(user: User) {
  return {
    sub: user.id,
    preferred_username: user.username,
    updated_at: Math.floor(user.updatedAt.getTime() / 1000),
    ...(user.name === null ? {} : { name: user.name }),
    ...(user.email === null ? {} : { email: user.email, email_verified: user.emailVerified }),
  }
}

/** RFC 9068 §2.2.1 and §2.2.3: what an access token says of the sign-in and the person, as far as its resource asks. */
export const extraTokenClaims: NonNullable<Configuration['extraTokenClaims']> = (ctx, token) => {
  const wanted = (token.resourceServer?.jwt as { claims?: string[] } | undefined)?.claims
  if (!wanted || token.kind !== 'AccessToken') return undefined
  const { AuthorizationCode, DeviceCode, RefreshToken } = ctx.oidc.entities
  const delegation = delegationOf(ctx)
  const source = delegation ?? AuthorizationCode ?? DeviceCode ?? RefreshToken
  const known: Record<string, unknown> = { auth_time: source?.authTime, acr: source?.acr, roles: rolesOf(ctx) }
  const told = Object.entries(known).filter(([name, value]) => wanted.includes(name) && value !== undefined)
  // Who acts is no API's choice to hear (RFC 8693 §4.1).
  return { ...Object.fromEntries(told), ...(delegation && { act: delegation.act }) }
}

/** What a JWT of a person hangs on: introspection finds it by that, and APIs that follow events. */
export function nameGrant(_ctx: unknown, token: object, { payload }: { payload: Record<string, unknown> }): void {
  const { grantId, sessionUid, expiresWithSession } = token as Partial<AccessToken>
  if (grantId !== undefined) payload[GRANT_CLAIM] = grantId
  if (grantId !== undefined && expiresWithSession) payload[SESSION_CLAIM] = sessionUid
}

function rolesOf(ctx: KoaContextWithOIDC): string[] | undefined {
  return (ctx.oidc.account as { user?: User } | undefined)?.user?.roles
}

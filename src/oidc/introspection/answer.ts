/**
 * Introspection (RFC 7662) and revocation (RFC 7009) of every kind of token. The library answers for the tokens that it
 * stores, and refuses a JWT right after it has authenticated the client. That refusal is where we go on: the client has
 * proved itself by the library's own rules, and the answer for its JWT takes the refusal's place.
 */
import type { Middleware } from 'koa'
import type { Client, KoaContextWithOIDC, Provider } from 'oidc-provider'
import type pg from 'pg'
import { findResourceByAudience } from '../../registry/resources/queries.ts'
import type { Families } from '../adapter/families.ts'
import { asRequest } from '../plain-context.ts'
import { onlyAt, routes } from '../routes.ts'
import { grantOf, type AccessTokenClaims, type JwtAccessTokens } from './jwt-access-token.ts'

interface Token {
  kind: string
  clientId?: string | undefined
  aud?: unknown
}

type MayIntrospect = (ctx: KoaContextWithOIDC, client: Client, token: Token) => Promise<boolean>

/**
 * A token tells nothing to anybody but its own client and those that stand for the API that it was made for (RFC 7662 §4).
 * A refresh token is for its client and us alone.
 */
export function createIntrospectionPolicy({ pool }: { pool: pg.Pool }): MayIntrospect {
  return async (ctx, { clientId }, { kind, clientId: owner, aud }) => {
    if (owner === clientId) return true
    if (owner === undefined || kind === 'RefreshToken' || typeof aud !== 'string') return false
    // The library asks for it next, and fails over one that is gone.
    if (!(await ctx.oidc.provider.Client.find(owner))) return false
    return (await findResourceByAudience(pool, aud))?.introspectionClients.includes(clientId) === true
  }
}

export interface StructuredTokenOptions {
  jwts: JwtAccessTokens
  families: Families
  mayIntrospect: MayIntrospect
}

const PATHS: ReadonlySet<string> = new Set([routes.introspection, routes.revocation])
const REFUSED = 'unsupported_token_type'
const INACTIVE = { active: false }

export function answerForStructuredTokens(
  provider: Provider,
  { jwts, families, mayIntrospect }: StructuredTokenOptions,
): void {
  const refused = new WeakSet<KoaContextWithOIDC>()
  const note = (ctx: KoaContextWithOIDC, { error }: { error?: string }) => {
    if (error === REFUSED) refused.add(ctx)
  }
  provider.on('introspection.error', note)
  provider.on('revocation.error', note)

  async function introspect(ctx: KoaContextWithOIDC, client: Client, token: string): Promise<Record<string, unknown>> {
    const claims = await jwts.read(token)
    if (!claims) return INACTIVE
    const about = { kind: 'AccessToken', clientId: claims.client_id, aud: claims.aud }
    if (!(await mayIntrospect(ctx, client, about)) || !(await jwts.isAlive(claims))) return INACTIVE
    return { ...claims, active: true, token_type: claims.cnf?.jkt === undefined ? 'Bearer' : 'DPoP' }
  }

  /** Of a person's token the family ends, as with any token of it; a client's own is remembered until it expires. */
  async function revoke({ clientId }: Client, token: string): Promise<undefined> {
    const claims: AccessTokenClaims | undefined = await jwts.read(token)
    if (claims?.client_id !== clientId || !(await jwts.isAlive(claims))) return undefined
    const isFirst = await jwts.revoke(claims)
    // The family is that of the app in front, whose person has not said that it should end.
    if (isFirst && claims.act === undefined) await families.revoke(grantOf(claims))
    return undefined
  }

  const answer: Middleware = async (context, next) => {
    await next()
    const ctx = context as KoaContextWithOIDC
    const { client, params } = ctx.oidc ?? {}
    if (refused.has(ctx) && client && typeof params?.token === 'string') {
      const { token } = params
      const isRevocation = ctx.oidc.route === 'revocation'
      const work = async () => (isRevocation ? revoke(client, token) : introspect(ctx, client, token))
      const body = await asRequest(ctx, work)
      ctx.status = 200
      ctx.body = body ?? ''
      ctx.type = body ? 'json' : 'text'
    }
    if (ctx.oidc?.route === 'introspection') nameSubject(ctx.body)
  }
  provider.use(onlyAt(PATHS, answer))
}

/** RFC 7662 §2.2: `sub` of what a client got for itself is the client, as RFC 9068 §2.2 has it in JWTs. */
function nameSubject(body: unknown): void {
  const answer = body as { active?: boolean; sub?: string; client_id?: string; token_type?: string } | null
  const isOwn = answer?.active === true && answer.sub === undefined && answer.token_type !== undefined
  if (isOwn && answer.client_id !== undefined) answer.sub = answer.client_id
}

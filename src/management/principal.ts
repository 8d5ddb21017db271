/**
 * Who calls the management API, and what they may do there now. Two kinds of credentials: an access token that Grantry
 * issued for this API, and an API key. What a caller may do is judged at each request: roles, a client's registration and a
 * key's scopes may have changed since the credential was made.
 */
import type { Context } from 'koa'
import type pg from 'pg'
import type { Principal } from '../http/api/operation.ts'
import type { Problem } from '../http/problem.ts'
import { API_KEY_PREFIX } from '../registry/api-keys/api-key.ts'
import { findApiKey } from '../registry/api-keys/queries.ts'
import { scopesOfRoles } from '../registry/management-roles.ts'
import { isManagementScope, type ManagementScope } from '../registry/management-scopes.ts'
import { challengeOf } from './challenge.ts'
import { problem } from './problems.ts'

export interface ManagementPrincipal extends Principal {
  scopes: ReadonlySet<ManagementScope>
  createdVia: 'access-token' | 'api-key'
  /** The client through which the user acts, or which acts for itself; undefined for an API key. */
  clientId: string | undefined
  /** Set for `kind: 'user'`. */
  userId: string | undefined
  /** When the credential ends by itself. */
  expiresAt: Date | undefined
}

/** What is known of a live access token for this API; see oidc/access-token-lookup.ts. */
export interface FoundAccessToken {
  clientId: string
  user: { id: string; roles: readonly string[] } | undefined
  scopes: readonly string[]
  expiresAt: Date
}

export interface AuthenticatorDependencies {
  pool: pg.Pool
  issuer: string
  findAccessToken: (value: string) => Promise<FoundAccessToken | undefined>
}

export type ManagementAuthenticator = (ctx: Context) => Promise<ManagementPrincipal | undefined>

/** RFC 6750 §2.1: credentials = "Bearer" 1*SP b64token; the scheme in any case (RFC 9110 §11.1). */
const BEARER = /^bearer +([\w\-.~+/]+=*)$/i
const LONGEST_CREDENTIAL = 512

/**
 * Reads `Authorization: Bearer …` or `X-API-Key: …`; the query and the body are never looked at, because they end in logs
 * (RFC 9700 §4.3.2). An unknown, expired, revoked or malformed credential answers the same, so that nobody learns which
 * values exist.
 * @returns undefined when no credential came
 * @throws Problem `invalid-request` for two credentials at once, `unauthenticated` for one that does not count
 */
export function createManagementAuthenticator({
  pool,
  issuer,
  findAccessToken,
}: AuthenticatorDependencies): ManagementAuthenticator {
  const challenge = challengeOf(issuer)
  const lookUp = createPrincipalLookup({ pool, findAccessToken })

  async function principalOf({ header, value }: Credential): Promise<ManagementPrincipal | undefined> {
    if (value === undefined) return undefined
    return header === 'x-api-key' && !value.startsWith(`${API_KEY_PREFIX}_`) ? undefined : lookUp(value)
  }

  return async (ctx) => {
    const [credential, second] = credentialsOf(ctx)
    if (!credential) return undefined
    if (second) {
      const detail = 'send one credential, in one Authorization or one X-API-Key header'
      throw problem('invalid-request', {
        detail,
        headers: { 'WWW-Authenticate': challenge({ error: 'invalid_request', description: detail }) },
        errors: [{ header: second.header, detail, code: 'duplicate' }],
      })
    }
    const principal = await principalOf(credential)
    if (!principal) throw invalid(challenge)
    return principal
  }
}

/** Whom a credential stands for, wherever it was shown; undefined when it is not good. */
export function createPrincipalLookup({
  pool,
  findAccessToken,
}: Pick<AuthenticatorDependencies, 'pool' | 'findAccessToken'>): (
  value: string,
) => Promise<ManagementPrincipal | undefined> {
  return async (value) => {
    if (value.length > LONGEST_CREDENTIAL) return undefined
    if (value.startsWith(`${API_KEY_PREFIX}_`)) return ofApiKey(pool, value)
    const token = await findAccessToken(value)
    return token && ofAccessToken(token)
  }
}

interface Credential {
  header: 'authorization' | 'x-api-key'
  /** Undefined for what is no bearer credential. */
  value: string | undefined
}

/** From the headers as they came: Node keeps only the first of two Authorization headers. */
function credentialsOf({ req }: Context): Credential[] {
  const found: Credential[] = []
  for (let at = 0; at < req.rawHeaders.length; at += 2) {
    const header = req.rawHeaders[at]?.toLowerCase()
    const text = req.rawHeaders[at + 1]?.trim() ?? ''
    if (header === 'authorization') found.push({ header, value: BEARER.exec(text)?.[1] })
    else if (header === 'x-api-key') found.push({ header, value: text })
  }
  return found
}

function invalid(challenge: ReturnType<typeof challengeOf>): Problem {
  const description = 'the access token or API key is unknown, has expired or was revoked'
  return problem('unauthenticated', {
    detail: description,
    headers: { 'WWW-Authenticate': challenge({ error: 'invalid_token', description }) },
  })
}

async function ofApiKey(pool: pg.Pool, value: string): Promise<ManagementPrincipal | undefined> {
  const apiKey = await findApiKey(pool, value)
  return (
    apiKey && {
      id: apiKey.id,
      kind: 'api-key',
      scopes: new Set(apiKey.scopes),
      createdVia: 'api-key',
      clientId: undefined,
      userId: undefined,
      expiresAt: apiKey.expiresAt ?? undefined,
    }
  )
}

function ofAccessToken({ clientId, user, scopes, expiresAt }: FoundAccessToken): ManagementPrincipal {
  const known = scopes.filter(isManagementScope)
  const common = { createdVia: 'access-token', clientId, expiresAt } as const
  if (!user) return { ...common, id: clientId, kind: 'client', userId: undefined, scopes: new Set(known) }
  const may = scopesOfRoles(user.roles)
  const effective = new Set(known.filter((scope) => may.has(scope)))
  return { ...common, id: user.id, kind: 'user', userId: user.id, scopes: effective }
}

/**
 * Holds what a call would hand out, or lay hands on, against what the caller has: a credential never makes or takes over
 * one that may do more. An operation calls it with the scopes of the API key, client or roles concerned, as they are and as
 * they are to be.
 * @throws Problem `privilege-raised`, which names what is lacking
 */
export function requireCovers(principal: Pick<Principal, 'scopes'> | undefined, scopes: Iterable<string>): void {
  const lacking = [...new Set(scopes)].filter((scope) => !principal?.scopes.has(scope))
  if (lacking.length === 0) return
  throw problem('privilege-raised', { detail: `the caller lacks ${lacking.join(', ')}` })
}

/** The management API, its reference page and its socket, put together from parts that know nothing of one another. */
import type { RateLimiter } from '../http/rate-limit/rate-limiter.ts'
import type { Middleware } from 'koa'
import type { Database } from '../database/connect.ts'
import type { SignIn } from '../http/api/documents.ts'
import { createIdempotencyStore } from '../http/api/idempotency.ts'
import { createSocketServer, type SocketServer } from '../events/stream/socket-server.ts'
import { createHandshakeReader } from '../http/forwarded.ts'
import { apiLimits } from '../http/rate-limit/api-limits.ts'
import { createManagementApi, MANAGEMENT_BASE } from '../management/api.ts'
import { credentials } from '../management/events/follower.ts'
import { createManagementAuthenticator, createPrincipalLookup } from '../management/principal.ts'
import { rightsOf } from '../management/rights.ts'
import { createAccessTokenLookup } from '../oidc/access-token-lookup.ts'
import { findReferenceClient } from '../registry/clients/reference-client.ts'
import { managementAudience } from '../registry/management-scopes.ts'
import type { Parts } from './parts.ts'

/** The management API on the registry, the keys and the events of this installation. */
export function createManagement(
  { config, masterKeys, log, db, keys, policy, events, stopping, checkAnswers, hasher }: Parts,
  limiter: RateLimiter,
): Middleware {
  const { issuer } = config
  const findAccessToken = createAccessTokenLookup({ pool: db.pool, issuer })
  return createManagementApi({
    issuer,
    db,
    log,
    masterKeys,
    keyPolicy: policy,
    ring: keys,
    hasher,
    authenticate: createManagementAuthenticator({ pool: db.pool, issuer, findAccessToken }),
    idempotency: createIdempotencyStore({ knex: db.knex }),
    limit: apiLimits(limiter),
    signIn: () => signInToReference(db, issuer),
    feed: events.feed,
    rights: events.rights,
    rightsOf: (owner) => rightsOf(db, owner),
    allowPrivate: config.webhooks.allowPrivate,
    stopping,
    checkAnswers,
  })
}

/** How people sign in on the reference page: with the client that may return to it, if an operator made one. */
async function signInToReference({ pool }: Database, issuer: string): Promise<SignIn | undefined> {
  const redirectUri = `${issuer}${MANAGEMENT_BASE}/docs/callback`
  const client = await findReferenceClient(pool, redirectUri)
  if (!client) return undefined
  return { issuer, clientId: client.id, redirectUri, resource: managementAudience(issuer), scopes: client.scopes }
}

/** The WebSocket beside the API: the same credentials, host and origins. */
export function createSockets({ config, db, log, origins, events: { feed, rights } }: Parts): SocketServer {
  const { issuer, trustProxy } = config
  const findAccessToken = createAccessTokenLookup({ pool: db.pool, issuer })
  const lookUp = createPrincipalLookup({ pool: db.pool, findAccessToken })
  return createSocketServer({
    path: `${MANAGEMENT_BASE}/v1/stream`,
    feed,
    rights,
    log,
    async authenticate(token) {
      const principal = await lookUp(token)
      return principal && credentials(principal, () => lookUp(token))
    },
    isAllowedOrigin: async (origin) => origin === issuer || origins.mayManage(origin),
    ...createHandshakeReader({ origin: issuer, trustProxy }),
  })
}

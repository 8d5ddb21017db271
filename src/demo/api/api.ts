/**
 * The orders API: its versions, who may call it how often, and what it says of itself. The kit (`http/api`) does what every
 * API of ours does; this folder says what is particular to orders, and it has no SQL.
 */
import type { Middleware } from 'koa'
import type { Database } from '../../database/connect.ts'
import { createApi, type ApiVersion } from '../../http/api/api.ts'
import { apiDocuments } from '../../http/api/documents.ts'
import { createIdempotencyStore } from '../../http/api/idempotency.ts'
import type { Operation } from '../../http/api/operation.ts'
import { cors } from '../../http/cors.ts'
import { isBelow, type Problem } from '../../http/problem.ts'
import type { RateLimitPolicy } from '../../http/rate-limit/algorithms.ts'
import { apiLimits, type ApiLimits } from '../../http/rate-limit/api-limits.ts'
import { createRateLimiter } from '../../http/rate-limit/rate-limiter.ts'
import { authenticate, TokenError, type TokenVerifier } from '../../resource-server/index.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { OrderRefusal } from '../orders/refusal.ts'
import { demoProblems, problem } from '../problems.ts'
import { v1, V1_DEPRECATED, V1_SUNSET } from '../v1.ts'
import { v2 } from '../v2.ts'
import type { Dialect } from '../versions.ts'
import { principalOf } from './access.ts'
import { accountEventOperations, type AccountEventDependencies } from './account-event-operations.ts'
import { eventOperations } from './event-operations.ts'
import { itemOperations } from './item-operations.ts'
import { orderOperations } from './order-operations.ts'

export const SCOPES = {
  'orders:read': 'See orders',
  'orders:write': 'Place, change and cancel orders',
} as const

export interface OrdersApiOptions extends AccountEventDependencies {
  db: Database
  log: Logger
  verifier: TokenVerifier
  issuer: string
  /** The origin of every link, and the audience of the tokens. */
  url: string
  /** The playground's public client, which the reference page signs in with. */
  clientId: string | undefined
  /** Other origins whose pages may call. */
  origins: readonly string[]
  rateLimit: RateLimitPolicy | 'off'
  cursorSecrets: readonly Buffer[]
  /** Tests: hold every answer against its schema. */
  checkAnswers?: boolean | undefined
}

const TITLE = 'Demo orders API'
const BASE = '/api'
const VENDOR = 'grantry'

/** Many people may share an address. */
const PEOPLE_PER_ADDRESS = 10

/** Everything below `/api`, and `/problems`. */
export function createOrdersApi(options: OrdersApiOptions): Middleware[] {
  const versions = versionsOf(options)
  const typeBase = `${options.url}/problems#`
  return [scriptsOf(options), documents(options, versions, typeBase), api(options, versions, typeBase)]
}

/** Scripts of which pages may read answers. */
function scriptsOf({ url, origins }: OrdersApiOptions): Middleware {
  const allowed = new Set([url, ...origins])
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
  const answer = cors({ isAllowed: (origin) => allowed.has(origin), methods })
  return (ctx, next) => (isBelow(BASE, ctx.path) ? answer(ctx, next) : next())
}

function versionsOf({ url, ...told }: OrdersApiOptions): ApiVersion[] {
  const documentation = `${url}${BASE}/docs`
  return [
    // Was there before the first release, without paging: it shows what a removed version says.
    { number: 0, operations: [], removed: true, successor: v2.number },
    {
      number: v1.number,
      operations: operationsOf(v1, told),
      deprecated: { since: V1_DEPRECATED, sunset: V1_SUNSET, documentation },
      successor: v2.number,
    },
    { number: v2.number, operations: operationsOf(v2, told) },
  ]
}

function operationsOf(dialect: Dialect, told: AccountEventDependencies): Operation[] {
  return [
    ...orderOperations(dialect),
    ...(dialect.hasItems ? itemOperations(dialect) : []),
    ...eventOperations(),
    ...(dialect.hasEvents ? accountEventOperations(told) : []),
  ]
}

function api(options: OrdersApiOptions, versions: ApiVersion[], typeBase: string): Middleware {
  const { db, log, verifier, url, cursorSecrets, checkAnswers = false } = options
  const scopes = scopesOf(versions)
  return createApi({
    title: TITLE,
    base: BASE,
    origin: url,
    vendor: VENDOR,
    versions,
    defaultVersion: v2.number,
    db,
    log,
    catalogue: demoProblems,
    typeBase,
    cursorSecrets,
    authenticate: async (ctx) => {
      const scope = scopes.get((ctx.state as { operation?: string }).operation ?? '') ?? ''
      const { method, originalUrl: target } = ctx
      const token = await authenticate(ctx.req.rawHeaders, verifier, { scope, method, target }).catch(refuse)
      return token && principalOf(token)
    },
    challenge: (scope, error) => {
      const { refusals } = verifier
      return (error ? refusals.insufficient(scope ?? '') : refusals.missing(scope)).challenge ?? 'Bearer'
    },
    problemOf,
    idempotency: createIdempotencyStore({ knex: db.knex }),
    limit: limits(options),
    checkAnswers,
  })
}

/** Counted in the database, for all instances together. */
function limits({ db, log, rateLimit }: OrdersApiOptions): ApiLimits {
  const address = rateLimit === 'off' ? rateLimit : { ...rateLimit, quota: rateLimit.quota * PEOPLE_PER_ADDRESS }
  const limiter = createRateLimiter({ pool: db.pool, policies: { address, orders: rateLimit }, log })
  return apiLimits(limiter, { address: 'address', principal: 'orders' })
}

/** What each operation needs, so that whoever refuses a token can say it (RFC 6750 §3). */
function scopesOf(versions: readonly ApiVersion[]): ReadonlyMap<string, string> {
  return new Map(
    versions
      .flatMap(({ operations }) => operations)
      .flatMap(({ id, access }) => (typeof access === 'object' ? [[id, access.scope]] : [])),
  )
}

/** @returns undefined when nobody said who they are: the kit knows whether that matters */
function refuse(error: unknown): undefined {
  if (!(error instanceof TokenError)) throw error
  if (error.status === 401 && error.error === undefined) return undefined
  if (error.error !== 'insufficient_scope') throw error
  throw problem('insufficient-scope', { detail: error.message, headers: error.headers })
}

function problemOf(error: unknown): Problem | undefined {
  if (!(error instanceof OrderRefusal)) return undefined
  const code = error.code === 'version-mismatch' ? 'precondition-failed' : error.code
  return problem(code, { ...(error.message && { detail: error.message }), members: error.facts })
}

function documents(
  { issuer, clientId, url }: OrdersApiOptions,
  versions: readonly ApiVersion[],
  typeBase: string,
): Middleware {
  return apiDocuments({
    title: TITLE,
    version: '2.0.0',
    description: DESCRIPTION,
    origin: url,
    base: BASE,
    vendor: VENDOR,
    versions: versions.toReversed(), // newest first
    defaultVersion: v2.number,
    catalogue: demoProblems,
    typeBase,
    tags: TAGS,
    issuer,
    security: {
      oauth: { authorizationEndpoint: `${issuer}/authorize`, tokenEndpoint: `${issuer}/token`, scopes: SCOPES },
    },
    ...(clientId && {
      signIn: () =>
        Promise.resolve({
          issuer,
          clientId,
          redirectUri: `${url}${BASE}/docs/callback`,
          resource: url,
          scopes: ['openid', ...Object.keys(SCOPES)],
        }),
    }),
  })
}

const DESCRIPTION = `Orders of people, as an API that trusts an authorization server and knows nothing else of it.

Whose orders a request is about stands in the path; \`me\` is whoever the token stands for. The role \`orders-admin\` opens the
orders of everybody, and sends them off.

Version 1 has lists by page number and one item in each order. Version 2 has lists by cursor, orders with several items, and
events that can be followed.
Tokens may be bearers' or bound to a key (DPoP, RFC 9449); a bound one counts with its proof only.

A version is named by the path, by \`API-Version\`, by \`Accept: application/vnd.${VENDOR}.v2+json\` or by \`?version=2\`.`

const TAGS = {
  Orders: 'What a person ordered, and what became of it.',
  Items: 'The lines of an order, each a thing of its own.',
  Account: 'What orders are paid from, and what happens to the account they belong to.',
}

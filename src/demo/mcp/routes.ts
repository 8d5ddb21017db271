import { Readable } from 'node:stream'
import type { ReadableStream as NodeStream } from 'node:stream/web'
import { createMcpHandler } from '@modelcontextprotocol/server'
import type { Context, Middleware } from 'koa'
import type { Database } from '../../database/connect.ts'
import { cors } from '../../http/cors.ts'
import type { RateLimitPolicy } from '../../http/rate-limit/algorithms.ts'
import { apiLimits } from '../../http/rate-limit/api-limits.ts'
import { createRateLimiter } from '../../http/rate-limit/rate-limiter.ts'
import {
  authenticate,
  createTokenVerifier,
  protectedResourceMetadata,
  protectedResourceMetadataPath,
  protectedResourceMetadataUrl,
  TokenError,
  type TokenVerifier,
  type VerifiedToken,
} from '../../resource-server/index.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { createOrdersServer } from './server.ts'

export interface McpOptions {
  db: Database
  log: Logger
  /** The origin of the demo. */
  url: string
  issuer: string
  /** Other origins whose pages may call. */
  origins: readonly string[]
  rateLimit: RateLimitPolicy | 'off'
  /** Aborted when the demo stops. */
  stopping: AbortSignal
}

const PATH = '/mcp'
/** What signing in is worth: a client that needs more is told so when it does. */
const FIRST_SCOPE = 'orders:read'
const MOST_BYTES = 64 * 1024

/** `/mcp` and the metadata by which clients find the issuer (RFC 9728). */
export function mcpRoutes(options: McpOptions): Middleware[] {
  const { url, issuer } = options
  const resource = url + PATH
  const verifier = createTokenVerifier({ issuer, audience: resource })
  const metadata = protectedResourceMetadata({ resource, issuer, scopes: [FIRST_SCOPE], documentation: `${url}/` })
  const metadataPath = protectedResourceMetadataPath(resource)
  const isAllowed = allowedOrigins(options)
  const methods = ['GET', 'HEAD', 'POST', 'DELETE']
  return [
    at(metadataPath, cors({ isAllowed: 'anyone', methods: ['GET', 'HEAD'] }), (ctx) => {
      ctx.set('cache-control', 'public, max-age=300')
      ctx.body = metadata
    }),
    at(PATH, cors({ isAllowed, methods, allowHeaders: ALLOW_HEADERS }), serve(options, verifier, isAllowed)),
  ]
}

/** Scripts say by header which revision and method they mean. */
const ALLOW_HEADERS = ['Authorization', 'Content-Type', 'Accept', 'MCP-Protocol-Version', 'Mcp-Method', 'Mcp-Name']

function serve(options: McpOptions, verifier: TokenVerifier, isAllowed: (origin: string) => boolean) {
  const { db, log, url, stopping } = options
  const limits = limitsOf(options)
  const resourceMetadataUrl = protectedResourceMetadataUrl(verifier.audience)
  // One server for each request, and no session: any instance can answer any request.
  const handler = createMcpHandler(({ authInfo }) => createOrdersServer({ db: db.knex, userId: subjectOf(authInfo) }), {
    maxRequestBodySize: MOST_BYTES,
    maxSubscriptions: 16,
    onerror: (err) => log.info({ reason: err.message }, 'a request of an MCP client was refused'),
  })
  stopping.addEventListener('abort', () => void handler.close(), { once: true })

  return async (ctx: Context) => {
    // A page that has rebound its name to this address is told by its Origin (MCP, transports).
    const origin = ctx.get('origin')
    if (origin !== '' && !isAllowed(origin)) return refuseOrigin(ctx)
    await limits.address(ctx)
    const token = await authenticated(ctx, verifier)
    await limits.principal(ctx, { kind: 'user', id: token.subject })
    const authInfo = {
      // The tools need no more than whose token it is: passing it on is what MCP forbids.
      token: '',
      clientId: token.clientId,
      scopes: [...token.scopes],
      expiresAt: Math.floor(token.expiresAt.getTime() / 1000),
      resourceMetadataUrl,
      extra: { subject: token.subject },
    }
    return answer(ctx, await handler.fetch(requestOf(ctx, url), { authInfo }))
  }
}

function subjectOf(authInfo: { extra?: Record<string, unknown> } | undefined): string {
  const subject = authInfo?.extra?.subject
  if (typeof subject !== 'string') throw new Error('a request came without a token')
  return subject
}

/** @throws TokenError, whose challenge names what to ask for first */
async function authenticated(ctx: Context, verifier: TokenVerifier): Promise<VerifiedToken> {
  try {
    return await authenticate(ctx.req.rawHeaders, verifier)
  } catch (error) {
    const nothingCame = error instanceof TokenError && error.status === 401 && error.error === undefined
    throw nothingCame ? verifier.refusals.missing(FIRST_SCOPE) : error
  }
}

function limitsOf({ db, log, rateLimit }: McpOptions) {
  const address = rateLimit === 'off' ? rateLimit : { ...rateLimit, quota: rateLimit.quota * 10 }
  const limiter = createRateLimiter({ pool: db.pool, policies: { address, orders: rateLimit }, log })
  return apiLimits(limiter, { address: 'address', principal: 'orders' })
}

function allowedOrigins({ url, origins }: McpOptions): (origin: string) => boolean {
  const allowed = new Set([url, ...origins])
  return (origin) => allowed.has(origin)
}

function refuseOrigin(ctx: Context): void {
  ctx.status = 403
  ctx.body = { jsonrpc: '2.0', error: { code: -32_000, message: 'this origin may not call' }, id: null }
}

/** The request as the platform's fetch knows it. */
function requestOf(ctx: Context, url: string): Request {
  const headers = new Headers()
  for (const [name, values] of Object.entries(ctx.req.headersDistinct)) {
    // Its work is done, and it must not travel on.
    if (name !== 'authorization') for (const value of values ?? []) headers.append(name, value)
  }
  const gone = new AbortController()
  ctx.res.once('close', () => gone.abort())
  const { method } = ctx
  const hasBody = method !== 'GET' && method !== 'HEAD'
  return new Request(url + ctx.originalUrl, {
    method,
    headers,
    signal: gone.signal,
    ...(hasBody && { body: Readable.toWeb(ctx.req) as ReadableStream, duplex: 'half' }),
  })
}

function answer(ctx: Context, response: Response): void {
  ctx.status = response.status
  for (const [name, value] of response.headers) ctx.set(name, value)
  ctx.set('cache-control', 'no-store')
  if (response.body) ctx.body = Readable.fromWeb(response.body as NodeStream)
  else ctx.body = null
  ctx.status = response.status
}

/** Middleware for one path alone. */
function at(path: string, scripts: Middleware, work: (ctx: Context) => void | Promise<void>): Middleware {
  return (ctx, next) => (ctx.path === path ? scripts(ctx, () => Promise.resolve(work(ctx))) : next())
}

/**
 * The map of the system: everything is made here, in order, from a configuration and nothing else, and handed to what needs
 * it. Read this first, then the folder that you came for.
 *
 *   browser, app, service ──▶ edge (trace, health, limits, host, headers) ──▶ pages (interactions/) or protocol (oidc/)
 *                                       └──▶ /api (management/)                 │                    │
 *   operator's CLI ────────▶ registry/ (users, clients, resources, consents, …) ◀────────────────────┘
 *                                │ every change writes its event (events/outbox)
 *                                ▼
 *                            PostgreSQL ◀── keys/ (signing keys turn themselves over)
 */
import type { Server } from 'node:http'
import { join } from 'node:path'
import Koa, { type Context, type Middleware } from 'koa'
import { ConfigError, type Config } from './config/load.ts'
import { connectDatabase, type Database } from './database/connect.ts'
import { migrateUp } from './database/migrate.ts'
import { startSweeper } from './database/sweeper.ts'
import { addressLimit } from './http/address-limit.ts'
import type { SignIn } from './http/api/documents.ts'
import { createIdempotencyStore, expiredIdempotencyKeys } from './http/api/idempotency.ts'
import { cacheable } from './http/cacheable.ts'
import { cors } from './http/cors.ts'
import { startEvents, type Events } from './events/service.ts'
import { expiredLogoutNotices } from './events/logout/queue.ts'
import { startLogoutSender } from './events/logout/sender.ts'
import { sweepEvents } from './events/retention.ts'
import { startTokenCounts, type TokenCounts } from './events/token-counts.ts'
import { createSocketServer, isForSocket, type SocketServer } from './events/stream/socket-server.ts'
import { expiredDeliveries } from './events/webhooks/queue.ts'
import { createHandshakeReader, forwarded } from './http/forwarded.ts'
import { health } from './http/health.ts'
import { createHttpServer, isDisconnect } from './http/http-server.ts'
import { limits } from './http/limits.ts'
import { isBelow, problemsBelow } from './http/problem.ts'
import { apiLimits } from './http/rate-limit/api-limits.ts'
import { expiredRateLimits } from './http/rate-limit/algorithms.ts'
import { pathLimits, refuseClient } from './http/rate-limit/path-limits.ts'
import { createRateLimiter } from './http/rate-limit/rate-limiter.ts'
import { securityHeaders } from './http/security-headers.ts'
import { trace } from './http/trace.ts'
import { fork } from './http/under.ts'
import { createFormTokens } from './interactions/page.ts'
import { failed, notFound, serveAssets, tooMany } from './interactions/other-pages.ts'
import { createRenderer, type Renderer } from './interactions/pages/render.ts'
import { createProtocolPages } from './interactions/protocol-pages.ts'
import { createInteractions, signInPath } from './interactions/routes.ts'
import { keyPolicy } from './config/key-policy.ts'
import { keyPolicyProblems, type KeyPolicy } from './keys/key-policy.ts'
import { checkMasterKey } from './keys/master-key-canary.ts'
import { createKeyRing, type KeyRing } from './keys/ring.ts'
import { createLifecycle } from './lib/lifecycle.ts'
import { networkOf } from './lib/network.ts'
import { derive, type MasterKeys } from './lib/master-key.ts'
import { createManagementApi, MANAGEMENT_BASE } from './management/api.ts'
import { METADATA_PATH } from './management/challenge.ts'
import { managementCors } from './management/cors.ts'
import { credentials } from './management/events/follower.ts'
import { createManagementAuthenticator, createPrincipalLookup } from './management/principal.ts'
import { rightsOf } from './management/rights.ts'
import { problemTypeBase } from './management/problems.ts'
import { resourceMetadata } from './management/resource-metadata.ts'
import { createClientDocuments, type ClientDocumentsOptions } from './oidc/client-documents/client-documents.ts'
import { expiredDocuments } from './oidc/client-documents/cache.ts'
import { createAccessTokenLookup } from './oidc/access-token-lookup.ts'
import { createStorage } from './oidc/adapter/adapter.ts'
import { expired } from './oidc/adapter/expired.ts'
import { currentProvider, type CurrentProvider } from './oidc/current-provider.ts'
import { createLogoutTokens } from './oidc/logout-tokens.ts'
import { createInteractionGateway } from './oidc/interaction-gateway.ts'
import {
  anonymousPaths,
  cacheablePaths,
  clientPaths,
  corsPaths,
  isForScripts,
  protocolMethods,
  registrationPath,
} from './oidc/routes.ts'
import { createStrangers } from './outbound/stranger.ts'
import { createRegistration } from './registration/registration.ts'
import { createClientOrigins, type ClientOrigins } from './registry/clients/origins.ts'
import { sweepUnusedClients } from './registry/clients/unused.ts'
import { ensureManagementResource } from './registry/resources/built-in.ts'
import { findReferenceClient } from './registry/clients/reference-client.ts'
import { managementAudience } from './registry/management-scopes.ts'
import { createPasswordHasher } from './registry/users/password.ts'
import { createLoginThrottle, createUserCodeThrottle } from './registry/users/throttle.ts'
import type { Logger } from './telemetry/logger.ts'

export interface AuthServer {
  config: Config
  db: Database
  keys: KeyRing
  /** Starts to listen. @returns the port */
  listen(): Promise<number>
  /** Stops taking requests, lets those under way finish, and ends everything in reverse order. */
  close(deadlineMs?: number): Promise<void>
}

export interface ServerOptions {
  /** For tests: each answer of the management API is held against what its operation declares. */
  checkAnswers?: boolean
}

const SWEEP_SECONDS = 60
const VIEWS = join(import.meta.dirname, '..', 'views')

/**
 * Builds a server: connects to the database (embedded or DATABASE_URL), migrates it, reads or makes the signing keys.
 * @throws whatever stands in the way, each error one clear line
 */
export async function createAuthServer(
  config: Config,
  masterKeys: MasterKeys,
  log: Logger,
  { checkAnswers = false }: ServerOptions = {},
): Promise<AuthServer> {
  const policy = keyPolicy(config)
  const problems = keyPolicyProblems(policy)
  if (problems.length > 0) throw new ConfigError(problems)
  const lifecycle = createLifecycle({ onError: (name, err) => log.error({ err, part: name }, 'did not stop well') })
  try {
    const { poolMax, dataDirectory, url } = config.database
    const db = await connectDatabase({ url, dataDirectory, poolMax, log })
    lifecycle.add('database', () => db.close())
    await migrateUp(db, log)
    await ensureManagementResource(db.knex, config.issuer)
    await checkMasterKey(db, masterKeys)

    const keys = await createKeyRing({ db, policy, masterKeys, log })
    lifecycle.add('keys', () => keys.close())
    const leftovers = [
      ...expired,
      expiredDocuments,
      expiredIdempotencyKeys,
      expiredRateLimits,
      expiredDeliveries,
      expiredLogoutNotices,
    ]
    const oldEvents = (batch: number) => sweepEvents(db, { keepSeconds: config.events.keepSeconds, batch })
    const others = [oldEvents, (batch: number) => sweepUnusedClients(db.knex, batch)]
    const sweeper = startSweeper({ db, log, expired: leftovers, others, everySeconds: SWEEP_SECONDS })
    lifecycle.add('sweeper', () => sweeper.stop())

    const owners = (owner: string) => rightsOf(db, owner)
    const events = await startEvents({ db, masterKeys, log, rightsOf: owners, webhooks: config.webhooks })
    lifecycle.add('events', () => events.stop())

    const tokenCounts = startTokenCounts({ pool: db.pool, log, mode: config.events.tokens })
    lifecycle.add('token counts', () => tokenCounts.stop())

    const strangers = {
      strangers: createStrangers({ allowPrivate: false }),
      loopback: config.clientDocuments.allowLoopback ? createStrangers({ allowPrivate: true }) : undefined,
    }
    lifecycle.add('outbound', async () => {
      await Promise.all([strangers.strangers.close(), strangers.loopback?.close()])
    })

    const renderer = createRenderer({ directory: VIEWS })
    const issuing = createIssuing({ config, masterKeys, log, db, keys, tokenCounts, strangers, renderer })
    const logouts = await startLogouts({ config, log, db, issuing })
    lifecycle.add('logouts', () => logouts.stop())

    const stopping = new AbortController()
    const parts = {
      config,
      masterKeys,
      log,
      db,
      keys,
      policy,
      events,
      renderer,
      issuing,
      stopping: stopping.signal,
      checkAnswers,
    }
    const server = createHttpServer(createApp(parts).callback(), { upgrades: isForSocket })
    lifecycle.add('http', () => stopListening(server))
    const sockets = createSockets(parts)
    sockets.attach(server)
    lifecycle.add('streams', () => {
      stopping.abort()
      sockets.close()
    })
    return { config, db, keys, listen: () => listen(server, config), close: (ms) => lifecycle.close(ms) }
  } catch (error) {
    await lifecycle.close()
    throw error
  }
}

interface Parts {
  config: Config
  masterKeys: MasterKeys
  log: Logger
  db: Database
  keys: KeyRing
  policy: KeyPolicy
  events: Events
  renderer: Renderer
  issuing: Issuing
  /** Aborted when the server stops: what is held open for a reader ends. */
  stopping: AbortSignal
  checkAnswers: boolean
}

interface IssuingParts extends Pick<Parts, 'config' | 'masterKeys' | 'log' | 'db' | 'keys' | 'renderer'> {
  tokenCounts: TokenCounts
  /** Who asks hosts that clients have chosen. */
  strangers: Pick<ClientDocumentsOptions, 'strangers' | 'loopback'>
}

type Issuing = ReturnType<typeof createIssuing>

/** The protocol library on our storage. */
function createIssuing({ config, masterKeys, log, db, keys, tokenCounts, strangers, renderer }: IssuingParts) {
  const { issuer } = config
  const { refreshReuseSeconds } = config.tokens
  const documents = config.clientDocuments.enabled ? createDocuments({ db, log, strangers }) : undefined
  const storage = createStorage({ pool: db.pool, masterKeys, issuer, log, refreshReuseSeconds, documents })
  const pages = createProtocolPages(renderer)
  const provider = currentProvider(
    { config, db, masterKeys, storage, pages, log, guesses: createUserCodeThrottle(), onTokens: tokenCounts.take },
    keys,
  )
  return { provider, documents }
}

/** Tells apps of sessions that have ended, at addresses where webhooks may lead too. */
async function startLogouts({ config, log, db, issuing }: Pick<Parts, 'config' | 'log' | 'db' | 'issuing'>) {
  const { allowPrivate, timeoutSeconds } = config.webhooks
  const strangers = createStrangers({ allowPrivate })
  const mint = createLogoutTokens(() => issuing.provider.get())
  const sender = await startLogoutSender({ db, log, strangers, mint, timeoutMs: timeoutSeconds * 1000 })
  return {
    async stop() {
      await sender.stop()
      await strangers.close()
    },
  }
}

/** The order in which a request passes everything. */
function createApp({
  config,
  masterKeys,
  log,
  db,
  keys,
  policy,
  events,
  renderer,
  issuing: { provider, documents },
  stopping,
  checkAnswers,
}: Parts): Koa {
  const { issuer } = config
  const { accessSeconds } = config.tokens
  const gateway = createInteractionGateway(() => provider.get(), { config, db, documents })
  const hasher = createPasswordHasher()
  const throttle = createLoginThrottle()
  const tokens = createFormTokens(derive(masterKeys, 'forms'))
  const limiter = createRateLimiter({ pool: db.pool, policies: config.rateLimits, log })
  const findAccessToken = createAccessTokenLookup({ pool: db.pool, issuer })
  const management = createManagementApi({
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
  const origins = createClientOrigins({ pool: db.pool })

  const app = new Koa({ proxy: true })
  app.on('error', (err: Error) => {
    // The error of a broken connection carries the bytes that came in, a password among them: only its name is kept.
    if (isDisconnect(err)) log.info({ reason: err.message }, 'a connection broke off')
    else log.error({ err }, 'a response failed')
  })
  app.use(trace(log))
  app.use(securityHeaders({ https: config.issuer.startsWith('https:') }))
  app.use(health(() => readiness(db, keys, config)))
  // Under /api everything that is refused or fails is a problem, whoever does it; elsewhere a page says what went wrong.
  const problems = problemsBelow(MANAGEMENT_BASE, { log, typeBase: problemTypeBase(issuer) })
  app.use(fork(MANAGEMENT_BASE, problems, failed(renderer, log)))
  app.use(limits())
  app.use(forwarded({ origin: issuer, trustProxy: config.trustProxy, api: MANAGEMENT_BASE }))
  // Public documents, the same for everybody and without credentials: anyone's scripts may read them (RFC 8414 §3).
  const isPublic = (path: string) => cacheablePaths.has(path) || path === METADATA_PATH
  app.use(on(isPublic, cors({ isAllowed: 'anyone', methods: ['GET', 'HEAD'] })))
  app.use(on((path) => corsPaths.has(path), protocolCors(origins)))
  // Whoever registers is not known yet, and neither is an origin of theirs; there are no cookies to ride along.
  app.use(on((path) => path === registrationPath, cors({ isAllowed: 'anyone', methods: ['POST'] })))
  app.use(on((path) => isBelow(MANAGEMENT_BASE, path), managementCors({ issuer, origins })))
  // Which policy stands before which path: authorization requests by address in memory; these by address for all instances;
  // the APIs ('address' before, 'api' after they know who calls) by themselves.
  app.use(addressLimit({ paths: anonymousPaths, perMinute: config.authorizationsPerMinute }))
  app.use(
    pathLimits(limiter, [
      { policy: 'token', paths: clientPaths, refuse: refuseClient },
      { policy: 'registration', paths: new Set([registrationPath]), refuse: refuseClient },
      { policy: 'login', paths: signInPath, refuse: tooMany(renderer), isQuiet: true },
    ]),
  )
  app.use(resourceMetadata({ issuer }))
  app.use(management)
  app.use(serveAssets(renderer))
  app.use(cacheable(cacheablePaths, config.keys.jwksMaxAgeSeconds))
  app.use(createRegistration({ db, path: registrationPath, ...config.registration }))
  app.use(protocol(provider.handle))
  for (const page of createInteractions({
    issuer: config.issuer,
    db,
    gateway,
    renderer,
    tokens,
    hasher,
    throttle,
    accessSeconds,
  })) {
    app.use(page)
  }
  app.use(notFound(renderer))
  return app
}

/** Fetches of clients' documents are counted in the database, for all instances: by who causes them, and by whom they burden. */
const DOCUMENT_LIMITS = {
  caller: { algorithm: 'sliding-window', quota: 20, windowSeconds: 60 },
  host: { algorithm: 'sliding-window', quota: 60, windowSeconds: 60 },
} as const

function createDocuments({ db, log, strangers }: Pick<IssuingParts, 'db' | 'log' | 'strangers'>) {
  const limiter = createRateLimiter({ pool: db.pool, policies: DOCUMENT_LIMITS, log })
  return createClientDocuments({
    db,
    ...strangers,
    mayFetch: async ({ address, host }) =>
      (await limiter.take('caller', networkOf(address))).allowed && (await limiter.take('host', host)).allowed,
  })
}

/** Whose scripts may read what the protocol answers, before the client is known. Pages and forms are not among its paths. */
function protocolCors(origins: ClientOrigins): Middleware {
  return cors({
    isAllowed: (origin, ctx) => isForScripts(ctx.path) && origins.isRegistered(origin),
    methods: (ctx) => (protocolMethods(ctx.path) ?? []).filter((method) => method !== 'OPTIONS'),
  })
}

/** A middleware for these paths alone. */
function on(isMeant: (path: string) => boolean, middleware: Middleware): Middleware {
  return (ctx, next) => (isMeant(ctx.path) ? middleware(ctx, next) : next())
}

/** How people sign in on the reference page: with the client that may return to it, if an operator made one. */
async function signInToReference({ pool }: Database, issuer: string): Promise<SignIn | undefined> {
  const redirectUri = `${issuer}${MANAGEMENT_BASE}/docs/callback`
  const client = await findReferenceClient(pool, redirectUri)
  if (!client) return undefined
  return { issuer, clientId: client.id, redirectUri, resource: managementAudience(issuer), scopes: client.scopes }
}

/** The WebSocket beside the API: the same credentials, host and origins. */
function createSockets({ config, db, log, events: { feed, rights } }: Parts): SocketServer {
  const { issuer, trustProxy } = config
  const origins = createClientOrigins({ pool: db.pool })
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

/** Hands requests for the protocol's paths to the library, which answers them itself. */
function protocol(handle: CurrentProvider['handle']): Middleware {
  return async (ctx, next) => {
    const methods = protocolMethods(ctx.path)
    if (!methods) return next()
    const isPreflight = ctx.get('access-control-request-method') !== ''
    if (!methods.includes(ctx.method) || (ctx.method === 'OPTIONS' && !isPreflight)) return tellMethods(ctx, methods)
    ctx.respond = false
    await handle(ctx.req, ctx.res)
    return undefined
  }
}

/** RFC 9110 §9.3.7 and §15.5.6. */
function tellMethods(ctx: Context, methods: readonly string[]): undefined {
  ctx.set('Allow', methods.join(', '))
  ctx.status = methods.includes(ctx.method) ? 204 : 405
  if (ctx.status === 405) ctx.body = { error: 'invalid_request', error_description: `use ${methods.join(' or ')} here` }
  return undefined
}

async function readiness(db: Database, keys: KeyRing, config: Config): Promise<string | undefined> {
  const { publishSeconds, jwksMaxAgeSeconds, pollSeconds } = config.keys
  if (keys.staleSeconds() > publishSeconds - jwksMaxAgeSeconds - pollSeconds) return 'signing keys are out of date'
  try {
    await db.pool.query('select 1')
    return undefined
  } catch {
    return 'database'
  }
}

function listen(server: Server, { listen: { host, port } }: Config): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

/** Idle connections end now, busy ones when their request is answered. */
async function stopListening(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const nudge = setInterval(() => server.closeIdleConnections(), 100)
  await closed.finally(() => clearInterval(nudge))
}

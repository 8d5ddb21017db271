/**
 * The demo: an orders API and the playground page that shows how tokens work. A process of its own that trusts the
 * authorization server as any stranger's API would, by its URL and its published keys; it must not know the server's
 * configuration, database, registry or secrets. This file is its map.
 */
import { Router } from '@koa/router'
import Koa from 'koa'
import type { RequestListener } from 'node:http'
import { connectDatabase, type Database } from '../database/connect.ts'
import { createElection } from '../database/election.ts'
import { startSweeper } from '../database/sweeper.ts'
import { expiredIdempotencyKeys, idempotencyTable } from '../http/api/idempotency.ts'
import { cors } from '../http/cors.ts'
import { health } from '../http/health.ts'
import { renderProblems } from '../http/problem.ts'
import { expiredRateLimits, rateLimitTable } from '../http/rate-limit/algorithms.ts'
import { securityHeaders } from '../http/security-headers.ts'
import { trace } from '../http/trace.ts'
import { createLifecycle } from '../lib/lifecycle.ts'
import {
  createPostgresReplayStore,
  createTokenVerifier,
  postgresReplayTable,
  protectedResourceMetadata,
  protectedResourceMetadataPath,
  type TokenVerifier,
} from '../resource-server/index.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createOrdersApi, SCOPES } from './api/api.ts'
import type { DemoConfig } from './config.ts'
import { accountEventsTable } from './events/event.ts'
import { openAccountEvents, type AccountEvents } from './events/feed.ts'
import { webhookRoutes } from './events/receive.ts'
import { createDeliveryVerifier } from './events/verify.ts'
import { listen } from './listen.ts'
import { mcpRoutes } from './mcp/routes.ts'
import { migrateOrders, sharedSecret } from './orders/schema.ts'
import { playgroundRoutes } from './playground.ts'

export interface Demo {
  /** The origin at which it answers, and its resource identifier. */
  url: string
  close(): Promise<void>
}

export interface DemoDependencies {
  log: Logger
  /** Opened from the configuration when left out; then closed with the demo. */
  db?: Database
  /** Tests: hold every answer against its schema. */
  checkAnswers?: boolean
}

const SWEEP_SECONDS = 600

/** Starts everything; when something can't start, ends what already did. */
export async function startDemo(config: DemoConfig, { log, db: given, checkAnswers }: DemoDependencies): Promise<Demo> {
  const lifecycle = createLifecycle({
    onError: (name, error) => log.error({ err: error }, `${name} did not stop well`),
  })
  try {
    const db = given ?? (await connectDatabase({ ...config.database, poolMax: 5, log }))
    if (!given) lifecycle.add('database', () => db.close())
    await migrateOrders(db, [idempotencyTable, rateLimitTable, accountEventsTable, postgresReplayTable])
    const cursorSecrets = [await sharedSecret(db, 'cursor')]
    const usedProofs = { table: 'dpop_replays', column: 'expires_at' }
    const expired = [expiredIdempotencyKeys, expiredRateLimits, usedProofs]
    const election = createElection({ db, log })
    lifecycle.add('election', () => election.close())
    const sweeper = startSweeper({ db, election, log, expired, everySeconds: SWEEP_SECONDS })
    lifecycle.add('sweeper', () => sweeper.stop())

    const events = await openAccountEvents(db)
    lifecycle.add('events', () => events.close())

    let url = ''
    const stopping = new AbortController()
    const server = await listen(config.listen, (port) => {
      url = config.url ?? `http://localhost:${port}`
      return createHandler(config, { db, log, url, cursorSecrets, events, stopping: stopping.signal, checkAnswers })
    })
    lifecycle.add('http', () => server.close())
    lifecycle.add('streams', () => stopping.abort())
    return { url, close: () => lifecycle.close() }
  } catch (error) {
    await lifecycle.close()
    throw error
  }
}

interface Parts {
  db: Database
  log: Logger
  url: string
  cursorSecrets: readonly Buffer[]
  events: AccountEvents
  stopping: AbortSignal
  checkAnswers: boolean | undefined
}

function createHandler(config: DemoConfig, parts: Parts): RequestListener {
  const { issuer, clientId, webhookSecret, origins, rateLimit } = config
  const { db, log, url } = parts
  // Proofs that were used stand in the database, so that each counts once over all instances.
  const replays = createPostgresReplayStore((text, values) => db.pool.query(text, values))
  const verifier = createTokenVerifier({ issuer, audience: url, dpop: { url, replays } })
  const hasEvents = webhookSecret !== undefined
  const routers = [playgroundRoutes({ issuer, clientId, url, hasEvents }), metadataRoutes({ issuer, url, verifier })]
  if (hasEvents) routers.push(webhookRoutes({ db: db.knex, log, verify: createDeliveryVerifier(webhookSecret) }))
  const app = new Koa()
  app.on('error', (error: unknown) => log.error({ err: error }, 'request failed beyond answering'))
  app.use(securityHeaders({ https: url.startsWith('https:') }))
  app.use(health(() => missing({ db, verifier })))
  app.use(trace(log))
  app.use(renderProblems({ log, typeBase: `${url}/problems#` }))
  for (const part of createOrdersApi({ ...parts, verifier, issuer, clientId, origins, rateLimit })) app.use(part)
  for (const part of mcpRoutes({ ...parts, issuer, origins, rateLimit })) app.use(part)
  for (const router of routers) app.use(router.routes()).use(router.allowedMethods())
  const handle = app.callback()
  return (request, response) => void handle(request, response)
}

function metadataRoutes({ issuer, url, verifier }: { issuer: string; url: string; verifier: TokenVerifier }): Router {
  const scopes = Object.keys(SCOPES)
  const metadata = protectedResourceMetadata({
    resource: url,
    issuer,
    scopes,
    documentation: `${url}/`,
    dpop: verifier.dpop,
  })
  const router = new Router()
  // For everybody, scripts of any origin included: it is how a client finds the issuer.
  router.get(protectedResourceMetadataPath(url), cors({ isAllowed: 'anyone', methods: ['GET', 'HEAD'] }), (ctx) => {
    ctx.set('cache-control', 'public, max-age=300')
    ctx.body = metadata
  })
  return router
}

/** Ready means: orders can be read and tokens can be checked. */
async function missing({ db, verifier }: { db: Database; verifier: TokenVerifier }): Promise<string | undefined> {
  const works = (attempt: Promise<unknown>) => attempt.then(() => true).catch(() => false)
  const [database, keys] = await Promise.all([works(db.pool.query('select 1')), works(verifier.prepare())])
  if (!database) return 'database'
  return keys ? undefined : 'keys of the issuer'
}

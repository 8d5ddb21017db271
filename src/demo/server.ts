/**
 * The demo: an orders API and the playground page that shows how tokens work. A process of its own that trusts the
 * authorization server as any stranger's API would, by its URL and its published keys; it must not know the server's
 * configuration, database, registry or secrets. This file is its map.
 */
import { Router } from '@koa/router'
import Koa from 'koa'
import type { RequestListener } from 'node:http'
import { connectDatabase, type Database } from '../database/connect.ts'
import { health } from '../http/health.ts'
import { renderProblems } from '../http/problem.ts'
import { securityHeaders } from '../http/security-headers.ts'
import { trace } from '../http/trace.ts'
import { createLifecycle } from '../lib/lifecycle.ts'
import {
  createTokenVerifier,
  protectedResourceMetadata,
  protectedResourceMetadataPath,
  type TokenVerifier,
} from '../resource-server/index.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { DemoConfig } from './config.ts'
import { listen } from './listen.ts'
import { migrateOrders } from './orders.ts'
import { playgroundRoutes } from './playground.ts'
import { problemsPage } from './problems.ts'
import { ordersRoutes, scopes } from './routes.ts'

export interface Demo {
  /** The origin at which it answers, and its resource identifier. */
  url: string
  close(): Promise<void>
}

export interface DemoDependencies {
  log: Logger
  /** Opened from the configuration when left out; then closed with the demo. */
  db?: Database
}

/** Starts everything; when something can't start, ends what already did. */
export async function startDemo(config: DemoConfig, { log, db: given }: DemoDependencies): Promise<Demo> {
  const lifecycle = createLifecycle({
    onError: (name, error) => log.error({ err: error }, `${name} did not stop well`),
  })
  try {
    const db = given ?? (await connectDatabase({ ...config.database, poolMax: 5, log }))
    if (!given) lifecycle.add('database', () => db.close())
    await migrateOrders(db)

    let url = ''
    const server = await listen(config.listen, (port) => {
      url = config.url ?? `http://localhost:${port}`
      return createHandler(config, { db, log, url })
    })
    lifecycle.add('http', () => server.close())
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
}

function createHandler({ issuer, clientId }: DemoConfig, { db, log, url }: Parts): RequestListener {
  const verifier = createTokenVerifier({ issuer, audience: url })
  const routers = [
    ordersRoutes('v1', { db, verifier, url }),
    ordersRoutes('v2', { db, verifier, url }),
    playgroundRoutes({ issuer, clientId, url }),
    descriptionRoutes({ issuer, url }),
  ]
  const app = new Koa()
  app.on('error', (error: unknown) => log.error({ err: error }, 'request failed beyond answering'))
  app.use(securityHeaders({ https: url.startsWith('https:') }))
  app.use(health(() => missing({ db, verifier })))
  app.use(trace(log))
  app.use(renderProblems({ log, typeBase: `${url}/problems#` }))
  for (const router of routers) app.use(router.routes()).use(router.allowedMethods())
  const handle = app.callback()
  return (request, response) => void handle(request, response)
}

function descriptionRoutes({ issuer, url }: { issuer: string; url: string }): Router {
  const metadata = protectedResourceMetadata({ resource: url, issuer, scopes, documentation: `${url}/` })
  const problems = problemsPage()
  const router = new Router()
  router.get(protectedResourceMetadataPath(url), (ctx) => {
    ctx.set('cache-control', 'public, max-age=300')
    ctx.body = metadata
  })
  router.get('/problems', (ctx) => {
    ctx.body = problems
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

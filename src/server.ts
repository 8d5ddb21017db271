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
import { join } from 'node:path'
import { ConfigError, type Config } from './config/load.ts'
import { connectDatabase, type Database } from './database/connect.ts'
import { migrateUp } from './database/migrate.ts'
import { createElection } from './database/election.ts'
import { startSweeper } from './database/sweeper.ts'
import { expiredIdempotencyKeys } from './http/api/idempotency.ts'
import { startEvents } from './events/service.ts'
import { expiredAuditEntries } from './events/audit-retention.ts'
import { expiredLogoutNotices } from './events/logout/queue.ts'
import { sweepEvents } from './events/retention.ts'
import { startTokenCounts } from './events/token-counts.ts'
import { isForSocket } from './events/stream/socket-server.ts'
import { expiredDeliveries } from './events/webhooks/queue.ts'
import { createDoor, type Door } from './http/door.ts'
import { expiredRateLimits } from './http/rate-limit/algorithms.ts'
import { createRenderer } from './interactions/pages/render.ts'
import { keyPolicy } from './config/key-policy.ts'
import { keyPolicyProblems } from './keys/key-policy.ts'
import { checkMasterKey } from './keys/master-key-canary.ts'
import { createKeyRing, type KeyRing } from './keys/ring.ts'
import { createLifecycle } from './lib/lifecycle.ts'
import type { MasterKeys } from './lib/master-key.ts'
import { rightsOf } from './management/rights.ts'
import { expiredDocuments } from './oidc/client-documents/cache.ts'
import { expired } from './oidc/adapter/expired.ts'
import { createStrangers, type Strangers } from './outbound/stranger.ts'
import { createClientOrigins } from './registry/clients/origins.ts'
import { MOST_CLIENTS_AT_ONCE, sweepUnusedClients } from './registry/clients/unused.ts'
import { ensureManagementResource } from './registry/resources/built-in.ts'
import type { Logger } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { createApp } from './composition/app.ts'
import { createShedding } from './composition/overload.ts'
import { createIssuing, startLogouts } from './composition/issuing.ts'
import { createSockets } from './composition/management.ts'
import { createPasswords } from './composition/passwords.ts'
import { registerGauges } from './composition/gauges.ts'
import type { Parts } from './composition/parts.ts'
import { createTelemetry, startMetrics, watchDatabase } from './composition/telemetry.ts'
import { clientDocuments, traceHasher, watchStrangers, webhookDeliveries } from './composition/watched.ts'

export interface AuthServer {
  config: Config
  db: Database
  keys: KeyRing
  /** What this process measures of itself. */
  metrics: Metrics
  /** Starts to listen, unless the door does already. @returns the port */
  listen(): Promise<number>
  /** Every connection ends with its next answer, and health says `draining` unless `quietly`; all is still served until `close`. */
  leave(options?: { quietly?: boolean }): void
  /** Stops taking requests, lets those under way finish, and ends everything in reverse order. */
  close(deadlineMs?: number): Promise<void>
}

export interface ServerOptions {
  /** For tests: each answer of the management API is held against what its operation declares. */
  checkAnswers?: boolean
  /** For tests: whoever asks lives in this process and delays it, so that delays tell nothing of load. */
  sharesProcess?: boolean
  /** One that listens already, and has answered for the server until now. */
  door?: Door
  /** Another process tells the metrics of this one. */
  isWorker?: boolean
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
  { checkAnswers = false, sharesProcess = false, door = createDoor(), isWorker = false }: ServerOptions = {},
): Promise<AuthServer> {
  const policy = keyPolicy(config)
  const problems = keyPolicyProblems(policy)
  if (problems.length > 0) throw new ConfigError(problems)
  const lifecycle = createLifecycle({ onError: (name, err) => log.error({ err, part: name }, 'did not stop well') })
  try {
    const telemetry = await createTelemetry(config, log)
    const { metrics, tracing } = telemetry
    lifecycle.add('traces', () => tracing?.stop())
    const { poolMax, dataDirectory, url } = config.database
    const db = await connectDatabase({ url, dataDirectory, poolMax, log })
    lifecycle.add('database', () => db.close())
    watchDatabase(db, telemetry)
    await migrateUp(db, log)
    await ensureManagementResource(db.knex, config.issuer)
    await checkMasterKey(db, masterKeys)

    const keys = await createKeyRing({ db, policy, masterKeys, log })
    lifecycle.add('keys', () => keys.close())
    const leftovers = [
      ...expired,
      ...expiredDocuments,
      expiredIdempotencyKeys,
      expiredRateLimits,
      expiredDeliveries,
      expiredLogoutNotices,
      ...(config.audit.keepSeconds === undefined ? [] : [expiredAuditEntries(config.audit.keepSeconds)]),
    ]
    const { keepSeconds } = config.events
    const others = [
      { table: 'events', sweep: (batch: number) => sweepEvents(db, { keepSeconds, batch }) },
      { table: 'clients', sweep: (batch: number) => sweepUnusedClients(db.knex, batch), most: MOST_CLIENTS_AT_ONCE },
    ]
    const election = createElection({ db, log })
    lifecycle.add('election', () => election.close())
    const sweeper = startSweeper({
      db,
      election,
      log,
      expired: leftovers,
      others,
      everySeconds: SWEEP_SECONDS,
      onSwept: metrics.sweeper.swept,
      onRound: metrics.sweeper.finished,
    })
    lifecycle.add('sweeper', () => sweeper.stop())

    const owners = (owner: string) => rightsOf(db, owner)
    const watch = (strangers: Strangers) => watchStrangers(strangers, telemetry, webhookDeliveries)
    const events = await startEvents({
      db,
      masterKeys,
      log,
      election,
      rightsOf: owners,
      webhooks: config.webhooks,
      watch,
    })
    lifecycle.add('events', () => events.stop())

    const tokenCounts = startTokenCounts({ pool: db.pool, log, mode: config.events.tokens })
    lifecycle.add('token counts', () => tokenCounts.stop())

    const strangers = {
      strangers: watchStrangers(createStrangers({ allowPrivate: false }), telemetry, clientDocuments),
      loopback: config.clientDocuments.allowLoopback
        ? watchStrangers(createStrangers({ allowPrivate: true }), telemetry, clientDocuments)
        : undefined,
    }
    lifecycle.add('outbound', async () => {
      await Promise.all([strangers.strangers.close(), strangers.loopback?.close()])
    })

    const renderer = createRenderer({ directory: VIEWS })
    const issuing = createIssuing({ config, masterKeys, log, db, keys, tokenCounts, strangers, renderer, telemetry })
    const logouts = await startLogouts({ config, log, db, issuing, telemetry })
    lifecycle.add('logouts', () => logouts.stop())

    const overload = createShedding({ config, log, db, renderer }, { byDelay: !sharesProcess, onShed: metrics.shed })
    lifecycle.add('overload', () => overload.stop())

    const passwords = createPasswords(config, log)
    lifecycle.add('passwords', () => passwords.stop())

    const stopping = new AbortController()
    const parts: Parts = {
      config,
      masterKeys,
      log,
      db,
      keys,
      policy,
      events,
      renderer,
      issuing,
      hasher: traceHasher(passwords.hasher, tracing),
      gate: passwords.gate,
      origins: createClientOrigins({ pool: db.pool }),
      stopping: stopping.signal,
      phase: () => door.phase(),
      overload,
      telemetry,
      checkAnswers,
    }
    registerGauges(metrics, { ...parts, sweeper })
    const handle = overload.guard(createApp(parts).callback())
    const told = isWorker ? undefined : await startMetrics(parts)
    lifecycle.add('metrics', () => told?.stop())
    lifecycle.add('http', () => door.close())
    const sockets = createSockets(parts)
    sockets.attach(door.server)
    lifecycle.add('streams', () => {
      stopping.abort()
      sockets.close()
    })
    return {
      config,
      db,
      keys,
      metrics,
      async listen() {
        const port = await door.listen(config.listen)
        door.open(handle, isForSocket)
        return port
      },
      leave: (options) => door.leave(options),
      close: (ms) => lifecycle.close(ms),
    }
  } catch (error) {
    await lifecycle.close()
    throw error
  }
}

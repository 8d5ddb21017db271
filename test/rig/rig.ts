/**
 * The race and crash rig: server processes on one PostgreSQL, each behind a database proxy of its own, so that a test can
 * slow their statements down, stop them at a chosen one, or kill them after a chosen message.
 *
 * RIG_ROUNDS is the number of rounds of every race (ten times as many of a refresh against a revocation). Set, it also makes
 * the rest exhaustive: a kill after every message, every end at every statement. `RIG_ROUNDS=50 npm test test/rig/` is the
 * whole proof and takes half an hour. Unset, a few rounds run, and kills and ends come only around what is written.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import type { Pair } from '../races/pair.ts'
import { startProcess, type ServerProcess } from '../support/auth-server.ts'
import { keyedDatabase, type Teardown } from '../support/database.ts'
import type { TestClient } from '../support/registry.ts'
import { Visitor } from '../support/visitor.ts'
import { startDatabaseProxy, type DatabaseProxy } from './database-proxy.ts'
import { bareEnvironment } from '../support/environment.ts'
import { freePort } from '../support/free-port.ts'

const asked = Number(process.env.RIG_ROUNDS ?? '')

/** Whether this is the whole proof. */
export const isWhole = asked > 0
export const rounds = isWhole ? asked : 2
/** Rounds of what is over in a moment. */
export const races = isWhole ? asked * 10 : 20

/** Statements that change something. */
export const WRITES = /\b(insert|update|delete)\b/

/**
 * What a process does by itself once it is ready, every few seconds, and whenever an event was written: asks how many
 * connections there may be and whether one still lives, wants to lead, puts events in order, reads them, writes what it
 * counted, looks for what is due. None of it is part of a request, so none of it is counted or delayed.
 */
const BACKGROUND =
  /^select 1$|max_connections|pg_try_advisory_lock|put_events_in_order|from event_order|from events where position|note ->> 'type'|webhook_deliveries|from "?webhooks|backchannel|logout/

export const DELAY_MS = 20
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

export interface RigServer extends ServerProcess {
  proxy: DatabaseProxy
}

export interface Rig extends Pair {
  servers: [RigServer, RigServer]
  databaseUrl: string
  /** How slow every statement of the two is, in milliseconds. */
  slowDown(delayMs: number): void
  /** One more process of the same installation: to be killed. */
  spare(t: Teardown): Promise<RigServer>
}

export async function startRig(t: Teardown, environment: Record<string, string> = {}): Promise<Rig> {
  const { url: databaseUrl, masterKey } = await keyedDatabase(t)
  const port = await freePort()
  const issuer = `http://localhost:${port}`
  const shared = {
    ISSUER: issuer,
    DATABASE_POOL_MAX: '8',
    MASTER_KEY: masterKey,
    // Nothing happens by itself while messages are counted.
    KEY_POLL_SECONDS: '3000',
    KEY_PUBLISH_SECONDS: '7200',
    DEMO_PORT: 'off',
    RATE_LIMIT_TOKEN: 'off',
    RATE_LIMIT_LOGIN: 'off',
    ...environment,
  }
  const start = async (own: Teardown, at: number): Promise<RigServer> => {
    const isBackground = (statement: string) => BACKGROUND.test(statement)
    const proxy = await startDatabaseProxy(own, databaseUrl, { isBackground })
    return { ...(await startProcess(own, { ...shared, DATABASE_URL: proxy.url, PORT: String(at) })), proxy }
  }
  const servers = await Promise.all([start(t, port), freePort().then((other) => start(t, other))])
  const db = await connectDirectly(t, databaseUrl)
  return {
    issuer,
    databaseUrl,
    instances: [servers[0].url, servers[1].url],
    servers,
    db,
    logs: () => servers.flatMap(({ logs }) => logs),
    slowDown: (delayMs) => servers.forEach(({ proxy }) => (proxy.delayMs = delayMs)),
    spare: async (own) => start(own, await freePort()),
  }
}

/** `node src/main.ts`, not waited for: what it does before it is ready is to be cut short. */
export function launch(t: Teardown, environment: Record<string, string>): { kill(): Promise<void> } {
  const env = { ...bareEnvironment, ...environment }
  const child = spawn(process.execPath, [MAIN], { env, stdio: 'ignore' })
  const exited = once(child, 'exit')
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(kill)
  return { kill }
}

/** The database without a proxy in front: for what the test looks at, and for what operators do. */
export async function connectDirectly(t: Teardown, url: string): Promise<Database> {
  const log = createLogger({ level: 'silent' })
  const db = await connectDatabase({ url, dataDirectory: '', poolMax: 6, log })
  t.teardown(() => db.close())
  return db
}

/** Posts a token to /introspect or /revoke as this client, at one instance. */
export async function tell(
  { issuer }: { issuer: string },
  instance: string,
  endpoint: 'introspect' | 'revoke',
  { client_id, client_secret }: TestClient,
  value: string | undefined,
): Promise<{ status: number; active: unknown }> {
  const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams({ token: value ?? '' })
  if (client_secret) headers.authorization = `Basic ${btoa(`${client_id}:${client_secret}`)}`
  else body.set('client_id', client_id)
  const visitor = new Visitor(issuer, [instance])
  const response = await visitor.request(`/${endpoint}`, { method: 'POST', headers, body: body.toString() })
  const text = await response.text()
  return { status: response.status, active: text ? (JSON.parse(text) as { active?: boolean }).active : undefined }
}

/** What is left of a person's families. */
export async function familiesOf({ db }: Pick<Rig, 'db'>, userId: string): Promise<{ grants: number; live: number }> {
  const { rows } = await db.knex.raw<{ rows: [{ grants: number; live: number }] }>(
    `select count(distinct g.id)::int as grants, count(r.id_digest) filter (where r.consumed_at is null)::int as live
     from grants g left join refresh_tokens r on r.grant_id = g.id where g.user_id = ?`,
    [userId],
  )
  return rows[0]
}

export async function eventsOf({ db }: Pick<Rig, 'db'>, type: string, userId: string): Promise<number> {
  return (await db.knex('events').where({ type, user_id: userId })).length
}

/** As if what this person's tokens and codes were used for had happened so many seconds earlier. */
export async function age({ db }: Pick<Rig, 'db'>, userId: string, seconds: number): Promise<void> {
  for (const table of ['refresh_tokens', 'artifacts']) {
    await db.knex.raw(
      `update ${table} set consumed_at = consumed_at - make_interval(secs => ?)
       where consumed_at is not null and grant_id in (select id from grants where user_id = ?)`,
      [seconds, userId],
    )
  }
}

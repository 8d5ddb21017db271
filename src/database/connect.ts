/**
 * `database` owns the way to PostgreSQL: connecting (to DATABASE_URL or to the embedded server), migrating, transactions, LISTEN.
 * It knows no table but its own `schema_migrations`, and nothing of users, clients, tokens or HTTP.
 *
 * Connections are lost in ordinary life (restart, failover, idle cut). Whoever queries at that moment gets the error; the next
 * query has a new connection. Nothing here needs a restart of the process.
 */
import knex, { type Knex } from 'knex'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from '../telemetry/logger.ts'
import { outliveChangedTables } from './changed-table.ts'
import { startEmbedded } from './embedded.ts'
import { DatabaseError } from './error.ts'
import { createListener } from './listener.ts'
import { CONNECT_TIMEOUT_MS, createPool, type BoundedPool } from './pool.ts'
import type { Session } from './session.ts'

export interface Database {
  /** Everything that is not hot. Runs on the connections of `pool`. */
  knex: Knex
  /**
   * Hot, named statements: `pool.query({ name, text, values })`. Whoever can't have a connection within seconds, or at once
   * while others wait in vain, gets a passing fault.
   */
  pool: BoundedPool
  /**
   * Calls back for every NOTIFY on the channel. After a lost connection it calls back once with payload `''`, because hints may
   * have been missed: listeners read the table again. Resolves, with the way to end it, once it listens.
   */
  listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>>
  /**
   * Calls back with the session of the connection that listens: now if there is one, and each time another takes its place.
   * @returns the way to end it
   */
  onSession(follower: (session: Session) => void): () => void
  /** A hint to all listeners, outside a transaction. Inside one: `select pg_notify(channel, payload)`. Payload below 8000 bytes. */
  notify(channel: string, payload?: string): Promise<void>
  /** Ends every connection, and the embedded server if this was its last user. */
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** DATABASE_URL. Left out: the embedded PostgreSQL in `<dataDirectory>/postgres`. */
  url?: string | undefined
  dataDirectory: string
  /** Most connections of this process; LISTEN has one more of its own. */
  poolMax: number
  log: Logger
  /** How long an unreachable server is tried at start, in milliseconds. */
  patienceMs?: number
}

const OLDEST_SUPPORTED = 150_000
const STATEMENT_TIMEOUT_MS = 15_000
/** A transaction that nobody goes on with holds its locks: that of a process cut off, whose connection the server still has. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000
const PATIENCE_MS = 6_000

/** Connects. Throws `DatabaseError` with one clear line (never with the password) when the database can't be used. */
export async function connectDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, dataDirectory, poolMax, log, patienceMs = PATIENCE_MS } = options
  if (url) describe(url)
  const embedded = url ? undefined : await startEmbedded({ directory: join(dataDirectory, 'postgres'), log })
  const address = url || embedded!.url
  const settings = clientSettings(address)
  const pool = outliveChangedTables(createPool({ settings, max: poolMax, log }))
  try {
    await assertUsable(pool, describe(address), Date.now() + patienceMs)
  } catch (error) {
    await pool.end()
    await embedded?.release()
    throw error
  }
  const listener = createListener(settings, log)
  const handle = knex({ client: 'pg', connectionPool: pool, log: knexLog(log) })
  let closed: Promise<void> | undefined
  return {
    knex: handle,
    pool,
    listen: listener.listen,
    onSession: listener.onSession,
    notify: async (channel, payload = '') => void (await pool.query('select pg_notify($1, $2)', [channel, payload])),
    close: () =>
      (closed ??= (async () => {
        await listener.close()
        // The pool first: it waits for what is under way. Knex, asked first, forgets connections that the pool waits for.
        await pool.end()
        await handle.destroy()
        await embedded?.release()
      })()),
  }
}

/** What knex would print on the console. */
function knexLog(log: Logger): Knex.Logger {
  const tell = (message: unknown) => log.debug({ knex: String(message) }, 'knex')
  return { warn: tell, error: tell, debug: tell, deprecate: (method, instead) => tell(`${method}: use ${instead}`) }
}

function clientSettings(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: 'grantry',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types,
  }
}

const INT8 = 20
const INT8_ARRAY = 1016

/** bigint as number (our counters and cursors stay below 2^53); everything else, timestamptz as Date included, as pg has it. */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (format !== 'binary' && oid === INT8) return Number
    if (format !== 'binary' && oid === INT8_ARRAY) return readBigints
    return pg.types.getTypeParser(oid, format as 'text')
  },
}

/** `{1,NULL}`, one dimension. */
function readBigints(text: string): (number | null)[] {
  return text.length === 2
    ? []
    : text
        .slice(1, -1)
        .split(',')
        .map((item) => (item === 'NULL' ? null : Number(item)))
}

async function assertUsable(pool: pg.Pool, where: string, deadline: number): Promise<void> {
  const version = await readVersion(pool, where, deadline)
  if (version >= OLDEST_SUPPORTED) return
  throw new DatabaseError(
    `the database ${where} is PostgreSQL ${Math.floor(version / 10_000)}: Grantry needs 15 or newer`,
  )
}

async function readVersion(pool: pg.Pool, where: string, deadline: number): Promise<number> {
  for (let pause = 100; ; pause *= 2) {
    try {
      const { rows } = await pool.query<{ version: number }>(
        `select current_setting('server_version_num')::int as version`,
      )
      return rows[0]!.version
    } catch (error) {
      if (!isPassing(error) || Date.now() + pause > deadline) throw unreachable(where, error)
      await delay(pause)
    }
  }
}

function unreachable(where: string, error: unknown): DatabaseError {
  const { code = '', message } = error as NodeJS.ErrnoException
  const reason = NETWORK_FAULTS[code] ?? (message || code)
  return new DatabaseError(`cannot use the database ${where}: ${reason}`, { cause: error })
}

const NETWORK_FAULTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing answers there (connection refused)',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'its name could not be looked up',
  ENOENT: 'no such socket',
  ETIMEDOUT: 'no answer in time',
}

/** Faults that time may mend: no answer, starting up, too many clients. Wrong passwords and missing databases are not among them. */
function isPassing(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  return !/^(28|3D|42|22)/.test(code)
}

/** Host and database of a connection string as pg itself reads it; neither user nor password. */
function describe(url: string): string {
  try {
    const { host, port, database } = new pg.Client({ connectionString: url })
    if (/^postgres(ql)?:\/\//.test(url)) return `${host}:${port}/${database}`
  } catch {
    // pg's own message would repeat the string.
  }
  throw new DatabaseError(
    'DATABASE_URL is no connection string: expected postgresql://user:password@host:5432/database',
  )
}

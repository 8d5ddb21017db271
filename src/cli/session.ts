import { loadConfig, type Config } from '../config/load.ts'
import { connectDatabase, type Database } from '../database/connect.ts'
import { assertSchema, migrateUp, migrationStatus } from '../database/migrate.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { Interrupted, type Terminal } from './terminal.ts'

/** What a command works with. */
export interface Session {
  config: Config
  db: Database
  log: Logger
  terminal: Terminal
  /** Aborted when the command is told to stop, or nobody reads its output any more. */
  signal: AbortSignal
}

export interface SessionOptions {
  /** `own`: the command looks after the schema itself. */
  schema?: 'current' | 'own'
  /** `own`: the command ends by itself when its signal is aborted; else it is left where it stands. */
  interruption?: 'ends' | 'own'
}

const CONNECTIONS = 4
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Connects, runs the work and closes everything, however it ends. A database of our own is joined when a server runs on
 * it, and started when none does. On a fresh database the schema is made, as the server does.
 */
export async function withSession<T>(
  terminal: Terminal,
  work: (session: Session) => Promise<T>,
  { schema = 'current', interruption = 'ends' }: SessionOptions = {},
): Promise<T> {
  const config = loadConfig(terminal.env)
  // What goes wrong is told in one line at the end; log lines would mix with it.
  const log = createLogger({ level: 'silent' })
  const stop = new AbortController()
  const abort = () => stop.abort()
  for (const name of SIGNALS) process.on(name, abort)
  terminal.stdout.on('error', abort)
  try {
    const db = await connectDatabase({ ...config.database, poolMax: CONNECTIONS, log })
    try {
      if (schema === 'current') await requireSchema(db, log)
      const session = { config, db, log, terminal, signal: stop.signal }
      return await (interruption === 'own' ? work(session) : unlessInterrupted(stop.signal, () => work(session)))
    } finally {
      await db.close()
    }
  } finally {
    for (const name of SIGNALS) process.off(name, abort)
    terminal.stdout.off('error', abort)
  }
}

async function requireSchema(db: Database, log: Logger): Promise<void> {
  const states = await migrationStatus(db)
  if (states.every(({ appliedAt }) => appliedAt === null)) await migrateUp(db, log)
  await assertSchema(db)
}

async function unlessInterrupted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) throw new Interrupted()
  const interruption = Promise.withResolvers<never>()
  const reject = () => interruption.reject(new Interrupted())
  signal.addEventListener('abort', reject)
  try {
    return await Promise.race([work(), interruption.promise])
  } finally {
    signal.removeEventListener('abort', reject)
  }
}

/**
 * A real PostgreSQL of Grantry's own, for machines where nobody has set one up. It owns one directory: the cluster, its password,
 * its socket and its log. It opens no port, makes no account and takes over no signal.
 *
 *   not there ──initdb──▶ down ──first one in starts it──▶ up ──last one out stops it──▶ down
 *
 * Every process that uses it holds a shared advisory lock; whoever leaves and then gets that lock for itself alone is the last.
 * The server is no child of anybody's: it outlives a killed process, and the next start joins it.
 */
import { chownSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from '../telemetry/logger.ts'
import { accountFor, type Account } from './embedded/account.ts'
import { findBinaries, linkLibraries } from './embedded/binaries.ts'
import { ensureCluster, placesIn, ROLE } from './embedded/cluster.ts'
import {
  clearDeadLocks,
  launchPostmaster,
  removeSocketDirectory,
  serverState,
  socketDirectory,
  stopPostmaster,
  type Launch,
  type ServerContext,
} from './embedded/postmaster.ts'
import { inTurn } from './embedded/turn.ts'
import { DatabaseError } from './error.ts'

/** Names the lock that users of the server share; a constant of the cluster's own `postgres` database. */
const USERS_LOCK = 1_735_290_733
const START_DEADLINE_MS = 60_000
const REJOIN_CEILING_MS = 5_000
const TIDY_PATIENCE_MS = 2_000
/** What a postmaster says that meets another one which is just starting or ending, or the last children of a killed one. */
const IN_THE_WAY = /lock file ".*" already exists|pre-existing shared memory block/

export interface EmbeddedOptions {
  /** Ours alone, made if missing, such as `<DATA_DIR>/postgres`. */
  directory: string
  log: Pick<Logger, 'info' | 'warn'>
  /** Server settings on top of ours (`fsync`, …); they count for the process that starts the server. */
  settings?: Readonly<Record<string, string>>
}

export interface Embedded {
  /** Connection string of the database `grantry`; it stays the same for the life of the directory. */
  url: string
  /** Leaves the server, and stops it when nobody else uses it. Never throws; may be called twice. */
  release(): Promise<void>
}

/**
 * Starts the server of a directory or joins the one that runs. Many processes may call it at once.
 * A server that dies while it is in use is started again.
 * Throws `DatabaseError` with one clear line when this system, user or directory can't carry it.
 */
export async function startEmbedded({ directory, log, settings = {} }: EmbeddedOptions): Promise<Embedded> {
  try {
    const binaries = findBinaries()
    const places = placesIn(makeDirectory(directory))
    const account = accountFor(places.directory)
    handOver(places.directory, account)
    return await inTurn(places.directory, async (alone) => {
      linkLibraries(binaries.libraries, places.libraries)
      handOver(places.libraries, account)
      const password = await ensureCluster({ places, binaries, account }, alone)
      const context = { places, binaries, account, password, settings, socket: socketDirectory(places, password) }
      return stay(context, await enter(context), log)
    })
  } catch (error) {
    throw isFileError(error) ? fileFault(resolve(directory), error) : error
  }
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

function fileFault(directory: string, cause: NodeJS.ErrnoException): DatabaseError {
  const reason = cause.message.replace(/\s+/g, ' ')
  const message = `the embedded PostgreSQL cannot use ${directory} (${reason}): mend that or set DATABASE_URL`
  return new DatabaseError(message, { cause })
}

/** The directory's real path, made when missing. */
function makeDirectory(directory: string): string {
  mkdirSync(dirname(resolve(directory)), { recursive: true })
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return realpathSync(directory)
}

/** What root has made is given to the account that PostgreSQL will run as. */
function handOver(directory: string, { stepDown, uid, gid }: Account): void {
  if (!stepDown || statSync(directory).uid !== 0) return
  try {
    chownSync(directory, uid, gid)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new DatabaseError(
      `cannot give ${directory} to uid ${uid} (${code}): start as an ordinary user or set DATABASE_URL`,
    )
  }
}

/** Joins the server, and starts it first where there is none. The connection returned holds the shared lock. */
async function enter(context: ServerContext, signal?: AbortSignal): Promise<pg.Client> {
  let launch: Launch | undefined
  let obstacle = 'it did not answer'
  for (const deadline = Date.now() + START_DEADLINE_MS; Date.now() < deadline && !signal?.aborted; await delay(5)) {
    if (launch?.failed) throw launch.failed
    if (launch?.ended !== undefined) {
      if (!IN_THE_WAY.test(launch.ended)) throw startFault(context, launch.ended)
      launch = undefined
      await delay(100)
    }
    const state = serverState(context)
    if (state === 'changing') continue
    const answer = state === 'up' ? await join(context) : 'down'
    if (answer instanceof pg.Client) return answer
    if (answer !== 'down') obstacle = answer.obstacle
    else if (!launch) {
      clearDeadLocks(context)
      launch = launchPostmaster(context)
    }
  }
  throw startFault(context, obstacle)
}

function startFault({ places }: ServerContext, said: string): DatabaseError {
  const line = said.split('\n').find((text) => /FATAL|PANIC|error/i.test(text)) ?? said.trim().split('\n')[0] ?? ''
  const reason = line.replace(/^.*?(FATAL|PANIC): +/, '')
  return new DatabaseError(`the embedded PostgreSQL did not start: ${reason || 'it said nothing'} (see ${places.log})`)
}

async function join(context: ServerContext): Promise<pg.Client | 'down' | { obstacle: string }> {
  const { socket, password } = context
  const client = new pg.Client({
    host: socket,
    port: 5432,
    ssl: false,
    user: ROLE,
    password,
    database: 'postgres',
    application_name: 'grantry keeper',
    connectionTimeoutMillis: 5_000,
    statement_timeout: 20_000,
  })
  // Its loss is seen by 'end'; without a listener the error would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select pg_advisory_lock_shared($1)', [USERS_LOCK])
    await ensureDatabase(client)
    return client
  } catch (error) {
    await client.end().catch(() => undefined)
    const { code, message } = error as NodeJS.ErrnoException
    if (code === '28P01' || code === 'EACCES') {
      throw new DatabaseError(
        `the embedded PostgreSQL at ${socket} refuses us (${message}): it is not the one of ${context.places.directory}`,
      )
    }
    return code === 'ENOENT' || code === 'ECONNREFUSED' ? 'down' : { obstacle: message }
  }
}

async function ensureDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [ROLE])
  if (rowCount === 0) await client.query(`create database ${ROLE}`)
}

/** Keeps the place taken by `enter` until release, and takes it again when it is lost. */
function stay(context: ServerContext, first: pg.Client, log: EmbeddedOptions['log']): Embedded {
  const leaving = new AbortController()
  let seat: pg.Client | undefined
  let returning: Promise<void> | undefined
  let released: Promise<void> | undefined

  function take(client: pg.Client): void {
    seat = client
    client.once('end', () => {
      if (leaving.signal.aborted) return
      seat = undefined
      returning = comeBack()
    })
  }

  async function comeBack(): Promise<void> {
    log.warn({ directory: context.places.directory }, 'embedded PostgreSQL lost, starting or joining it again')
    for (let pause = 100; !leaving.signal.aborted; pause = Math.min(pause * 2, REJOIN_CEILING_MS)) {
      try {
        return take(await inTurn(context.places.directory, () => enter(context, leaving.signal)))
      } catch (error) {
        log.warn({ reason: (error as Error).message }, 'embedded PostgreSQL not back yet')
      }
      await delay(pause, undefined, { signal: leaving.signal }).catch(() => undefined)
    }
  }

  async function leave(): Promise<void> {
    leaving.abort()
    await returning
    if (!seat) return
    try {
      if (await isLastOut(seat)) await shutDown(context)
    } catch (error) {
      log.warn({ reason: (error as Error).message }, 'embedded PostgreSQL was gone before it was left')
    }
    await seat.end().catch(() => undefined)
  }

  take(first)
  return { url: connectionString(context), release: () => (released ??= leave()) }
}

/** Gives up the shared lock and asks for it alone. Newcomers wait behind it, are cut off by the stop, and start the server anew. */
async function isLastOut(client: pg.Client): Promise<boolean> {
  await client.query('select pg_advisory_unlock_shared($1)', [USERS_LOCK])
  const { rows } = await client.query<{ last: boolean }>('select pg_try_advisory_lock($1) as last', [USERS_LOCK])
  return rows[0]?.last ?? false
}

async function shutDown(context: ServerContext): Promise<void> {
  await stopPostmaster(context)
  const tidy = async (alone: boolean): Promise<void> => void (alone && removeSocketDirectory(context))
  await inTurn(context.places.directory, tidy, TIDY_PATIENCE_MS)
}

function connectionString({ socket, password }: ServerContext): string {
  const parameters = new URLSearchParams({ host: socket, port: '5432', sslmode: 'disable' })
  return `postgresql://${ROLE}:${encodeURIComponent(password)}@/${ROLE}?${parameters.toString().replaceAll('+', '%20')}`
}

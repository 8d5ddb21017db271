import { spawn } from 'node:child_process'
import {
  chownSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  rmdirSync,
  statSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DatabaseError } from '../error.ts'
import { asAccount, type Account } from './account.ts'
import { explainSpawn, programEnvironment, type ClusterContext, type Places } from './cluster.ts'

const LOG_LIMIT_BYTES = 5 * 1024 * 1024
const SOCKET_NAME = '.s.PGSQL.5432'
/** sun_path holds 108 bytes with its closing zero (unix(7)). */
const SOCKET_PATH_LIMIT_BYTES = 107

/** A small machine and a handful of server processes; durability stays at PostgreSQL's defaults. */
const SETTINGS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '100',
  shared_buffers: '64MB',
  max_wal_size: '256MB',
  min_wal_size: '32MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  max_parallel_workers: '0',
  max_parallel_workers_per_gather: '0',
  autovacuum_max_workers: '2',
  io_method: 'sync',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // Neither statements nor the values of rows belong in a log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_line_prefix: '%m [%p] ',
}

const STOP_SIGNALS = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 2_000],
] as const

/** All that is known about one embedded server. */
export interface ServerContext extends ClusterContext {
  socket: string
  password: string
  settings: Readonly<Record<string, string>>
}

/** The short private directory of the socket: below the data directory, or in /tmp where that path is too long for a socket. */
export function socketDirectory({ directory }: Places, password: string): string {
  const near = join(directory, 'socket')
  if (Buffer.byteLength(join(near, SOCKET_NAME)) <= SOCKET_PATH_LIMIT_BYTES) return near
  // Named after the password: the same in every process, and nobody else can be there first with a directory of that name.
  return join('/tmp', `grantry-${createHash('sha256').update(`socket:${password}`).digest('hex').slice(0, 24)}`)
}

/** A postmaster on its way: `ended` holds what it said once it has ended, `failed` why it could not even be started. */
export interface Launch {
  ended?: string
  failed?: Error
}

/** Starts a postmaster that is no part of our process group, so that Ctrl-C does not reach it. */
export function launchPostmaster(context: ServerContext): Launch {
  const { places, binaries, account, socket } = context
  prepareSocketDirectory(socket, account)
  const log = openLog(places.log, account)
  const from = fstatSync(log).size
  const settings = { ...SETTINGS, unix_socket_directories: quoted(socket), ...context.settings }
  const args = ['-D', places.data, ...settingArguments(settings)]
  const command = asAccount(account, binaries.postgres, args, [
    binaries.postgres,
    places.data,
    join(socket, SOCKET_NAME),
  ])
  const launch: Launch = {}
  const child = spawn(command.file, command.args, {
    ...command.identity,
    cwd: places.directory,
    env: programEnvironment(),
    stdio: ['ignore', log, log],
    detached: true,
  })
  child.once('error', (error) => void (launch.failed = explainSpawn(error, binaries.postgres)))
  child.once('exit', () => void (launch.ended = readFrom(places.log, from)))
  child.unref()
  closeSync(log)
  return launch
}

/**
 * Takes away the lock files of a postmaster that is dead but still has its number: a zombie whose parent never reaps it, or
 * another program that was given the same number after a restart of the container. PostgreSQL itself would wait for either.
 */
export function clearDeadLocks({ places: { data }, socket }: ServerContext): void {
  for (const file of [join(data, 'postmaster.pid'), join(socket, `${SOCKET_NAME}.lock`)]) {
    const pid = pidIn(file)
    if (pid !== undefined && !isPostmaster(pid, data)) rmSync(file, { force: true })
  }
}

/** What the lock file tells of the server: whether asking it for a connection makes sense yet. */
export function serverState({ places: { data } }: ServerContext): 'down' | 'changing' | 'up' {
  const lines = readLines(join(data, 'postmaster.pid'))
  const pid = pidOf(lines)
  if (pid === undefined || !isPostmaster(pid, data)) return 'down'
  return /^st(arting|opping)/.test(lines[7] ?? 'starting') ? 'changing' : 'up'
}

/** Ends the postmaster of this cluster: fast shutdown (clients are cut off, data is written), then without mercy. */
export async function stopPostmaster({ places: { data } }: ServerContext): Promise<void> {
  const pid = pidIn(join(data, 'postmaster.pid'))
  if (pid === undefined || !isPostmaster(pid, data)) return
  for (const [signal, patience] of STOP_SIGNALS) {
    if (!sendSignal(pid, signal) || (await isGone(pid, data, Date.now() + patience))) break
  }
}

/** Tidies up after a stop, unless somebody has started the server anew. To be called in turn with those who start it. */
export function removeSocketDirectory(context: ServerContext): void {
  if (serverState(context) !== 'down') return
  try {
    rmdirSync(context.socket)
  } catch {
    // Not empty, or gone already: neither hinders the next start.
  }
}

async function isGone(pid: number, data: string, deadline: number): Promise<boolean> {
  for (; Date.now() < deadline; await delay(5)) if (!isPostmaster(pid, data)) return true
  return false
}

function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

function pidIn(file: string): number | undefined {
  return pidOf(readLines(file))
}

/** In both lock files the first line is the process id, negative for a single-user server. */
function pidOf([first = '']: string[]): number | undefined {
  const pid = Math.abs(Number.parseInt(first, 10))
  return pid > 0 ? pid : undefined
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

/** Whether this number is the postmaster of that data, which is its working directory. */
function isPostmaster(pid: number, data: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    if (/^\) [ZX]/.test(stat.slice(end))) return false
    if (!stat.slice(stat.indexOf('(') + 1, end).startsWith('postgres')) return false
    const [cwd, ours] = [statSync(`/proc/${pid}/cwd`), statSync(data)]
    return cwd.ino === ours.ino && cwd.dev === ours.dev
  } catch {
    // Where it can't be told it counts as alive, so that the lock of a living server is never taken away.
    return existsSync(`/proc/${pid}`) || !existsSync('/proc/self')
  }
}

function prepareSocketDirectory(socket: string, account: Account): void {
  try {
    mkdirSync(socket, { mode: 0o700 })
    if (account.stepDown) chownSync(socket, account.uid, account.gid)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const found = lstatSync(socket)
  if (!found.isDirectory() || found.uid !== account.uid || (found.mode & 0o077) !== 0) {
    throw new DatabaseError(`${socket} must be a private directory (mode 0700) of uid ${account.uid}: remove it`)
  }
}

/** O_NOFOLLOW: root must not be led to write elsewhere by a link that the directory's owner planted. */
function openLog(path: string, { stepDown, uid, gid }: Account): number {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW
  const log = openSync(path, flags, 0o600)
  if (fstatSync(log).size > LOG_LIMIT_BYTES) ftruncateSync(log)
  if (stepDown) fchownSync(log, uid, gid)
  return log
}

function readFrom(path: string, offset: number): string {
  try {
    return readFileSync(path)
      .subarray(offset, offset + 16_384)
      .toString()
  } catch {
    // Removed with its directory while the server ran.
    return ''
  }
}

function settingArguments(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** An element of a list setting; commas, blanks and quotes are allowed in a quoted one. */
function quoted(path: string): string {
  return `"${path.replaceAll('"', '""')}"`
}

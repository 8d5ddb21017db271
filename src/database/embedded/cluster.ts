import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseError } from '../error.ts'
import { asAccount, type Account } from './account.ts'
import type { Binaries } from './binaries.ts'

/** The superuser of the embedded cluster, and the database that Grantry lives in. */
export const ROLE = 'grantry'

/** The places of one embedded PostgreSQL, all below its own directory. */
export interface Places {
  directory: string
  cluster: string
  data: string
  password: string
  libraries: string
  log: string
}

export function placesIn(directory: string): Places {
  const cluster = join(directory, 'cluster')
  return {
    directory,
    cluster,
    data: join(cluster, 'data'),
    password: join(cluster, 'password'),
    libraries: join(directory, 'lib'),
    log: join(directory, 'postgres.log'),
  }
}

export interface ClusterContext {
  places: Places
  binaries: Binaries
  account: Account
}

/** Makes the cluster where there is none, and returns its password. Throws `DatabaseError` on another major version. */
export async function ensureCluster(context: ClusterContext, alone: boolean): Promise<string> {
  const { places } = context
  if (!existsSync(places.cluster)) {
    if (alone) await sweepUnfinished(places.directory)
    await createCluster(context)
  }
  assertMajor(context)
  return readFileSync(places.password, 'utf8').trim()
}

/** The environment of the programs: nothing of ours, no PG* variable, and our links before the loader's own search. */
export function programEnvironment(): Record<string, string> {
  // Relative to the working directory (Places.directory), because a colon in an absolute path would split it.
  return { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: 'lib' }
}

/** One clear line for a program that could not even be started. */
export function explainSpawn(error: NodeJS.ErrnoException, program: string): DatabaseError {
  if (error.code === 'ENOENT' && existsSync(program)) {
    return new DatabaseError(
      'the embedded PostgreSQL needs a system with glibc (such as Debian), which this is not: set DATABASE_URL',
    )
  }
  return new DatabaseError(
    `cannot start ${program} (${error.code ?? error.message}): start as an ordinary user or set DATABASE_URL`,
  )
}

/** initdb works in a private directory that is renamed when it is whole: a kill on the way leaves nothing half made in place. */
async function createCluster(context: ClusterContext): Promise<void> {
  const { places, account } = context
  const unfinished = mkdtempSync(join(places.directory, 'new-'))
  const password = join(unfinished, 'password')
  try {
    writeFileSync(password, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 })
    if (account.stepDown) for (const path of [unfinished, password]) chownSync(path, account.uid, account.gid)
    await run(context, initdbArguments(unfinished, password))
    publish(unfinished, places.cluster)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

function initdbArguments(unfinished: string, password: string): string[] {
  return [
    `--pgdata=${join(unfinished, 'data')}`,
    `--username=${ROLE}`,
    `--pwfile=${password}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The built-in locale needs neither the system's locales nor ICU's data, which slim systems lack.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--set=dynamic_shared_memory_type=mmap',
  ]
}

function publish(unfinished: string, cluster: string): void {
  try {
    renameSync(unfinished, cluster)
  } catch (error) {
    // Another process was faster; its cluster is as good as ours.
    if (!existsSync(join(cluster, 'password'))) throw error
  }
}

/** What killed starts left behind. An initdb that has lost its parent may still be writing there; a remainder does no harm. */
async function sweepUnfinished(directory: string): Promise<void> {
  for (const name of readdirSync(directory).filter((entry) => /^new-\w{6}$/.test(entry))) {
    await rm(join(directory, name), { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined)
  }
}

function assertMajor({ places, binaries }: ClusterContext): void {
  const file = join(places.data, 'PG_VERSION')
  if (!existsSync(file)) {
    throw new DatabaseError(
      `${places.data} is not a PostgreSQL data directory: move it away or choose another DATA_DIR`,
    )
  }
  const found = readFileSync(file, 'utf8').trim()
  if (found === String(binaries.major)) return
  throw new DatabaseError(
    `${places.data} was made by PostgreSQL ${found}, the embedded one is ${binaries.major}: dump it with PostgreSQL ${found} and restore it into a new DATA_DIR`,
  )
}

function run({ places, binaries, account }: ClusterContext, args: string[]): Promise<void> {
  const { file, args: all, identity } = asAccount(account, binaries.initdb, args, [binaries.initdb, places.data])
  return new Promise((resolve, reject) => {
    const child = spawn(file, all, {
      ...identity,
      cwd: places.directory,
      env: programEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let complaint = ''
    child.stderr.on('data', (chunk: Buffer) => void (complaint = (complaint + chunk.toString()).slice(-4000)))
    child.once('error', (error) => reject(explainSpawn(error, binaries.initdb)))
    child.once('close', (code, signal) => {
      if (code === 0) return resolve()
      const line =
        complaint
          .trim()
          .split('\n')
          .find((text) => /error|could not|cannot/i.test(text)) ?? complaint.trim()
      reject(
        new DatabaseError(
          `the embedded PostgreSQL could not be set up in ${places.directory}: ${line || (signal ?? code)}`,
        ),
      )
    })
  })
}

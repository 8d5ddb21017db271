/**
 * `npm test [files or ava options]`: one PostgreSQL for the whole run, a migrated template in it, then ava. The last line is
 * `N passed, N failed` (and `, N skipped`); nothing passed is a failure. It leaves neither a process nor a directory behind.
 * Without arguments all files run in a few lanes (lanes/run-lane.ts), else each in a process of its own.
 *
 * TEST_DATABASE_URL names a PostgreSQL to use instead; its role must be allowed to create databases.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { keyPolicy } from '../src/config/key-policy.ts'
import { loadConfig } from '../src/config/load.ts'
import { connectDatabase } from '../src/database/connect.ts'
import { startEmbedded } from '../src/database/embedded.ts'
import { migrateUp } from '../src/database/migrate.ts'
import { checkMasterKey } from '../src/keys/master-key-canary.ts'
import { createKeyRing } from '../src/keys/ring.ts'
import { createLifecycle } from '../src/lib/lifecycle.ts'
import { newMasterKey, parseMasterKeys } from '../src/lib/master-key.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { allTestFiles, createQueue } from './lanes/queue.ts'
import { withDatabase } from './support/database-url.ts'
import { createTally } from './support/tap.ts'

const ROOM_BYTES = 1024 ** 3
const root = dirname(import.meta.dirname)
const ava = join(root, 'node_modules', '.bin', 'ava')
const LANES = join('test', 'lanes', 'ava.config.js')
const log = createLogger({ level: 'warn' })
const lifecycle = createLifecycle({ onError: (name, error) => console.error(`could not stop ${name}:`, error) })

let interrupted = false
let child: ChildProcess | undefined
/** Printed when everything has stopped, so that it is the last line. */
let verdict = '0 passed, 0 failed'
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted = true
    if (child?.pid) endGroup(child.pid, 'SIGTERM')
  })
}

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const directory = makeRunDirectory()
    const url = process.env.TEST_DATABASE_URL || (await startServer(directory))
    const template = await makeTemplate(url)
    if (interrupted) throw new Error('interrupted')
    return await runAva({
      TEST_DATABASE_URL: url,
      TEST_DATABASE_TEMPLATE: template,
      ...(await makeKeyedTemplate(url, template)),
      TMPDIR: directory,
      // Some hundred processes load the same modules: what one has compiled the others need not.
      NODE_COMPILE_CACHE: join(directory, 'compiled'),
    })
  } catch (error) {
    console.error(interrupted ? 'interrupted' : error)
    verdict = '0 passed, 1 failed'
    return 1
  } finally {
    await lifecycle.close(15_000)
    console.log(verdict)
  }
}

/** What the run and its tests write lies here and goes with it. Others may pass through, as the account that root lends PostgreSQL does. */
function makeRunDirectory(): string {
  const directory = mkdtempSync(join(roomyFolder(), 'grantry-test-'))
  chmodSync(directory, 0o711)
  lifecycle.add('temporary directory', () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  return directory
}

async function startServer(directory: string): Promise<string> {
  // Nothing here has to outlive a power cut.
  const settings = {
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    autovacuum: 'off',
    max_connections: '300',
  }
  const server = await startEmbedded({ directory: join(directory, 'postgres'), log, settings })
  lifecycle.add('PostgreSQL', () => server.release())
  return server.url
}

/** Memory when there is room in it, else the disk. */
function roomyFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK)
    const { bavail, bsize } = statfsSync('/dev/shm')
    if (bavail * bsize >= ROOM_BYTES) return '/dev/shm'
  } catch {
    // None here.
  }
  return tmpdir()
}

async function makeTemplate(url: string): Promise<string> {
  const name = `grantry_template_${randomBytes(4).toString('hex')}`
  await query(url, `create database ${name} template template0 strategy file_copy`)
  lifecycle.add('template', () => query(url, `drop database if exists ${name} with (force)`))
  const own = withDatabase(url, name)
  const database = await connectDatabase({ url: own, dataDirectory: '', poolMax: 1, log })
  try {
    await migrateUp(database, createLogger({ level: 'silent' }))
  } finally {
    await database.close()
  }
  return name
}

/**
 * A second template in which the signing keys are made already: making RSA keys is the dearest thing that a server does at its
 * first start, and most tests only need some.
 */
async function makeKeyedTemplate(url: string, template: string): Promise<Record<string, string>> {
  const name = `${template}_keyed`
  await query(url, `create database ${name} template ${template} strategy file_copy`)
  lifecycle.add('template with keys', () => query(url, `drop database if exists ${name} with (force)`))
  const key = newMasterKey()
  const config = loadConfig({ DATABASE_URL: url, MASTER_KEY: key })
  const masterKeys = parseMasterKeys(key)
  const silent = createLogger({ level: 'silent' })
  const database = await connectDatabase({ url: withDatabase(url, name), dataDirectory: '', poolMax: 2, log })
  try {
    await checkMasterKey(database, masterKeys)
    const ring = await createKeyRing({ db: database, policy: keyPolicy(config), masterKeys, log: silent })
    await ring.close()
  } finally {
    await database.close()
  }
  return { TEST_DATABASE_KEYED_TEMPLATE: name, TEST_MASTER_KEY: key }
}

async function query(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement).finally(() => client.end())
}

/** Runs ava and reads its TAP. Its exit status counts as well: it also fails for what no test line shows. */
async function runAva(environment: Record<string, string> & { TMPDIR: string }): Promise<number> {
  const tally = createTally()
  const asked = process.argv.slice(2)
  const TEST_QUEUE = join(environment.TMPDIR, 'queue')
  const filesLeft = asked.length === 0 ? createQueue(TEST_QUEUE, allTestFiles()) : () => []
  child = spawn(process.execPath, [ava, '--tap', ...(asked.length === 0 ? ['--config', LANES] : asked)], {
    cwd: root,
    env: { ...process.env, ...environment, TEST_QUEUE },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A process group of its own, so that nothing a broken test has started is left.
    detached: true,
  })
  lifecycle.add('test processes', () => endGroup(child!.pid!, 'SIGKILL'))
  const ended = new Promise<number>((resolve) => {
    child!.once('error', () => resolve(1))
    child!.once('close', (code) => resolve(code ?? 1))
  })
  for await (const line of createInterface({ input: child.stdout! })) tally.read(line)
  const status = await ended
  const { passed, failed, skipped } = tally.end({ brokenOff: breakOffReason(status, tally.failed, filesLeft()) })
  verdict = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
  return status === 0 && failed === 0 && passed > 0 && !interrupted ? 0 : 1
}

/** A lane that crashes takes a file with it, and the last one all files that nobody had begun. */
function breakOffReason(status: number, failed: number, filesLeft: string[]): string | undefined {
  if (interrupted) return 'interrupted'
  if (filesLeft.length > 0) return `not run to their end: ${filesLeft.join(', ')}`
  return status !== 0 && failed === 0 ? 'a timeout, a crash, or no test found' : undefined
}

function endGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody is left.
  }
}

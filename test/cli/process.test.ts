import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import type { Knex } from 'knex'
import { testDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { BIN, operator } from './operator.ts'

const run = promisify(execFile)

/** A Node on this machine that is older than Grantry can use. */
async function findOldNode(): Promise<string | undefined> {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const node = join(directory, 'node')
    const { stdout } = await run(node, ['--version']).catch(() => ({ stdout: 'v99' }))
    if (Number(/^v(\d+)/.exec(stdout)?.[1]) < 22) return node
  }
  return undefined
}

test('a command prints one document, nothing on standard error, and ends at once', async (t) => {
  const { spawn } = await operator(t)
  const began = performance.now()
  const { status, stdout, stderr } = await spawn(['user', 'create', '--username', 'alice', '--json'])
  t.deepEqual([status, stderr], [0, ''])
  t.is(JSON.parse(stdout).username, 'alice')
  // A forgotten connection would hold the process for half a minute.
  t.true(performance.now() - began < 20_000)
})

test('with a database of its own a command starts it, keeps its data and leaves nothing running', async (t) => {
  const { spawn, env } = await operator(t, 'none')
  const own = { env: { DATABASE_URL: '' } }
  const made = await spawn(['user', 'create', '--username', 'alice', '--json'], own)
  t.deepEqual([made.status, made.stderr], [0, ''])
  const listed = await spawn(['user', 'list', '--json'], own)
  t.is(JSON.parse(listed.stdout)[0].username, 'alice')
  const files = await readdir(env.DATA_DIR ?? '', { recursive: true })
  t.true(files.some((name) => name.endsWith('PG_VERSION')))
  t.false(files.some((name) => name.endsWith('postmaster.pid')))
})

test('a failing command prints one line on standard error and nothing else', async (t) => {
  const { spawn } = await operator(t)
  const outcome = await spawn(['client', 'show', 'cli_nobody', '--json'])
  t.deepEqual(outcome, { status: 1, stdout: '', stderr: 'grantry: there is no client "cli_nobody"\n' })
})

test('an older Node hands over to the one of the checkout, with arguments, input, output and status', async (t) => {
  const node = await findOldNode()
  if (!node) return t.pass('no older Node on this machine')
  const { spawn } = await operator(t)
  const args = ['user', 'create', '--username', 'bob', '--name', 'Bob B', '--password-stdin', '--json']
  const made = await spawn(args, { node, input: 'seven grey herons rowing\n' })
  t.deepEqual([made.status, made.stderr], [0, ''])
  t.is(JSON.parse(made.stdout).name, 'Bob B')
  t.deepEqual(await spawn(['frobnicate'], { node }), {
    status: 1,
    stdout: '',
    stderr: "grantry: unknown command 'frobnicate'\n",
  })
  return undefined
})

test('an older Node without a checkout beside it says in one line what to do', async (t) => {
  const node = await findOldNode()
  if (!node) return t.pass('no older Node on this machine')
  const bin = await loneBin(t)
  const error = await t.throwsAsync(run(node, [bin]))
  t.regex((error as Error & { stderr: string }).stderr, /^grantry: needs Node 22\.20 or newer, [^\n]+\n$/)
  return undefined
})

test('a new enough Node needs no other', async (t) => {
  const bin = await loneBin(t)
  t.is((await run(process.execPath, [bin, 'hello'])).stdout, 'hello\n')
})

async function loneBin(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'grantry-bin-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  await mkdir(join(directory, 'src'))
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
  await writeFile(join(directory, 'src', 'cli.js'), 'console.log(process.argv[2])')
  await cp(BIN, join(directory, 'src', 'grantry.js'))
  return join(directory, 'src', 'grantry.js')
}

test('event tail tells each event as it happens, one document a line, until it is told to stop', async (t) => {
  const db = await testDatabase(t)
  const { spawn, json } = await operator(t, db.url)
  await json(['user', 'create', '--username', 'first'])
  let acted = false
  const { status, stdout, stderr } = await spawn(['event', 'tail', '--json'], {
    onOutput: (child, sofar) => {
      if (sofar.split('\n').length === 2 && !acted) {
        acted = true
        void json(['user', 'create', '--username', 'second'])
      }
      if (sofar.split('\n').length === 3) child.kill('SIGINT')
    },
  })
  t.deepEqual([status, stderr], [0, ''])
  const events = stdout.trim().split('\n')
  t.deepEqual(
    events.map((line) => JSON.parse(line).type),
    ['user.created', 'user.created'],
  )
})

test('a command that waits for input ends when it is told to', async (t) => {
  const db = await testDatabase(t)
  const { spawn } = await operator(t, db.url)
  const outcome = await spawn(['user', 'create', '--username', 'alice', '--password-stdin'], {
    input: null,
    onStart: (child) => void newConnection(db.knex).then(() => child.kill('SIGINT')),
  })
  t.deepEqual(outcome, { status: 130, stdout: '', stderr: 'grantry: interrupted\n' })
})

/** Resolves once a connection is there that was made after the first look. */
async function newConnection(knex: Knex): Promise<void> {
  const { rows } = await knex.raw<{ rows: { now: string }[] }>('select clock_timestamp()::text as now')
  const newer = 'select 1 from pg_stat_activity where datname = current_database() and backend_start > ?::timestamptz'
  for (;;) {
    const { rowCount } = await knex.raw<{ rowCount: number }>(newer, [rows[0]?.now ?? ''])
    if (rowCount > 0) return
    await delay(20)
  }
}

test('event tail ends without complaint when nobody reads it any more', async (t) => {
  const db = await testDatabase(t)
  const { spawn, json } = await operator(t, db.url)
  await json(['user', 'create', '--username', 'first'])
  const { status, stderr } = await spawn(['event', 'tail'], {
    onOutput: (child) => {
      child.stdout?.destroy()
      void json(['user', 'create', '--username', 'second'])
    },
  })
  t.deepEqual([status, stderr], [0, ''])
})

test('serve runs until it is told to stop, and other commands work beside it', async (t) => {
  const { spawn, json } = await operator(t)
  const env = { PORT: String(await freePort()), DEMO_PORT: 'off', LOG_LEVEL: 'silent' }
  let beside: Promise<unknown> | undefined
  const { status, stderr } = await spawn(['serve'], {
    env,
    onOutput: (child, sofar) => {
      if (!sofar.startsWith('ready') || beside) return
      beside = json(['client', 'list']).finally(() => child.kill('SIGTERM'))
    },
  })
  t.deepEqual([status, stderr], [0, ''])
  t.true(Array.isArray(await beside))
})

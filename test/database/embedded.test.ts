import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import pg from 'pg'
import { asAccount } from '../../src/database/embedded/account.ts'
import { findBinaries } from '../../src/database/embedded/binaries.ts'
import { explainSpawn, programEnvironment } from '../../src/database/embedded/cluster.ts'
import { startEmbedded, type Embedded } from '../../src/database/embedded.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import {
  copyCluster,
  holder,
  isAlive,
  launchHolder,
  ownerOf,
  postmasterOf,
  scratch,
  until,
} from '../support/embedded.ts'
import { skip } from '../support/skip.ts'

const log = createLogger({ level: 'silent' })
const asRoot = process.getuid?.() === 0
/** A checkout below a private folder can't be run by anybody else. */
const othersMayEnter = asRoot && spawnSync(process.execPath, ['--version'], { uid: 1, gid: 1 }).status === 0
let made: string
const cleanUp: (() => unknown)[] = []
test.after.always(async () => {
  for (const each of cleanUp) await each()
})

test.before('one cluster is made, the tests copy it', async () => {
  made = join(scratch({ teardown: (each) => void cleanUp.push(each) }), 'pg')
  const server = await startEmbedded({ directory: made, log })
  await server.release()
})

/** A directory with a stopped cluster in it. */
function stoppedCluster(t: ExecutionContext): Promise<string> {
  return copyCluster(made, join(scratch(t), 'pg'))
}

async function start(t: ExecutionContext, directory: string): Promise<Embedded> {
  const server = await startEmbedded({ directory, log })
  t.teardown(() => server.release())
  return server
}

async function ask(url: string, text: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<{ answer: unknown }>(text)
    return rows[0]?.answer
  } finally {
    await client.end()
  }
}

test('data outlives the server, which the last one out stops', async (t) => {
  const directory = await stoppedCluster(t)
  const first = await start(t, directory)
  await ask(first.url, 'create table kept as select 42 as answer')
  const pid = postmasterOf(directory)!
  await first.release()
  t.false(isAlive(pid))
  t.is(postmasterOf(directory), undefined)
  t.false(existsSync(join(directory, 'socket')))

  const second = await start(t, directory)
  t.is(second.url, first.url)
  t.is(await ask(second.url, 'select answer from kept'), 42)
})

test('it opens no port, and its socket and files are for its account alone', async (t) => {
  const directory = await stoppedCluster(t)
  const { url } = await start(t, directory)
  t.is(await ask(url, `select current_setting('listen_addresses') as answer`), '')
  for (const [path, mode] of Object.entries({
    '.': 0o700,
    socket: 0o700,
    'cluster/data': 0o700,
    'cluster/password': 0o600,
  })) {
    t.is(statSync(join(directory, path)).mode & 0o777, mode, path)
  }
  await t.throwsAsync(ask(url.replace(/:[^:@/]+@/, ':wrong@'), 'select 1'), {
    message: /password authentication failed/,
  })
})

test('processes that race on a fresh directory share one server', async (t) => {
  const directory = join(scratch(t), 'pg')
  const holders = await Promise.all([holder(t, directory), holder(t, directory), holder(t, directory)])
  t.deepEqual(
    holders.map(({ error }) => error),
    [undefined, undefined, undefined],
  )
  t.is(new Set(holders.map(({ url }) => url)).size, 1)
  t.is(await ask(holders[0]!.url!, `select count(*)::int as answer from pg_locks where locktype = 'advisory'`), 3)
  t.deepEqual(
    readdirSync(directory).filter((name) => name.startsWith('new-')),
    [],
  )
  const pid = postmasterOf(directory)!
  await Promise.all(holders.map((each) => each.leave()))
  t.false(isAlive(pid), 'whoever was last has stopped it')
})

test('a server that joins the one of a command keeps it when the command ends', async (t) => {
  const directory = await stoppedCluster(t)
  const command = await holder(t, directory)
  const server = await start(t, directory)
  const pid = postmasterOf(directory)!
  await command.leave()
  t.true(isAlive(pid))
  t.is(await ask(server.url, 'select 1 as answer'), 1)
  await server.release()
  t.false(isAlive(pid))
})

test('leaving and entering at once ends with a server', async (t) => {
  const directory = await stoppedCluster(t)
  for (let round = 0; round < 5; round += 1) {
    const leaving = await startEmbedded({ directory, log })
    const [, entered] = await Promise.all([leaving.release(), start(t, directory)])
    t.is(await ask(entered.url, 'select 1 as answer'), 1)
    await entered.release()
  }
})

test('the server outlives a killed process, and the next start joins and ends it', async (t) => {
  const directory = await stoppedCluster(t)
  const killed = await holder(t, directory)
  const pid = postmasterOf(directory)!
  await killed.kill()
  t.true(isAlive(pid))
  const next = await start(t, directory)
  t.is(postmasterOf(directory), pid)
  await next.release()
  t.false(isAlive(pid))
})

test('a server that is killed comes back by itself', async (t) => {
  const directory = await stoppedCluster(t)
  const server = await start(t, directory)
  const pid = postmasterOf(directory)!
  process.kill(pid, 'SIGKILL')
  t.true(await until(() => ask(server.url, 'select 1 as answer').then(Boolean, () => false)))
  const second = postmasterOf(directory)!
  t.not(second, pid)
  await server.release()
  t.false(isAlive(second))
})

test('what a killed process and its killed server leave behind hinders nobody', async (t) => {
  const directory = await stoppedCluster(t)
  const killed = await holder(t, directory)
  const pid = postmasterOf(directory)!
  await killed.kill()
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid))
  t.is(postmasterOf(directory), pid, 'its lock file is still there')
  const { url } = await start(t, directory)
  t.is(await ask(url, 'select 1 as answer'), 1)
})

test('the lock file of a zombie, or of a number that another program has now, is passed over', async (t) => {
  const identity = asRoot ? { uid: ownerOf(made), gid: statSync(made).gid } : {}
  // The shell's child ends, and the program that took the shell's place never asks for it.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    ...identity,
  })
  t.teardown(() => void parent.kill('SIGKILL'))
  const zombie = Number(await new Promise<Buffer>((resolve) => parent.stdout.once('data', resolve)))
  t.true(await until(() => !isAlive(zombie)))
  for (const pid of [zombie, parent.pid!]) {
    const directory = await stoppedCluster(t)
    writeFileSync(
      join(directory, 'cluster', 'data', 'postmaster.pid'),
      `${pid}\n${join(directory, 'cluster', 'data')}\n`,
    )
    const { url } = await start(t, directory)
    t.is(await ask(url, 'select 1 as answer'), 1)
  }
})

// Alone, so that the moment is not missed.
test.serial('a kill in the middle of the first start leaves nothing half made', async (t) => {
  const directory = join(scratch(t), 'pg')
  const first = launchHolder(t, directory)
  const unfinished = (): string[] =>
    existsSync(directory) ? readdirSync(directory).filter((name) => name.startsWith('new-')) : []
  t.true(await until(() => unfinished().length > 0))
  await first.kill()
  t.false(existsSync(join(directory, 'cluster')))
  const { url } = await start(t, directory)
  t.is(await ask(url, 'select 1 as answer'), 1)
  t.deepEqual(unfinished(), [])
})

test('root runs it as another account, also below a directory that only root may enter', async (t) => {
  if (!asRoot) return skip(t, 'only root can lend an account')
  const parent = scratch(t)
  chmodSync(parent, 0o700)
  const directory = await copyCluster(made, join(parent, 'pg'))
  const { url } = await start(t, directory)
  t.is(await ask(url, 'select 1 as answer'), 1)
  const owner = ownerOf(join(directory, 'cluster', 'data'))
  t.not(owner, 0)
  t.is(ownerOf(`/proc/${postmasterOf(directory)!}`), owner)
})

test('a first start below a directory that only root may enter', async (t) => {
  if (!asRoot) return skip(t, 'only root can lend an account')
  const parent = scratch(t)
  chmodSync(parent, 0o700)
  const { url } = await start(t, join(parent, 'pg'))
  t.is(await ask(url, 'select 1 as answer'), 1)
})

test('the programs may lie below a directory that only root may enter', async (t) => {
  if (!asRoot) return skip(t, 'only root can lend an account')
  const hidden = scratch(t)
  chmodSync(hidden, 0o700)
  const { postgres } = findBinaries()
  mkdirSync(join(hidden, 'bin'))
  copyFileSync(postgres, join(hidden, 'bin', 'postgres'))
  for (const folder of ['lib', 'share']) symlinkSync(join(dirname(postgres), '..', folder), join(hidden, folder))
  const { uid, gid } = statSync(made)
  const program = join(hidden, 'bin', 'postgres')
  const { file, args, identity } = asAccount(
    { uid, gid, stepDown: true },
    program,
    ['-D', '/nowhere', '-C', 'port'],
    [program],
  )
  const { stderr } = spawnSync(file, args, { ...identity, cwd: made, env: programEnvironment(), encoding: 'utf8' })
  t.regex(stderr, /"\/nowhere"/, 'it gets as far as its data directory')
})

test('Ctrl-C does not reach it: it is in no process group and no session of ours', async (t) => {
  const directory = await stoppedCluster(t)
  await start(t, directory)
  const pid = postmasterOf(directory)!
  const [, , group, session] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ').map(Number)
  t.deepEqual([group, session], [pid, pid])
})

test('a system that can not load its programs is told to set DATABASE_URL', async (t) => {
  const program = join(scratch(t), 'postgres')
  writeFileSync(program, '#!/lib/ld-nowhere.so\n', { mode: 0o755 })
  const error = await new Promise<Error>((resolve) => spawn(program).once('error', resolve))
  t.regex(explainSpawn(error, program).message, /needs a system with glibc.*DATABASE_URL/)
})

test('links to its libraries that lead elsewhere, as after a move, are made anew', async (t) => {
  const directory = await stoppedCluster(t)
  const library = join(directory, 'lib', 'libpq.so.5')
  rmSync(library)
  symlinkSync('/nowhere', library)
  await start(t, directory)
  t.not(readlinkSync(library), '/nowhere')
})

test('a path too long for a socket, with blanks, commas, colons and quotes in it', async (t) => {
  const parent = join(scratch(t), `a, "b": c'é`, 'x'.repeat(120))
  mkdirSync(parent, { recursive: true })
  const directory = await copyCluster(made, join(parent, 'pg'))
  const server = await start(t, directory)
  t.is(await ask(server.url, 'select 1 as answer'), 1)
  const socket = new URLSearchParams(server.url.split('?')[1]).get('host')!
  t.true(socket.startsWith('/tmp/grantry-'))
  t.is(statSync(socket).mode & 0o777, 0o700)
  await server.release()
  t.false(existsSync(socket))
})

test('a path with blanks, commas, colons and quotes in it', async (t) => {
  const parent = join(scratch(t), `a, "b": c'é %20`)
  mkdirSync(parent)
  const { url } = await start(t, await copyCluster(made, join(parent, 'pg')))
  t.is(await ask(url, 'select 1 as answer'), 1)
})

test('the data of another major version is refused and left alone', async (t) => {
  const directory = await stoppedCluster(t)
  const file = join(directory, 'cluster', 'data', 'PG_VERSION')
  writeFileSync(file, '16\n')
  await t.throwsAsync(startEmbedded({ directory, log }), {
    name: 'DatabaseError',
    message: /made by PostgreSQL 16.*DATA_DIR/,
  })
  t.is(readFileSync(file, 'utf8'), '16\n')
})

test('a server that can not start says why in one line', async (t) => {
  const directory = await stoppedCluster(t)
  const settings = { shared_buffers: 'much' }
  const { message } = (await t.throwsAsync(startEmbedded({ directory, log, settings }), { name: 'DatabaseError' }))!
  t.regex(message, /did not start: .*shared_buffers.*postgres\.log/)
  t.notRegex(message, /\n/)
})

test('another user is told whose directory it is', async (t) => {
  if (!asRoot) return skip(t, 'needs two accounts, so root')
  if (!othersMayEnter) return skip(t, 'other users may not enter the folder of this checkout')
  const directory = await stoppedCluster(t)
  const { error } = await holder(t, directory, { uid: 1, gid: 1 })
  t.regex(error!, /belongs to uid \d+, but this is uid 1\b.*DATABASE_URL/)
})

test('a user without an account is told to set DATABASE_URL', async (t) => {
  if (!asRoot) return skip(t, 'needs two accounts, so root')
  if (!othersMayEnter) return skip(t, 'other users may not enter the folder of this checkout')
  const parent = scratch(t)
  chmodSync(parent, 0o777)
  const { error } = await holder(t, join(parent, 'pg'), { uid: 54_321 })
  t.regex(error!, /uid 54321 has no account.*DATABASE_URL/)
})

test('an ordinary user needs nothing special', async (t) => {
  if (!asRoot) return skip(t, 'this run is one: every other test shows it')
  if (!othersMayEnter) return skip(t, 'other users may not enter the folder of this checkout')
  const parent = scratch(t)
  chmodSync(parent, 0o777)
  const ordinary = await holder(t, join(parent, 'pg'), { uid: 1, gid: 1 })
  t.is(ordinary.error, undefined)
  t.is(ownerOf(`/proc/${postmasterOf(join(parent, 'pg'))!}`), 1)
  t.is(await ask(ordinary.url!, 'select 1 as answer'), 1)
  // Root joins it, and starts it again as its owner.
  const root = await start(t, join(parent, 'pg'))
  await ordinary.leave()
  await root.release()
  const again = await start(t, join(parent, 'pg'))
  t.is(ownerOf(`/proc/${postmasterOf(join(parent, 'pg'))!}`), 1)
  await again.release()
  t.is((await holder(t, join(parent, 'pg'), { uid: 1, gid: 1 })).error, undefined)
})

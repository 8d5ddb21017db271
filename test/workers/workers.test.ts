/** Several processes that share a port, under one that keeps them: one life, from the start to a stop under load. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { startServerProcesses, type ServerProcess } from '../support/auth-server.ts'
import { fileScope } from '../support/demo.ts'
import { isAlive, until } from '../support/embedded.ts'
import { bareEnvironment } from '../support/environment.ts'
import { keepAliveLoad } from '../support/keep-alive-load.ts'

const PATH = '/.well-known/openid-configuration'
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

const scope = fileScope()
let server: ServerProcess
let databaseUrl: string

test.before(async () => {
  const started = await startServerProcesses(scope, 1, { WEB_CONCURRENCY: '2', SHUTDOWN_DELAY_SECONDS: '1' })
  server = started.servers[0]!
  databaseUrl = started.databaseUrl
})

test.after.always(() => scope.end())

/** The workers that live, by what the supervisor has logged. */
function workers(): number[] {
  const serving = server.logs.filter(({ msg }) => String(msg).startsWith('a worker serves'))
  return [...new Set(serving.map(({ pid }) => pid as number))].filter(isAlive)
}

/** One of them, to be ended: never 0, which would be everybody in the group of this process. */
async function someWorker(): Promise<number> {
  await until(() => workers().length === 2)
  const [pid] = workers()
  if (!pid) throw new Error('no worker lives')
  return pid
}

function requests(): Record<string, unknown>[] {
  return server.logs.filter(({ msg, path }) => msg === 'request' && path === PATH)
}

test.serial('both workers answer, the supervisor does not', async (t) => {
  t.true(await until(() => workers().length === 2))
  for (let i = 0; i < 6; i += 1) {
    const response = await fetch(`${server.url}${PATH}`, { headers: { connection: 'close' } })
    t.is(response.status, 200)
    await response.arrayBuffer()
  }
  t.true(await until(() => requests().length === 6))
  t.deepEqual([...new Set(requests().map(({ pid }) => pid as number))].toSorted(), workers().toSorted())
})

test.serial('a worker that is killed is replaced, and then no request fails', async (t) => {
  const victim = await someWorker()
  const other = workers().find((pid) => pid !== victim) as number
  const load = keepAliveLoad(`${server.url}${PATH}`, { connections: 2 })
  process.kill(victim, 'SIGKILL')
  t.true(await until(() => server.logs.some(({ msg }) => msg === 'a worker serves in the place of another')))
  await load.stop()
  // What the dead one had in its hands is lost; the other took everything else.
  t.true(load.lost.length + load.refused <= 4, `${load.lost.join()} ${load.refused}`)
  t.deepEqual(Object.keys(load.answered), ['200'])
  t.is(workers().length, 2)
  t.true(workers().includes(other) && !workers().includes(victim))
  const after = keepAliveLoad(`${server.url}${PATH}`)
  await until(() => (after.answered[200] ?? 0) >= 100)
  await after.stop()
  t.deepEqual([after.lost, after.refused, Object.keys(after.answered)], [[], 0, ['200']])
})

test.serial('SIGTERM to a worker alone puts another in its place first', async (t) => {
  const asked = await someWorker()
  const load = keepAliveLoad(`${server.url}${PATH}`, { connections: 2 })
  process.kill(asked, 'SIGTERM')
  t.true(await until(() => !isAlive(asked)))
  await load.stop()
  t.deepEqual([load.lost, load.refused, Object.keys(load.answered)], [[], 0, ['200']])
  t.is(workers().length, 2)
})

test.serial('what keeps the workers from starting is one clear line', async (t) => {
  const { port } = new URL(server.url)
  const environment = { DATABASE_URL: databaseUrl, DEMO_PORT: 'off', WEB_CONCURRENCY: '2', LOG_LEVEL: 'silent' }
  const cases: [Record<string, string>, RegExp][] = [
    [{ PORT: port }, new RegExp(`^Port ${port} is in use by another process; [^\\n]+\\n$`)],
    [
      { PORT: '0', ISSUER: 'http://localhost', DATABASE_URL: `${databaseUrl}_not` },
      /^cannot use the database [^\n]+\n$/,
    ],
  ]
  for (const [own, line] of cases) {
    const child = spawn(process.execPath, [MAIN], { env: { ...bareEnvironment, ...environment, ...own, MASTER_KEY: Buffer.alloc(32, 1).toString('base64url') }, stdio: ['ignore', 'pipe', 'pipe'] }) // prettier-ignore
    const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    t.deepEqual([status, stdout], [1, ''])
    t.regex(stderr, line)
  }
})

test.serial('SIGTERM under load: draining is told first, everything taken is answered, nothing is left', async (t) => {
  const before = requests().length
  const pids = workers()
  const load = keepAliveLoad(`${server.url}${PATH}`)
  await until(() => (load.answered[200] ?? 0) >= 50)
  const exited = once(server.process, 'exit')
  server.process.kill('SIGTERM')
  t.true(await until(async () => (await fetch(`${server.url}/health/ready`)).status === 503))
  const [ready, live] = await Promise.all(['ready', 'live'].map((what) => fetch(`${server.url}/health/${what}`)))
  t.deepEqual(await ready?.json(), { status: 'draining' })
  t.deepEqual([live?.status, live?.headers.get('connection')], [200, 'close'])
  t.deepEqual(await exited, [0, null])
  await load.stop()
  t.deepEqual([load.lost, Object.keys(load.answered)], [[], ['200']])
  t.true(load.refused > 0)
  t.is(requests().length - before, load.answered[200] ?? 0)
  t.true(pids.every((pid) => !isAlive(pid)))
})

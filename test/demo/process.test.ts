import test, { type ExecutionContext } from 'ava'
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startFakeIssuer } from '../support/fake-issuer.ts'
import { bareEnvironment } from '../support/environment.ts'
import { freePort } from '../support/free-port.ts'

const main = join(import.meta.dirname, '../../src/demo/main.ts')

/** A directory and an issuer; the demo's own embedded database lives in it. */
async function environment(t: ExecutionContext) {
  const issuer = await startFakeIssuer({ audience: '' })
  t.teardown(() => issuer.stop())
  const directory = mkdtempSync(join(tmpdir(), 'grantry-demo-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  const env = {
    ...bareEnvironment,
    DATA_DIR: directory,
    DEMO_PORT: '0',
    ISSUER: issuer.url,
    DATABASE_URL: 'not for the demo',
  }
  return { issuer, env }
}

function output(child: ChildProcess): { text: string } {
  const seen = { text: '' }
  child.stdout?.on('data', (chunk) => (seen.text += String(chunk)))
  child.stderr?.on('data', (chunk) => (seen.text += String(chunk)))
  return seen
}

test.serial(
  'the process says when it is ready, prints nothing but logs, and stops on SIGTERM with everything it started',
  async (t) => {
    const { env } = await environment(t)
    const child = fork(main, { env, silent: true })
    t.teardown(() => child.kill('SIGKILL'))
    const seen = output(child)
    const [message] = (await once(child, 'message')) as [{ ready: boolean; url: string }]
    t.true(message.ready)
    t.is((await fetch(`${message.url}/health/ready`)).status, 200)
    t.true(postgresOf(env.DATA_DIR).length > 0)

    child.kill('SIGTERM')
    const [code] = (await once(child, 'exit')) as [number]
    t.is(code, 0)
    for (const line of seen.text.trim().split('\n')) t.notThrows(() => JSON.parse(line) as unknown, line)
    t.deepEqual(postgresOf(env.DATA_DIR), [])
  },
)

test.serial('a parent that is killed takes the demo and its database with it', async (t) => {
  const { env } = await environment(t)
  const script = `
    import { fork } from 'node:child_process'
    const child = fork(${JSON.stringify(main)}, { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    child.on('message', (message) => console.log(JSON.stringify({ ...message, pid: child.pid })))`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { env })
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const { pid, url } = JSON.parse(line.toString()) as { pid: number; url: string }
  t.is((await fetch(`${url}/health/live`)).status, 200)

  parent.kill('SIGKILL')
  t.true(await isGoneWithin(5_000, () => !isAlive(pid) && postgresOf(env.DATA_DIR).length === 0))
})

test.serial('a second start finds what the first one stored', async (t) => {
  const { issuer, env } = await environment(t)
  const audience = 'https://orders.example.com'
  const authorization = `Bearer ${await issuer.accessToken({ claims: { aud: audience } })}`
  const port = await freePort()
  const lists: unknown[] = []
  for (let start = 0; start < 2; start++) {
    const child = fork(main, { env: { ...env, DEMO_URL: audience, DEMO_PORT: String(port) }, silent: true })
    t.teardown(() => child.kill('SIGKILL'))
    await once(child, 'message')
    const response = await fetch(`http://localhost:${port}/api/v1/users/me/orders`, { headers: { authorization } })
    t.is(response.status, 200)
    lists.push(await response.json())
    child.disconnect()
    t.deepEqual(await once(child, 'exit'), [0, null])
  }
  t.deepEqual(lists[0], lists[1])
})

test('mistakes in the environment are printed, all of them, and nothing starts', async (t) => {
  const child = spawn(process.execPath, [main], { env: { PATH: process.env.PATH, DEMO_PORT: 'x', ISSUER: 'y' } })
  const seen = output(child)
  const [code] = (await once(child, 'exit')) as [number]
  t.is(code, 1)
  t.regex(seen.text, /DEMO_PORT must be/)
  t.regex(seen.text, /ISSUER must be/)
  t.notRegex(seen.text, /at .*\.ts:/)
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** The processes whose command line names the directory. */
function postgresOf(directory: string): string[] {
  return readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8')
      return command.includes(directory) && command.includes('postgres')
    } catch {
      return false
    }
  })
}

async function isGoneWithin(milliseconds: number, isGone: () => boolean): Promise<boolean> {
  for (const deadline = Date.now() + milliseconds; Date.now() < deadline; await delay(50)) if (isGone()) return true
  return false
}

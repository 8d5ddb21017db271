/** What a log line shows, and what it never shows. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { createLogger } from '../../src/telemetry/logger.ts'

/** For a process of its own. */
const CREATE_LOGGER = `
  const { createLogger } = await import(${JSON.stringify(new URL('../../src/telemetry/logger.ts', import.meta.url).href)})
  const log = createLogger({ level: 'info' })`

function lines() {
  const written: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void written.push(JSON.parse(line) as Record<string, unknown>) }
  return { log: createLogger({ level: 'info', destination }), written }
}

test('a value under the name of a secret is redacted, also inside objects, lists of headers, errors and bindings', (t) => {
  const { log, written } = lines()
  log.info({ access_token: 'canary', client_id: 'app' }, 'flat')
  log.info({ request: { headers: { authorization: 'Bearer canary', accept: '*/*' } } }, 'nested')
  log.warn({ err: Object.assign(new Error('broken'), { code: 'canary', status: 400 }) }, 'failed')
  log.warn({ err: Object.assign(new Error('lost'), { code: 'ECONNRESET', cause: { token: 'canary' } }) }, 'failed')
  log.child({ password: 'canary', pid: 7 }).info('bound')
  const text = JSON.stringify(written)
  t.false(text.includes('canary'), text)
  t.like(written[0], { access_token: '[redacted]', client_id: 'app', msg: 'flat' })
  t.like(written[1], { request: { headers: { authorization: '[redacted]', accept: '*/*' } } })
  t.like(written[2], { err: { message: 'broken', status: 400 } })
  t.like(written[3], { err: { code: 'ECONNRESET' } })
  t.like(written[4], { password: '[redacted]', pid: 7 })
})

test('what is logged is not changed for whoever logs it', (t) => {
  const { log } = lines()
  const facts = { token: 'mine', inner: { code: 'mine', at: new Date(0) } }
  log.info(facts, 'kept')
  t.deepEqual(facts, { token: 'mine', inner: { code: 'mine', at: new Date(0) } })
})

test('a line has its time, its level by name and nothing of the machine', (t) => {
  const { log, written } = lines()
  log.error({ at: new Date(0) }, 'told')
  const { time, ...rest } = written[0]!
  t.regex(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  t.deepEqual(rest, { level: 'error', at: '1970-01-01T00:00:00.000Z', msg: 'told' })
})

for (const [end, how] of [
  ['process.exit(0)', 'exits'],
  ['throw new Error("broken")', 'falls over'],
  ['log.fatal("last"); process.kill(process.pid, "SIGKILL")', 'is killed after a fatal line'],
  ['setTimeout(() => process.kill(process.pid, "SIGKILL"), 500)', 'is killed half a second later'],
] as const) {
  test(`no line is lost with a process that ${how}`, async (t) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', `${CREATE_LOGGER}; log.info('one'); log.info('two'); ${end}`], { stdio: ['ignore', 'pipe', 'ignore'] }) // prettier-ignore
    const messages = (await text(child.stdout))
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg)
    t.deepEqual(messages, ['one', 'two', ...(end.includes('last') ? ['last'] : [])])
  })
}

test('who does not take the lines costs neither time nor memory', async (t) => {
  const script = `${CREATE_LOGGER}
    const fact = 'x'.repeat(1000)
    for (let n = 0; n < 100_000; n += 1) {
      log.info({ fact })
      if (n % 1000 === 0) await new Promise(setImmediate)
    }
    console.error(process.memoryUsage.rss() / 1e6)
    process.kill(process.pid, 'SIGKILL')`
  // Its standard output is a pipe from which nobody reads.
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const megabytes = Number(await text(child.stderr))
  t.true(megabytes > 0 && megabytes < 180, `of 100 MB of lines it kept ${megabytes} MB`)
})

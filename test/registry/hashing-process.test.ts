/** Passwords are hashed by a process of their own, which may die at any moment. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createHashingProcess, type HashingProcess } from '../../src/registry/users/hashing-process.ts'
import type { HashEngine } from '../../src/registry/users/hashing.ts'
import { createPasswordHasher, HasherBusyError } from '../../src/registry/users/password.ts'
import { isAlive, until } from '../support/embedded.ts'

const GOOD = 'seven grey herons rowing'

function hashing(t: ExecutionContext, program?: string): HashingProcess {
  const log = { error: () => undefined } as unknown as Parameters<typeof createHashingProcess>[0]['log']
  const engine = createHashingProcess({ threads: 1, log, ...(program !== undefined && { program }) })
  t.teardown(() => engine.stop())
  return engine
}

/** A program that speaks to its parent as told. */
function program(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'hashing-')), 'child.cjs')
  writeFileSync(path, text)
  return path
}

test('hashes are made and opened there, at the lowest priority, and nothing of the server is in its environment', async (t) => {
  const engine = hashing(t)
  const hasher = createPasswordHasher({ engine })
  t.is(engine.pid(), undefined, 'nobody has a password yet')
  const hash = await hasher.hash(GOOD)
  t.regex(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  t.deepEqual(await hasher.verify(hash, GOOD), { valid: true, needsRehash: false })
  t.deepEqual(await hasher.verify(hash, `${GOOD}!`), { valid: false, needsRehash: false })
  t.deepEqual(await hasher.verify('$argon2id$v=19$m=1$broken', GOOD), { valid: false, needsRehash: false })

  const place = `/proc/${engine.pid()}`
  for (const thread of readdirSync(`${place}/task`)) {
    const fields = readFileSync(`${place}/task/${thread}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    t.is(fields[16], '19', 'nice')
  }
  const names = readFileSync(`${place}/environ`, 'utf8')
    .split('\0')
    .map((line) => line.split('=')[0])
  const expected = new Set(['UV_THREADPOOL_SIZE', 'NODE_COMPILE_CACHE', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', '']) // prettier-ignore
  t.deepEqual(
    names.filter((name) => !expected.has(name ?? '')),
    [],
  )
  t.false(readFileSync(`${place}/cmdline`, 'utf8').includes(GOOD))
})

test('what was under way when it died is done by the next one', async (t) => {
  const engine = hashing(t)
  const hasher = createPasswordHasher({ engine })
  const hash = await hasher.hash(GOOD)
  const first = engine.pid() as number
  const checks = [hasher.verify(hash, GOOD), hasher.verify(hash, 'not the password'), hasher.verify(hash, GOOD)]
  process.kill(first, 'SIGKILL')
  t.deepEqual(
    (await Promise.all(checks)).map(({ valid }) => valid),
    [true, false, true],
  )
  t.not(engine.pid(), first)
})

test('a process that dies of a request does so twice at most, and one that can not live is not started in a loop', async (t) => {
  const died = program(`process.once('message', () => process.exit(7))`)
  const engine = hashing(t, died)
  const hasher = createPasswordHasher({ engine })
  await t.throwsAsync(hasher.verify(undefined, GOOD), { instanceOf: HasherBusyError })
  const began = performance.now()
  await t.throwsAsync(hasher.verify(undefined, GOOD), { instanceOf: HasherBusyError })
  t.true(performance.now() - began < 50, 'it rests, and says so at once')
  t.is(engine.pid(), undefined)
})

test('it ends with the process that started it, however that ends', async (t) => {
  const parent = program(`
    const { createHashingProcess } = require(${JSON.stringify(join(import.meta.dirname, '..', '..', 'src/registry/users/hashing-process.ts'))})
    const engine = createHashingProcess({ threads: 1, log: console })
    engine.hash('x').then(() => process.send(engine.pid()))`)
  const child = fork(parent, [], { execArgv: [] })
  const [pid] = (await once(child, 'message')) as [number]
  t.true(isAlive(pid))
  child.kill('SIGKILL')
  t.true(await until(() => !isAlive(pid)))
})

test('a missing account, a broken hash and an impossible password each cost one verification there', async (t) => {
  const asked: string[] = []
  const engine: HashEngine = {
    hash: async () => '',
    verify: async (hash, password) => (asked.push(`${hash.split('$')[3]} ${password.length > 0}`), false),
  }
  const hasher = createPasswordHasher({ engine })
  for (const hash of [undefined, null, '', '$2b$10$abc']) await hasher.verify(hash, 'x')
  t.deepEqual(
    asked,
    Array.from({ length: 4 }, () => 'm=19456,t=2,p=1 true'),
  )
  await hasher.verify(undefined, 'x'.repeat(2000))
  await hasher.verify(undefined, '\ud800')
  t.deepEqual(asked.slice(4), ['m=19456,t=2,p=1 false', 'm=19456,t=2,p=1 false'])
})

test('who has waited too long in the line is turned away, and the line goes on', async (t) => {
  const work = Promise.withResolvers<boolean>()
  const engine: HashEngine = { hash: async () => '', verify: () => work.promise }
  const hasher = createPasswordHasher({ engine, concurrency: 1, patienceMs: 20 })
  const first = hasher.verify(undefined, 'x')
  await t.throwsAsync(hasher.verify(undefined, 'x'), { instanceOf: HasherBusyError })
  const third = hasher.verify(undefined, 'x')
  work.resolve(false)
  t.deepEqual(
    (await Promise.all([first, third])).map(({ valid }) => valid),
    [false, false],
  )
})

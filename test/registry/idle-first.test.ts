/** Passwords are hashed in time that nobody else wants, as long as there is such time. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { createHashingProcess, type HashingProcess } from '../../src/registry/users/hashing-process.ts'
import { idleFirst } from '../../src/registry/users/idle-first.ts'
import { HasherBusyError } from '../../src/registry/users/password.ts'
import { skip } from '../support/skip.ts'

/** Answers when it is let, and counts what it was asked. */
function engine(name: string) {
  const asked: string[] = []
  const waiting: (() => void)[] = []
  const state = { isQuick: true, error: undefined as Error | undefined }
  async function answer(): Promise<string> {
    asked.push(name)
    if (!state.isQuick) await new Promise<void>((resolve) => waiting.push(resolve))
    if (state.error) throw state.error
    return name
  }
  const process = { hash: answer, verify: answer, pid: () => undefined, stop: () => Promise.resolve() }
  return {
    asked,
    state,
    release: () => waiting.splice(0).forEach((go) => go()),
    process: process as unknown as HashingProcess,
  }
}

function pair(t: ExecutionContext, options: { overdueMs?: number; startMs?: number } = {}) {
  const [idle, ordinary] = [engine('idle'), engine('ordinary')]
  const hashing = idleFirst({ idle: idle.process, ordinary: ordinary.process, overdueMs: 40, startMs: 400, ...options })
  t.teardown(() => [idle, ordinary].forEach(({ release }) => release()))
  return { idle, ordinary, hashing }
}

test('where Linux has an idle class, all threads of the process are in it, and it does the work', async (t) => {
  const hasClass = process.platform === 'linux' && ['/bin/chrt', '/usr/bin/chrt'].some((path) => existsSync(path))
  if (!hasClass) return skip(t, 'there is no chrt')
  const log = { error: () => undefined }
  const idle = createHashingProcess({ threads: 1, log, isIdle: true })
  const ordinary = createHashingProcess({ threads: 1, log })
  const hashing = idleFirst({ idle, ordinary, overdueMs: 60_000, startMs: 60_000 })
  t.teardown(() => hashing.stop())
  const hash = await hashing.hash('seven grey herons rowing')
  t.true(await hashing.verify(hash, 'seven grey herons rowing', hash))
  t.is(ordinary.pid(), undefined, 'nobody needed it')
  const tasks = `/proc/${idle.pid()}/task`
  for (const thread of readdirSync(tasks)) {
    const fields = readFileSync(`${tasks}/${thread}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    t.is(fields[38], '5', 'SCHED_IDLE (proc_pid_stat(5), field 41)')
  }
})

test('what is overdue is done by the ordinary process as well, and so is all that comes until it has caught up', async (t) => {
  const { idle, ordinary, hashing } = pair(t)
  t.is(await hashing.hash('x'), 'idle')
  idle.state.isQuick = false
  t.is(await hashing.hash('x'), 'ordinary')
  t.is(await hashing.hash('x'), 'ordinary')
  t.deepEqual([idle.asked.length, ordinary.asked.length], [2, 2], 'the third did not wait')
  idle.release()
  idle.state.isQuick = true
  await delay(1)
  t.is(await hashing.hash('x'), 'idle')
})

test('the first answer counts, also when it is that of the overdue one', async (t) => {
  const { idle, ordinary, hashing } = pair(t)
  await hashing.hash('x')
  idle.state.isQuick = ordinary.state.isQuick = false
  const answer = hashing.hash('x')
  while (ordinary.asked.length === 0) await delay(1)
  idle.release()
  t.is(await answer, 'idle')
})

test('the first one waits until the process has started', async (t) => {
  const { idle, ordinary, hashing } = pair(t, { overdueMs: 1, startMs: 60_000 })
  idle.state.isQuick = false
  const answer = hashing.hash('x')
  await delay(30)
  idle.release()
  t.is(await answer, 'idle')
  t.is(ordinary.asked.length, 0)
})

test('where the idle class can not be had the ordinary process does it all, and it is not tried again', async (t) => {
  const { idle, ordinary, hashing } = pair(t)
  idle.state.error = new HasherBusyError('not there')
  t.is(await hashing.hash('x'), 'ordinary')
  t.is(await hashing.hash('x'), 'ordinary')
  t.deepEqual([idle.asked.length, ordinary.asked.length], [1, 2])
  const without = idleFirst({ idle: undefined, ordinary: ordinary.process })
  t.is(await without.hash('x'), 'ordinary')
})

test('an idle process that dies later is replaced for that one password only', async (t) => {
  const { idle, hashing } = pair(t)
  t.is(await hashing.hash('x'), 'idle')
  idle.state.error = new HasherBusyError('it died')
  t.is(await hashing.hash('x'), 'ordinary')
  idle.state.error = undefined
  t.is(await hashing.hash('x'), 'idle')
})

test('one that was too late at first and then died is tried again: it was there', async (t) => {
  const { idle, hashing } = pair(t, { startMs: 20 })
  idle.state.isQuick = false
  t.is(await hashing.hash('x'), 'ordinary')
  idle.release()
  await delay(1)
  idle.state.isQuick = true
  idle.state.error = new HasherBusyError('it died')
  t.is(await hashing.hash('x'), 'ordinary')
  idle.state.error = undefined
  t.is(await hashing.hash('x'), 'idle')
})

test('when neither can do it, it is told as either of them would', async (t) => {
  const { idle, ordinary, hashing } = pair(t)
  ordinary.state.error = new HasherBusyError('nobody there')
  idle.state.error = new HasherBusyError('nobody there')
  await t.throwsAsync(hashing.hash('x'), { instanceOf: HasherBusyError })
  const other = pair(t)
  other.idle.state.error = new Error('a password could not be hashed')
  await t.throwsAsync(other.hashing.hash('x'), { message: 'a password could not be hashed' })
  t.is(other.ordinary.asked.length, 0)
  const late = pair(t)
  await late.hashing.hash('x')
  late.idle.state.isQuick = false
  late.ordinary.state.error = new HasherBusyError('too many')
  const answer = late.hashing.hash('x')
  while (late.ordinary.asked.length === 0) await delay(1)
  late.idle.state.error = new HasherBusyError('it died')
  late.idle.release()
  await t.throwsAsync(answer, { instanceOf: HasherBusyError })
})

/** Units taken ahead for callers that ask often: fewer statements, and never more admitted than the quota. */
import test from 'ava'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createRateLimiter } from '../../src/http/rate-limit/rate-limiter.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { clockedDatabase, type ClockedDatabase } from './clock.ts'

const ends: (() => unknown)[] = []
let clock: ClockedDatabase
let db: Database

test.before(async () => {
  clock = await clockedDatabase({ teardown: (end) => void ends.unshift(end) })
  db = await connectDatabase({ url: clock.url, dataDirectory: '', poolMax: 5, log: createLogger({ level: 'silent' }) })
  ends.unshift(() => db.close())
})
test.after.always(async () => {
  for (const end of ends) await end()
})

type AlgorithmName = 'fixed-window' | 'sliding-window' | 'token-bucket' | 'leaky-bucket'

function instance(algorithm: AlgorithmName, quota: number) {
  const told = { questions: 0, time: 0 }
  const query = ((...question: Parameters<typeof db.pool.query>) => {
    told.questions += 1
    return db.pool.query(...question)
  }) as typeof db.pool.query
  const policies = { busy: { algorithm, quota, windowSeconds: 3600 } }
  return Object.assign(told, createRateLimiter({ pool: { query }, policies, now: () => told.time }))
}

for (const algorithm of ['fixed-window', 'sliding-window', 'token-bucket'] as const) {
  test(`${algorithm}: one that asks often costs few statements, is told what is left, and gets the quota exactly`, async (t) => {
    const limiter = instance(algorithm, 2000)
    for (let taken = 1; taken <= 2000; taken += 1) {
      const decision = await limiter.take('busy', algorithm)
      t.true(decision.allowed)
      t.is(decision.remaining, 2000 - taken)
    }
    t.true(limiter.questions < 250, `${limiter.questions} statements for 2,000 requests`)
    t.like(await limiter.take('busy', algorithm), { allowed: false, remaining: 0 })
  })

  test(`${algorithm}: two instances together never admit more than the quota, and at most a reserve less`, async (t) => {
    const instances = [instance(algorithm, 1000), instance(algorithm, 1000)]
    const decisions = await Promise.all(
      Array.from({ length: 2400 }, (_, index) => instances[index % 2]!.take('busy', `${algorithm} of two`)),
    )
    const admitted = decisions.filter(({ allowed }) => allowed).length
    t.true(admitted <= 1000 && admitted >= 990, `${admitted} of 1000`)
    t.true(instances[0]!.questions + instances[1]!.questions < 1000)
  })
}

test('requests that come at once share statements', async (t) => {
  const limiter = instance('token-bucket', 100_000)
  await Promise.all(Array.from({ length: 200 }, () => limiter.take('busy', 'crowd')))
  t.true(limiter.questions <= 3, `${limiter.questions} statements`)
})

test('one that asks seldom pays for what it asks, and no more', async (t) => {
  const limiter = instance('fixed-window', 100_000)
  for (let taken = 1; taken <= 5; taken += 1) {
    t.is((await limiter.take('busy', 'seldom')).remaining, 100_000 - taken)
    limiter.time += 2001
  }
  t.is(limiter.questions, 5)
})

test('what was not needed within a second is gone, and the next reserve begins small', async (t) => {
  const limiter = instance('fixed-window', 100_000)
  for (let taken = 0; taken < 4; taken += 1) await limiter.take('busy', 'burst')
  t.is(limiter.questions, 3, 'one, two, then four units, of which one was used')
  limiter.time += 1001
  t.is((await limiter.take('busy', 'burst')).remaining, 100_000 - 1 - 2 - 4 - 1)
  t.is(limiter.questions, 4)
})

test('a leaky bucket saves nothing up, so nothing is taken ahead', async (t) => {
  const limiter = instance('leaky-bucket', 3_600_000)
  t.true((await limiter.take('busy', 'beat')).allowed)
  t.false((await limiter.take('busy', 'beat')).allowed)
})

test('a small quota is counted one by one', async (t) => {
  const limiter = instance('fixed-window', 399)
  await Promise.all(Array.from({ length: 50 }, () => limiter.take('busy', 'small')))
  t.is(limiter.questions, 50)
})

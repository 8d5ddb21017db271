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
  const told = { questions: 0, time: 0, isReady: Promise.resolve() }
  const query = (async (...question: Parameters<typeof db.pool.query>) => {
    told.questions += 1
    await told.isReady
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

/** Takes until its reserve has sixteen units, of which one is used. */
async function growTo16(limiter: ReturnType<typeof instance>, key: string): Promise<void> {
  for (let taken = 0; taken < 16; taken += 1) await limiter.take('busy', key)
}

test('a large reserve is renewed while a quarter of it is left: nobody waits for the next, and none is lost', async (t) => {
  const limiter = instance('fixed-window', 100_000)
  await growTo16(limiter, 'steady')
  t.is(limiter.questions, 5, 'one, two, four, eight, sixteen')
  const { promise, resolve } = Promise.withResolvers<void>()
  limiter.isReady = promise
  for (let taken = 17; taken <= 31; taken += 1) {
    t.is((await limiter.take('busy', 'steady')).remaining, 100_000 - taken)
    t.is(limiter.questions, taken < 27 ? 5 : 6)
  }
  // All are used up, and the next have not come yet.
  const waiting = [limiter.take('busy', 'steady'), limiter.take('busy', 'steady')]
  resolve()
  t.deepEqual(
    (await Promise.all(waiting)).map(({ remaining }) => remaining),
    [100_000 - 32, 100_000 - 33],
  )
  t.is(limiter.questions, 6)
})

test('it is renewed shortly before its time is over as well, with as many as were used of it', async (t) => {
  const limiter = instance('fixed-window', 100_000)
  await growTo16(limiter, 'slower')
  // The rest of the sixteen, sixteen that were renewed, and twenty of the thirty-two that whoever goes on gets then.
  for (let taken = 0; taken < 15 + 16 + 20; taken += 1) await limiter.take('busy', 'slower')
  t.is(limiter.questions, 7)
  limiter.time += 850
  const used = 15 + 16 + 16 + 20
  t.is((await limiter.take('busy', 'slower')).remaining, 100_000 - used - 1)
  t.is(limiter.questions, 8)
  await limiter.take('busy', 'slower')
  limiter.time += 200
  t.is((await limiter.take('busy', 'slower')).remaining, 100_000 - (15 + 16 + 16 + 32) - 1)
  t.is(limiter.questions, 8, 'what was left of the old one is lost, and the new one was there')
})

test('a burst that is over just after a renewal has not paid for twice as many', async (t) => {
  const limiter = instance('fixed-window', 100_000)
  for (let taken = 0; taken < 28; taken += 1) await limiter.take('busy', 'burst of 28')
  limiter.time += 5000
  t.is((await limiter.take('busy', 'burst of 28')).remaining, 100_000 - (15 + 16 + 16) - 1)
})

test('after a pause one is asked for, however many had to wait before', async (t) => {
  const limiter = instance('fixed-window', 100_000)
  for (let round = 0; round < 10; round += 1)
    await Promise.all(Array.from({ length: 60 }, () => limiter.take('busy', 'crowds')))
  limiter.time += 60_000
  const before = (await limiter.take('busy', 'crowds')).remaining
  limiter.time += 60_000
  t.is((await limiter.take('busy', 'crowds')).remaining, before - 1)
})

test('when nothing is left to be taken ahead, what is there is still handed out one by one', async (t) => {
  const limiter = instance('fixed-window', 3_200)
  let admitted = 0
  for (let asked = 0; asked < 3_300; asked += 1) if ((await limiter.take('busy', 'all')).allowed) admitted += 1
  t.is(admitted, 3_200)
  t.true(limiter.questions < 250, `${limiter.questions} statements: what was refused is not asked for at every step`)
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

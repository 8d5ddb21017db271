import test from 'ava'
import { parseList } from 'structured-headers'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createFirstLine } from '../../src/http/rate-limit/first-line.ts'
import { rateLimitHeaders } from '../../src/http/rate-limit/headers.ts'
import { createRateLimiter, type Decision } from '../../src/http/rate-limit/rate-limiter.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { clockedDatabase } from './clock.ts'

const policies = {
  api: { algorithm: 'fixed-window', quota: 3, windowSeconds: 60 },
  login: { algorithm: 'fixed-window', quota: 1, windowSeconds: 60 },
  free: 'off',
} as const

const ends: (() => unknown)[] = []
let db: Database

test.before(async () => {
  const { url } = await clockedDatabase({ teardown: (end) => void ends.unshift(end) })
  db = await connectDatabase({ url, dataDirectory: '', poolMax: 5, log: createLogger({ level: 'silent' }) })
  ends.unshift(() => db.close())
})
test.after.always(async () => {
  for (const end of ends) await end()
})

/** The pool, and how often it was asked. */
function counting(pool: Database['pool']) {
  const counted = {
    questions: 0,
    query: ((...question: Parameters<typeof pool.query>) => {
      counted.questions += 1
      return pool.query(...question)
    }) as typeof pool.query,
  }
  return counted
}

test('a caller that was refused is refused without the database until its time has come, and then the database decides', async (t) => {
  const pool = counting(db.pool)
  let time = 0
  const limiter = createRateLimiter({ pool, policies, now: () => time })
  for (let index = 0; index < 3; index += 1) t.true((await limiter.take('api', 'a')).allowed)
  const refused = await limiter.take('api', 'a')
  t.like(refused, { allowed: false, remaining: 0, retryAfterSeconds: 60 })
  t.is(pool.questions, 4)
  time = 20_500
  t.like(await limiter.take('api', 'a'), { allowed: false, retryAfterSeconds: 40, resetSeconds: 40 })
  t.is(pool.questions, 4, 'refused by memory')
  t.true((await limiter.take('api', 'b')).allowed, 'others are not touched')
  t.is(pool.questions, 5)
  // By the clock of this process the time has come. It is the database's that counts.
  time = 60_001
  t.false((await limiter.take('api', 'a')).allowed)
  t.is(pool.questions, 6)
})

test('what one process admits it asks the database for, each time: memory only refuses', async (t) => {
  const pools = [counting(db.pool), counting(db.pool)]
  const [one, two] = pools.map((pool) => createRateLimiter({ pool, policies }))
  for (const limiter of [one!, two!, one!]) t.true((await limiter.take('api', 'shared')).allowed)
  t.false((await two!.take('api', 'shared')).allowed)
  t.false((await one!.take('api', 'shared')).allowed, 'it has not yet heard that the other one was refused')
  t.deepEqual(
    pools.map(({ questions }) => questions),
    [3, 2],
  )
})

test('a refusal that was for a greater cost says nothing of a smaller one', async (t) => {
  const limiter = createRateLimiter({ pool: db.pool, policies })
  t.true((await limiter.take('api', 'costs', 2)).allowed)
  t.like(await limiter.take('api', 'costs', 2), { allowed: false, remaining: 1 })
  t.true((await limiter.take('api', 'costs', 1)).allowed)
})

test('the memory is bounded: the oldest refusal is forgotten', (t) => {
  const line = createFirstLine(() => 0, 2)
  const decision = { allowed: false } as Decision
  for (const key of ['a', 'b', 'a', 'c']) line.remember(key, { decision, cost: 1, waitMs: 1000, resetMs: 0, asked: 0 })
  t.deepEqual(
    ['a', 'b', 'c'].map((key) => line.refuse(key, 1) !== undefined),
    [true, false, true],
  )
})

test('policies do not share keys, and a changed policy counts anew', async (t) => {
  const limiter = createRateLimiter({ pool: db.pool, policies })
  t.true((await limiter.take('login', 'k')).allowed)
  t.false((await limiter.take('login', 'k')).allowed)
  t.true((await limiter.take('api', 'k')).allowed)
  const changed = createRateLimiter({ pool: db.pool, policies: { login: { ...policies.login, quota: 2 } } })
  t.like(await changed.take('login', 'k'), { allowed: true, remaining: 1 })
})

test('the database keeps digests: neither an address nor an account', async (t) => {
  await createRateLimiter({ pool: db.pool, policies }).take('api', '192.0.2.77')
  const { rows } = await db.pool.query<{ row: string }>('select rate_limits::text as row from rate_limits')
  t.true(rows.length > 0)
  for (const { row } of rows)
    t.false(row.includes('192.0.2.77') || row.includes(Buffer.from('192.0.2.77').toString('hex')))
})

test('a cost that no waiting would admit, one that is none, and a policy that is none are mistakes of the code', async (t) => {
  const limiter = createRateLimiter({ pool: db.pool, policies })
  await t.throwsAsync(limiter.take('api', 'k', 4), {
    instanceOf: RangeError,
    message: /cost of 4 exceeds the quota of 3/,
  })
  for (const cost of [0, -1, 0.5, Number.NaN]) {
    await t.throwsAsync(limiter.take('api', 'k', cost), { instanceOf: RangeError, message: /whole number/ })
  }
  await t.throwsAsync(limiter.take('nobody', 'k'), { instanceOf: RangeError, message: /no rate limit named nobody/ })
})

test('a policy that is off admits everything, asks nobody and tells nothing', async (t) => {
  const pool = counting(db.pool)
  const decision = await createRateLimiter({ pool, policies }).take('free', 'k', 1000)
  t.true(decision.allowed)
  t.is(pool.questions, 0)
  t.deepEqual(rateLimitHeaders([decision]), {})
})

test('without the database requests pass uncounted; it is said once, and the database gets a second of peace', async (t) => {
  const lines: string[] = []
  let questions = 0
  let isDown = true
  let time = 0
  const query = (...question: unknown[]) => {
    questions += 1
    if (isDown) return Promise.reject(new Error('connection refused'))
    return (db.pool.query as (...question: unknown[]) => unknown)(...question)
  }
  const limiter = createRateLimiter({
    pool: { query } as never,
    policies,
    log: {
      warn: (_: unknown, text?: string) => lines.push(`warn ${text}`),
      info: (text: string) => lines.push(text),
    } as never,
    now: () => time,
  })
  for (let index = 0; index < 5; index += 1) {
    const decision = await limiter.take('login', 'down')
    t.like(decision, { allowed: true, counted: false })
    t.deepEqual(rateLimitHeaders([decision]), {})
  }
  t.is(questions, 1)
  time = 1001
  await limiter.take('login', 'down')
  t.is(questions, 2)
  isDown = false
  time = 3000
  t.like(await limiter.take('login', 'down'), { allowed: true, counted: true })
  t.false((await limiter.take('login', 'down')).allowed)
  t.deepEqual(lines, ['warn requests are not counted: the database does not answer', 'requests are counted again'])
})

test('the fields are Structured Fields, one item a policy, with the older ones for the tightest', async (t) => {
  const limiter = createRateLimiter({ pool: db.pool, policies })
  const decisions = [await limiter.take('api', 'fields'), await limiter.take('login', 'fields')]
  const headers = rateLimitHeaders(decisions, 1_700_000_000_000)
  t.is(headers['RateLimit-Policy'], '"api";q=3;w=60, "login";q=1;w=60')
  t.is(headers.RateLimit, '"api";r=2;t=60, "login";r=0;t=60')
  t.deepEqual(parseList(headers.RateLimit!), [
    [
      'api',
      new Map([
        ['r', 2],
        ['t', 60],
      ]),
    ],
    [
      'login',
      new Map([
        ['r', 0],
        ['t', 60],
      ]),
    ],
  ])
  t.is(parseList(headers['RateLimit-Policy']!).length, 2)
  t.is(headers['X-RateLimit-Limit'], '1')
  t.is(headers['X-RateLimit-Remaining'], '0')
  t.is(headers['X-RateLimit-Reset'], '1700000060')
  t.is(headers['Retry-After'], undefined)
})

test('a refusal says when to come back: in whole seconds, when all of the policies admit, never before there is more', async (t) => {
  const limiter = createRateLimiter({ pool: db.pool, policies })
  await limiter.take('login', 'back')
  const refused = await limiter.take('login', 'back')
  const headers = rateLimitHeaders([{ ...refused, policy: 'other', retryAfterSeconds: 7, resetSeconds: 7 }, refused])
  t.is(headers['Retry-After'], '60')
  t.regex(headers.RateLimit!, /^"other";r=0;t=7, "login";r=0;t=60$/)
})

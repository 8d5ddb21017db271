import test, { type ExecutionContext } from 'ava'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { sweep } from '../../src/database/sweeper.ts'
import {
  expiredRateLimits,
  rateLimitTable,
  type AlgorithmName,
  type RateLimitPolicy,
} from '../../src/http/rate-limit/algorithms.ts'
import { createRateLimiter, type Decision } from '../../src/http/rate-limit/rate-limiter.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { emptyDatabaseUrl } from '../support/database.ts'
import { fc } from '../support/property.ts'
import { clockedDatabase, type ClockedDatabase } from './clock.ts'

const ends: (() => unknown)[] = []
let clock: ClockedDatabase
let db: Database

test.before(async () => {
  const file = { teardown: (end: () => unknown) => void ends.unshift(end) }
  clock = await clockedDatabase(file)
  const log = createLogger({ level: 'silent' })
  db = await connectDatabase({ url: clock.url, dataDirectory: '', poolMax: 5, log })
  ends.unshift(() => db.close())
})
test.after.always(async () => {
  for (const end of ends) await end()
})

let callers = 0

/** One caller under one policy. Each question comes from a process that remembers nothing. */
function caller(algorithm: AlgorithmName, quota: number, windowSeconds: number) {
  const policies = { only: { algorithm, quota, windowSeconds } satisfies RateLimitPolicy }
  const name = `caller ${(callers += 1)}`
  const take = (cost = 1) => createRateLimiter({ pool: db.pool, policies }).take('only', name, cost)
  return {
    take,
    /** @returns how many of so many were admitted */
    async times(count: number): Promise<number> {
      let allowed = 0
      for (let index = 0; index < count; index += 1) allowed += Number((await take()).allowed)
      return allowed
    },
    later: (seconds: number) => clock.later(seconds),
  }
}

const facts = ({ allowed, remaining, resetSeconds, retryAfterSeconds }: Decision) => [
  allowed,
  remaining,
  resetSeconds,
  retryAfterSeconds,
]

test.serial('fixed window: the quota at once, then nothing until the window ends, then the quota again', async (t) => {
  const one = caller('fixed-window', 5, 60)
  t.deepEqual(facts(await one.take()), [true, 4, 60, 0])
  t.is(await one.times(9), 4)
  await one.later(30)
  t.deepEqual(facts(await one.take()), [false, 0, 30, 30])
  await one.later(29.9)
  t.is(await one.times(1), 0, 'the refused ones have neither moved nor filled the window')
  await one.later(0.1)
  t.is(await one.times(9), 5)
})

test.serial('fixed window: around its end twice the quota passes; that is its weakness', async (t) => {
  const one = caller('fixed-window', 5, 60)
  await one.take()
  await one.later(59)
  t.is(await one.times(9), 4)
  await one.later(1)
  t.is(await one.times(9), 5)
})

test.serial(
  'sliding window: what was used before counts by the share of it that still lies in the last window',
  async (t) => {
    const one = caller('sliding-window', 10, 100)
    t.is(await one.times(12), 10)
    t.deepEqual(facts(await one.take()), [false, 0, 110, 110], 'one of ten has slid out a tenth of a window later')
    await one.later(100)
    t.is(await one.times(3), 0)
    await one.later(50)
    t.is(await one.times(9), 5, 'half of the window before has slid out')
    // 5 used, and of the 10 before 9 slid out at 90: 4 - 0.4 are left of the quota at 95 and one is gone for each 10 s.
    await one.later(41)
    t.deepEqual(facts(await one.take()), [true, 3, 9, 0])
    await one.later(200)
    t.is(await one.times(12), 10, 'two windows later nothing is left')
  },
)

test.serial('sliding window: no burst at the boundary', async (t) => {
  const one = caller('sliding-window', 10, 100)
  await one.take()
  await one.later(99)
  t.is(await one.times(12), 9)
  await one.later(2)
  t.is(await one.times(12), 0)
})

test.serial(
  'token bucket: the quota at once, then one for each that comes back, and never more than the quota',
  async (t) => {
    const one = caller('token-bucket', 6, 60)
    t.deepEqual(facts(await one.take(2)), [true, 4, 10, 0])
    t.is(await one.times(9), 4)
    t.deepEqual(facts(await one.take()), [false, 0, 10, 10])
    await one.later(9.5)
    t.deepEqual(facts(await one.take()), [false, 0, 1, 1])
    await one.later(0.5)
    t.is(await one.times(3), 1)
    t.deepEqual(facts(await one.take(3)), [false, 0, 10, 30])
    await one.later(1000)
    t.is(await one.times(9), 6)
  },
)

test.serial('leaky bucket: one in each interval, at most half an interval early, whatever was saved up', async (t) => {
  const one = caller('leaky-bucket', 6, 60)
  t.deepEqual(facts(await one.take()), [true, 0, 5, 0])
  t.deepEqual(facts(await one.take()), [false, 0, 5, 5])
  await one.later(5.5)
  t.is(await one.times(3), 1, 'early by 4.5 s')
  await one.later(9)
  t.is(await one.times(3), 0, 'what came early is owed')
  await one.later(1)
  t.is(await one.times(3), 1)
  await one.later(1000)
  t.is(await one.times(9), 1)
  await one.later(10)
  t.true((await one.take(3)).allowed)
  t.deepEqual(facts(await one.take()), [false, 0, 25, 25], 'a cost of three is three intervals')
})

for (const algorithm of ['fixed-window', 'sliding-window', 'token-bucket', 'leaky-bucket'] as const) {
  test.serial(
    `${algorithm}: after Retry-After the same request is admitted, and a second earlier it is not`,
    async (t) => {
      const uses = fc.array(fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 0, max: 40 })), { maxLength: 8 })
      await fc.assert(
        fc.asyncProperty(uses, fc.integer({ min: 1, max: 7 }), async (before, cost) => {
          const one = caller(algorithm, 7, 30)
          for (const [spent, pause] of before) {
            await one.take(spent)
            await one.later(pause)
          }
          const { allowed, retryAfterSeconds, resetSeconds } = await one.take(cost)
          if (allowed) return
          t.true(retryAfterSeconds >= resetSeconds)
          if (retryAfterSeconds > 1) {
            await one.later(retryAfterSeconds - 1.01)
            if ((await one.take(cost)).allowed) throw new Error('admitted too early')
            await one.later(1.01)
          } else await one.later(retryAfterSeconds)
          if (!(await one.take(cost)).allowed) throw new Error('not admitted')
        }),
        { numRuns: 25 },
      )
    },
  )

  test.serial(`${algorithm}: a database clock that is set back holds nobody up for longer than a window`, async (t) => {
    const one = caller(algorithm, 5, 60)
    await one.times(5)
    await one.later(-3600)
    const { allowed, retryAfterSeconds } = await one.take()
    t.true(allowed || retryAfterSeconds <= 60)
  })
}

test.serial('many at once through one row are counted one by one', async (t) => {
  const policies = { only: { algorithm: 'token-bucket', quota: 20, windowSeconds: 86_400 } } as const
  const decisions = await Promise.all(
    Array.from({ length: 60 }, () => createRateLimiter({ pool: db.pool, policies }).take('only', 'crowd')),
  )
  t.is(decisions.filter(({ allowed }) => allowed).length, 20)
})

test.serial('rows that mean nothing any more are swept by an index; those that count stay', async (t) => {
  await db.pool.query('delete from rate_limits')
  const one = caller('sliding-window', 5, 60)
  await one.take()
  await clock.later(120)
  t.is(await sweep(db, [expiredRateLimits]), 0, 'the window before still counts')
  await clock.later(61)
  t.is(await sweep(db, [expiredRateLimits]), 1, 'two windows, rounded up to a minute')
  const plan = await db.knex.transaction(async (trx) => {
    await trx.raw('set local enable_seqscan = off')
    const { table, column } = expiredRateLimits
    return trx.raw<object>(`explain select ctid from ${table} where ${column} < now() limit 10`)
  })
  t.regex(JSON.stringify(plan), /Index|Bitmap/)
})

test.serial('the table of databases without migrations is the migrated one', async (t: ExecutionContext) => {
  const log = createLogger({ level: 'silent' })
  const bare = await connectDatabase({ url: await emptyDatabaseUrl(t), dataDirectory: '', poolMax: 2, log })
  t.teardown(() => bare.close())
  await bare.knex.raw(rateLimitTable)
  await bare.knex.raw(rateLimitTable)
  t.deepEqual(await shape(bare), await shape(db))
})

async function shape({ pool }: Pick<Database, 'pool'>): Promise<string[]> {
  const { rows } = await pool.query<{ line: string }>(
    `select concat_ws(' ', column_name, data_type, is_nullable, column_default) as line
       from information_schema.columns where table_name = 'rate_limits'
     union all select indexdef from pg_indexes where tablename = 'rate_limits'
     union all select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'rate_limits'::regclass
     union all select concat_ws(' ', relpersistence, reloptions) from pg_class where relname = 'rate_limits'
     order by 1`,
  )
  return rows.map(({ line }) => line)
}

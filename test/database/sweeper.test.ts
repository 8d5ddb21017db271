import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { createElection } from '../../src/database/election.ts'
import { startSweeper, sweep, type Expired } from '../../src/database/sweeper.ts'
import { childrenOfOldest, oldest } from '../../src/database/sweep-batch.ts'
import { expiredAuditEntries } from '../../src/events/audit-retention.ts'
import { expiredLogoutNotices } from '../../src/events/logout/queue.ts'
import { expiredDeliveries } from '../../src/events/webhooks/queue.ts'
import { expiredIdempotencyKeys } from '../../src/http/api/idempotency.ts'
import { expiredRateLimits } from '../../src/http/rate-limit/algorithms.ts'
import { expired } from '../../src/oidc/adapter/expired.ts'
import { expiredDocuments } from '../../src/oidc/client-documents/cache.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { until } from '../support/embedded.ts'

const log = createLogger({ level: 'silent' })
const everything: readonly Expired[] = [
  ...expired,
  ...expiredDocuments,
  expiredIdempotencyKeys,
  expiredRateLimits,
  expiredDeliveries,
  expiredLogoutNotices,
  expiredAuditEntries(90 * 86_400),
]

/** Artifacts of which the first so many have expired. */
async function artifacts({ pool }: TestDatabase, { all, old }: { all: number; old: number }): Promise<void> {
  await pool.query(
    `insert into artifacts (id_digest, model, payload, expires_at)
     select sha256(('a' || n)::bytea), 'AccessToken', '{}',
       case when n <= $2 then now() - make_interval(secs => 1 + n % 7) else now() + interval '1 hour' end
     from generate_series(1, $1::integer) as n`,
    [all, old],
  )
}

async function count({ pool }: TestDatabase, table: string): Promise<number> {
  return Number((await pool.query(`select count(*) from ${table}`)).rows[0].count)
}

/** A family that has expired, with so many tokens, which have not. */
async function family({ pool }: TestDatabase, id: string, tokens: number): Promise<void> {
  await pool.query(`
    insert into users (id, username) values ('usr_aaaaaaaaaaaaaaaaaaaaaaaaaa', 'ada') on conflict do nothing;
    insert into clients (id, kind, name, token_endpoint_auth_method, grant_types, redirect_uris)
      values ('cli_aaaaaaaaaaaaaaaaaaaaaaaaaa', 'spa', 'App', 'none', '{authorization_code}', '{https://a.example/}')
      on conflict do nothing;
    insert into grants (id, user_id, client_id, payload, expires_at)
      values ('${id}', 'usr_aaaaaaaaaaaaaaaaaaaaaaaaaa', 'cli_aaaaaaaaaaaaaaaaaaaaaaaaaa', '{}', now() - interval '1 second');
    insert into refresh_tokens (id_digest, grant_id, payload, expires_at)
      select sha256(('${id}' || n)::bytea), '${id}', '{}', now() + interval '1 hour' from generate_series(1, ${tokens}) as n`)
}

test('expired rows go in batches, live ones stay, and locked ones are not waited for', async (t) => {
  const db = await testDatabase(t)
  await artifacts(db, { all: 2600, old: 2500 })
  const holder = await db.pool.connect()
  await holder.query('begin')
  await holder.query(`select 1 from artifacts where id_digest = sha256('a7'::bytea) for update`)
  const told: [string, number][] = []
  const swept = await sweep(db, expired, { batch: 1000, onSwept: (table, rows) => told.push([table, rows]) })
  await holder.query('rollback')
  holder.release()
  t.is(swept, 2499)
  t.true(told.every(([table, rows]) => table === 'artifacts' && rows <= 1000))
  t.is(await sweep(db, expired), 1)
  t.is(await count(db, 'artifacts'), 100)
})

test('a family goes in batches, its tokens before it; while somebody holds one of them the family stays', async (t) => {
  const db = await testDatabase(t)
  await family(db, 'large', 3000)
  await family(db, 'held', 10)
  const holder = await db.pool.connect()
  await holder.query('begin')
  await holder.query(`select 1 from refresh_tokens where id_digest = sha256('held5'::bytea) for update`)
  const batches: number[] = []
  await sweep(db, expired, { batch: 700, onSwept: (_, rows) => batches.push(rows) })
  const left = (await db.pool.query('select grant_id from refresh_tokens')).rows
  const families = (await db.pool.query('select id from grants')).rows
  await holder.query('rollback')
  holder.release()
  t.is(Math.max(...batches), 700)
  t.deepEqual(left, [{ grant_id: 'held' }])
  t.deepEqual(families, [{ id: 'held' }])
  t.is(await sweep(db, expired), 2)
})

test('of several instances one sweeps; what it leaves behind is taken within seconds, whoever takes it', async (t) => {
  const db = await testDatabase(t)
  const other = { ...(await testDatabase(t)), pool: db.pool }
  const swept = [0, 0]
  const start = (on: TestDatabase, index: number) => {
    const election = createElection({ db: on, log })
    t.teardown(() => election.close())
    const onSwept = (_: string, rows: number) => void (swept[index]! += rows)
    return startSweeper({ db, election, log, expired, everySeconds: 0.1, batch: 100, onSwept })
  }
  await artifacts(db, { all: 1000, old: 1000 })
  const first = start(db, 0)
  await until(() => swept[0]! > 0)
  await first.stop()
  const taken = swept[0]!
  t.true(taken < 1000, 'it stops between two batches')
  start(other, 1)
  await until(() => (swept[0] ?? 0) + (swept[1] ?? 0) === 1000)
  t.is(swept[0], taken)
  t.is(await count(db, 'artifacts'), 0)
})

test('one table that can not be swept keeps no other from it', async (t) => {
  const db = await testDatabase(t)
  await artifacts(db, { all: 10, old: 10 })
  t.is(await sweep(db, [{ table: 'no_such_table', column: 'at' }, ...expired]), 10)
})

test('the number of rows stays the same, round after round of issuing, expiry and sweep, and so does the table', async (t) => {
  const db = await testDatabase(t)
  const sizes: number[] = []
  for (let round = 0; round < 6; round += 1) {
    await db.pool.query(`
      insert into replays (digest, expires_at)
      select sha256((${round} || '-' || n)::bytea), clock_timestamp() + make_interval(secs => case when n % 10 = 0 then 60 else 0 end)
      from generate_series(1, 2000) as n`)
    await delay(1)
    t.is(await sweep(db, expired), 1800)
    await db.pool.query(`update replays set expires_at = now() - interval '1 second'`)
    t.is(await sweep(db, expired), 200)
    t.is(await count(db, 'replays'), 0)
    await db.pool.query('vacuum replays')
    sizes.push((await db.pool.query(`select pg_total_relation_size('replays') as bytes`)).rows[0].bytes)
  }
  t.true(sizes.at(-1)! <= sizes[1]! * 1.1, sizes.join())
})

test('no sweep reads a large table through: an index leads to what is old, in the table and in those that refer to it', async (t) => {
  const db = await testDatabase(t)
  await artifacts(db, { all: 20_000, old: 19_000 })
  await family(db, 'one', 20_000)
  await db.pool.query('analyze artifacts, refresh_tokens, grants')
  // What the sweep says to the planner, too: tables that are still empty would be read through otherwise.
  const planOf = async (statement: string): Promise<string> => {
    const told = `set enable_seqscan = off; set enable_bitmapscan = off; explain ${statement}`
    const results = (await db.pool.query(told)) as unknown as { rows: { 'QUERY PLAN': string }[] }[]
    return results
      .at(-1)!
      .rows.map((row) => row['QUERY PLAN'])
      .join('\n')
  }
  for (const rows of everything) {
    const statements = [
      oldest(rows, { limit: 500, from: null }),
      oldest(rows, { limit: 500, from: '2026-01-01' }),
      ...(rows.children ?? []).map((child) => childrenOfOldest(rows, child, { limit: 500, from: null })),
    ]
    for (const statement of statements) {
      const plan = await planOf(statement)
      t.notRegex(plan, /Seq Scan|Sort/)
      t.regex(plan, new RegExp(`Index (Only )?Scan using \\w+ on ${rows.table}`), rows.table)
    }
  }
})

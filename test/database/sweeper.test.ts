import test from 'ava'
import { sweep } from '../../src/database/sweeper.ts'
import { expired } from '../../src/oidc/adapter/expired.ts'
import { testDatabase } from '../support/database.ts'

test('expired rows go in batches, live ones stay, and locked ones are not waited for', async (t) => {
  const db = await testDatabase(t)
  await db.pool.query(`
    insert into artifacts (id_digest, model, payload, expires_at)
    select sha256(('a' || n)::bytea), 'AccessToken', '{}', now() + make_interval(secs => case when n <= 2500 then -5 else 60 end)
    from generate_series(1, 2600) as n`)
  const holder = await db.pool.connect()
  await holder.query('begin')
  await holder.query(`select 1 from artifacts where id_digest = sha256('a7'::bytea) for update`)
  t.is(await sweep(db, expired), 2499)
  await holder.query('rollback')
  holder.release()
  t.is(await sweep(db, expired), 1)
  t.is(Number((await db.pool.query('select count(*) from artifacts')).rows[0].count), 100)
})

test('of several instances one sweeps at a time', async (t) => {
  const db = await testDatabase(t)
  await db.pool.query(`
    insert into artifacts (id_digest, model, payload, expires_at)
    select sha256(('a' || n)::bytea), 'AccessToken', '{}', now() - interval '1 second' from generate_series(1, 3000) as n`)
  const swept = await Promise.all([sweep(db, expired), sweep(db, expired), sweep(db, expired)])
  t.is(swept.filter((rows) => rows > 0).length, 1)
  t.is(
    swept.reduce((sum, rows) => sum + rows, 0),
    3000,
  )
})

test('every condition of a sweep is served by an index', async (t) => {
  const db = await testDatabase(t)
  const client = await db.pool.connect()
  await client.query('set enable_seqscan = off')
  for (const { table, condition } of expired) {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `explain select ctid from ${table} where ${condition} limit 10`,
    )
    t.regex(rows.map((row) => row['QUERY PLAN']).join(), /Index|Bitmap/, table)
  }
  client.release()
})

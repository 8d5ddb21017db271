import test from 'ava'
import { tableSizes } from '../../src/database/table-sizes.ts'
import { testDatabase } from '../support/database.ts'

test('every table has its estimated rows and its bytes, and one that was never analyzed has no negative number', async (t) => {
  const db = await testDatabase(t)
  const count = async () => new Map((await tableSizes(db.pool)).map((size) => [size.table, size]))
  await db.pool.query(`
    create table fresh (n integer);
    insert into replays select sha256(n::text::bytea), now() from generate_series(1, 5000) as n`)
  await db.pool.query('analyze replays')
  const sizes = await count()
  t.is(sizes.get('replays')?.rows, 5000)
  // Rows of 60 bytes with two indexes.
  t.true((sizes.get('replays')?.bytes ?? 0) > 5000 * 60)
  t.like(sizes.get('fresh'), { rows: 0, bytes: 0 })
  t.true(['artifacts', 'audit_log', 'refresh_tokens', 'sessions'].every((table) => sizes.has(table)))
})

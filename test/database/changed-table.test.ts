import test from 'ava'
import { testDatabase } from '../support/database.ts'

test('a named statement goes on when a migration adds a column to what it reads whole', async (t) => {
  const db = await testDatabase(t, { poolMax: 3 })
  const everything = { name: 'everything', text: `select *, pg_sleep(0.02) from login_throttles` }
  const askAll = () => Promise.all([1, 2, 3].map(() => db.pool.query(everything)))
  await askAll()
  await db.knex.raw('alter table login_throttles add column note text')
  for (const { fields } of await askAll()) t.true(fields.some(({ name }) => name === 'note'))
  t.is((await askAll()).length, 3)
})

test('any other fault of a named statement is thrown on, and asked once', async (t) => {
  const db = await testDatabase(t, { poolMax: 1 })
  await db.knex.raw('create sequence tries')
  const broken = { name: 'broken', text: `select nextval('tries'), 1 / $1::int as half`, values: [0] }
  await t.throwsAsync(db.pool.query(broken), { message: /division by zero/ })
  t.like((await db.pool.query('select last_value::int from tries')).rows[0], { last_value: 1 })
})

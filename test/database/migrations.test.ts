import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import type { Knex } from 'knex'
import { migrations, type Migration } from '../../migrations/index.ts'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { DatabaseError } from '../../src/database/error.ts'
import { assertSchema, migrateDown, migrateUp, migrationStatus } from '../../src/database/migrate.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { emptyDatabaseUrl, testDatabase } from '../support/database.ts'

const log = createLogger({ level: 'silent' })
const names = migrations.map(({ name }) => name)

async function connect(t: ExecutionContext, url: string): Promise<Database> {
  const database = await connectDatabase({ url, dataDirectory: '', poolMax: 2, log })
  t.teardown(() => database.close())
  return database
}

async function emptyDatabase(t: ExecutionContext): Promise<Database> {
  return connect(t, await emptyDatabaseUrl(t))
}

/** Everything that a migration may make, in words that can be compared. */
async function describeSchema({ knex }: Database): Promise<string[]> {
  const { rows } = await knex.raw<{ rows: { line: string }[] }>(`
    select concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) as line
      from information_schema.columns where table_schema = 'public' and table_name <> 'schema_migrations'
    union all select indexdef from pg_indexes where schemaname = 'public' and tablename <> 'schema_migrations'
    union all select concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
      where connamespace = 'public'::regnamespace and conrelid <> coalesce(to_regclass('schema_migrations'), 0)
    union all select 'function ' || oid::regprocedure from pg_proc where pronamespace = 'public'::regnamespace
    union all select 'type ' || typname from pg_type where typnamespace = 'public'::regnamespace and typtype in ('e', 'd')
    union all select 'trigger ' || tgname from pg_trigger where not tgisinternal
    union all select 'sequence ' || sequencename from pg_sequences where schemaname = 'public'
    order by 1`)
  return rows.map(({ line }) => line)
}

function made(name: string, up: (knex: Knex) => Promise<unknown>): Migration {
  return { name, up: async (knex) => void (await up(knex)), down: async () => undefined }
}

test('up, down step by step to nothing, and up again end in the same schema', async (t) => {
  const db = await emptyDatabase(t)
  t.deepEqual(await migrateUp(db, log), names)
  const schema = await describeSchema(db)
  t.true(schema.length > 50)
  for (const name of names.toReversed()) t.is(await migrateDown(db, log), name)
  t.is(await migrateDown(db, log), undefined)
  t.deepEqual(await describeSchema(db), [])
  t.deepEqual(await migrateUp(db, log), names)
  t.deepEqual(await describeSchema(db), schema)
  t.deepEqual(await migrateUp(db, log), [])
})

test('servers that start at once migrate once, and all succeed', async (t) => {
  const url = await emptyDatabaseUrl(t)
  const servers = await Promise.all(Array.from({ length: 4 }, () => connect(t, url)))
  const applied = await Promise.all(servers.map((db) => migrateUp(db, log)))
  t.deepEqual(applied.flat().toSorted(), names)
  for (const db of servers) await t.notThrowsAsync(assertSchema(db))
})

test('a migrator that is killed leaves neither a lock nor half a migration', async (t) => {
  const url = await emptyDatabaseUrl(t)
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', HANGING_MIGRATOR, url], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  const db = await connect(t, url)
  t.deepEqual(await migrateUp(db, log, [made('1', async (knex) => knex.raw('create table half ()'))]), ['1'])
})

const HANGING_MIGRATOR = `
  import { connectDatabase } from '../../src/database/connect.ts'
  import { migrateUp } from '../../src/database/migrate.ts'
  const log = { info() {}, warn() {}, error() {} }
  const db = await connectDatabase({ url: process.argv[1], dataDirectory: '', poolMax: 1, log })
  const up = async (knex) => {
    await knex.raw('create table half ()')
    console.log('half way')
    await new Promise((resolve) => setTimeout(resolve, 60_000))
  }
  await migrateUp(db, log, [{ name: '1', up, down: up }])
`

test('a migration that fails is undone as a whole, those before it stay', async (t) => {
  const db = await emptyDatabase(t)
  const list = [
    made('1', async (knex) => knex.raw('create table one ()')),
    made('2', async (knex) => knex.raw('create table two (); select 1 / 0')),
  ]
  await t.throwsAsync(migrateUp(db, log, list), { message: /division by zero/ })
  const { rows } = await db.pool.query(
    `select to_regclass('one') is not null as one, to_regclass('two') is not null as two`,
  )
  t.deepEqual(rows, [{ one: true, two: false }])
  t.deepEqual(
    (await migrationStatus(db, list)).map(({ name, appliedAt }) => [name, appliedAt !== null]),
    [
      ['1', true],
      ['2', false],
    ],
  )
  t.deepEqual(await migrateUp(db, log, [list[0]!, made('2', async (knex) => knex.raw('create table two ()'))]), ['2'])
})

test('a migration may take longer than a statement may', async (t) => {
  const db = await emptyDatabase(t)
  const slow = made('1', async (knex) => {
    const { rows } = await knex.raw<{ rows: unknown[] }>(`select current_setting('statement_timeout') as statement,
      current_setting('idle_in_transaction_session_timeout') as idle`)
    t.deepEqual(rows, [{ statement: '0', idle: '0' }])
  })
  await migrateUp(db, log, [slow])
  t.deepEqual((await db.pool.query('show statement_timeout')).rows, [{ statement_timeout: '15s' }])
})

test('a schema newer than the code is refused by name and left alone', async (t) => {
  const db = await testDatabase(t)
  await t.notThrowsAsync(assertSchema(db))
  const before = await describeSchema(db)
  await db.knex('schema_migrations').insert({ name: '9999-from-the-future' })
  for (const attempt of [() => assertSchema(db), () => migrateUp(db, log), () => migrateDown(db, log)]) {
    const error = await t.throwsAsync<Error>(attempt, { instanceOf: DatabaseError })
    t.regex(error!.message, /newer than this version of Grantry.*9999-from-the-future/)
  }
  t.deepEqual(await describeSchema(db), before)
  t.deepEqual((await migrationStatus(db)).at(-1)!.known, false)
})

test('a version works on what newer ones have added, and refuses by name what needs more than it knows', async (t) => {
  const db = await testDatabase(t)
  const adds = made('9998-adds', async (knex) => knex.raw('alter table users add column shoe_size int'))
  const takes = {
    ...made('9999-takes', async (knex) => knex.raw('alter table users drop column name')),
    needs: adds.name,
  }
  const released = [...migrations, adds]
  t.deepEqual(await migrateUp(db, log, released), [adds.name])

  await t.notThrowsAsync(assertSchema(db))
  t.deepEqual(await migrateUp(db, log), [], 'the older one starts')
  t.like((await migrationStatus(db)).at(-1), { name: adds.name, known: false, tolerated: true })
  await t.throwsAsync(migrateDown(db, log), { instanceOf: DatabaseError, message: /9998-adds/ })
  const pending = [...migrations, made('0099-of-another-branch', async () => undefined)]
  await t.throwsAsync(migrateUp(db, log, pending), { instanceOf: DatabaseError, message: /9998-adds/ })

  await migrateUp(db, log, [...released, takes])
  t.deepEqual(await migrateUp(db, log, released), [], 'the version before it knows what it needs')
  const error = await t.throwsAsync(migrateUp(db, log), { instanceOf: DatabaseError })
  t.regex(error!.message, /\(it has 9999-takes\)/)
})

test('a server whose role may alter nothing starts on a schema that is up to date', async (t) => {
  const db = await testDatabase(t, { poolMax: 1 })
  const client = await db.pool.connect()
  await client.query('set default_transaction_read_only = on')
  client.release()
  t.deepEqual(await migrateUp(db, log), [])
  t.like((await db.pool.query('show default_transaction_read_only')).rows[0], { default_transaction_read_only: 'on' })
})

test('a record that an older version made is read as it is, and gets what it lacks with the next migration', async (t) => {
  const db = await testDatabase(t)
  await db.knex.raw('alter table schema_migrations drop column needs')
  await t.notThrowsAsync(assertSchema(db))
  await migrateUp(db, log, [...migrations, made('9998-adds', async () => undefined)])
  t.deepEqual(await migrateUp(db, log), [])
})

test('a migration that does not get a table gives way to those who wait behind it, and tries again', async (t) => {
  const db = await testDatabase(t)
  const busy = await db.pool.connect()
  await busy.query('begin; select from users')
  let tries = 0
  const waiting = migrateUp(db, log, [
    ...migrations,
    made('9998-adds', async (knex) => {
      tries += 1
      if (tries === 2) await busy.query('commit')
      await knex.raw('alter table users add column shoe_size int')
    }),
  ])
  t.teardown(() => busy.release())
  t.deepEqual(await waiting, ['9998-adds'])
  t.is(tries, 2)
})

test('a schema older than the code is refused by those that do not migrate', async (t) => {
  const db = await testDatabase(t)
  await migrateDown(db, log)
  const error = await t.throwsAsync(assertSchema(db), { instanceOf: DatabaseError })
  t.true(error!.message.includes(names.at(-1)!))
  const untouched = await emptyDatabase(t)
  await t.throwsAsync(assertSchema(untouched), { instanceOf: DatabaseError })
  t.deepEqual(
    (await migrationStatus(untouched)).map(({ name, appliedAt }) => ({ name, appliedAt })),
    names.map((name) => ({ name, appliedAt: null })),
  )
})

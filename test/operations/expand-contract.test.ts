/** Expand and contract: servers of the version before this one run on while, and after, this one migrates. */
import test, { type ExecutionContext } from 'ava'
import type { Knex } from 'knex'
import { migrations } from '../../migrations/index.ts'
import { connectDatabase } from '../../src/database/connect.ts'
import { migrateUp } from '../../src/database/migrate.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { emptyDatabaseUrl, testDatabase } from '../support/database.ts'
import { PREVIOUS } from './previous.ts'
import { breaches, schemaFacts } from './schema-facts.ts'

/** Breaches that were looked at and break nothing: the breach as the test prints it, and why. */
const HARMLESS: Readonly<Record<string, string>> = {}

const log = createLogger({ level: 'silent' })
const released = migrations.findIndex(({ name }) => name === PREVIOUS.migration)

async function emptyDatabase(t: ExecutionContext) {
  const db = await connectDatabase({ url: await emptyDatabaseUrl(t), dataDirectory: '', poolMax: 1, log })
  t.teardown(() => db.close())
  return db
}

test('migrations since the version before only add; what takes something away says what it needs', async (t) => {
  t.true(released >= 0, `${PREVIOUS.migration} is a migration of ours`)
  const added = migrations.slice(released + 1)
  const contracts = added.filter(({ needs }) => needs !== undefined)
  for (const { name, needs } of contracts) {
    const known = migrations.findIndex((migration) => migration.name === needs)
    t.true(known >= 0 && known <= released, `${name} needs ${needs}, which the version before does not have`)
  }
  const db = await emptyDatabase(t)
  await migrateUp(db, log, migrations.slice(0, released + 1))
  for (const { name, needs } of added) {
    const before = await schemaFacts(db.knex)
    await migrateUp(db, log, migrations.slice(0, migrations.findIndex((migration) => migration.name === name) + 1))
    const after = await schemaFacts(db.knex)
    const found = breaches(before, after, PREVIOUS.fixedTables).filter((breach) => !(breach in HARMLESS))
    if (needs === undefined) t.deepEqual(found, [], `${name} must only add: split it over two versions, or set "needs"`)
  }
})

const BREACHING: readonly [sql: string, found: RegExp[]][] = [
  ['drop table login_throttles', [/no more: table login_throttles/]],
  ['alter table users drop column name', [/no more: column users\.name text/]],
  ['alter table users rename column name to full_name', [/no more: column users\.name text/]],
  ['alter table users rename to people', [/no more: table users/]],
  ['alter table users alter column version type bigint', [/no more: column users\.version integer/]],
  [
    'alter table users alter column name set not null',
    [/no more: users\.name takes null/, /users\.name must be given/],
  ],
  ['alter table users alter column version drop default', [/users\.version has a default/, /users\.version must be/]],
  [
    `alter table users add column age int; alter table users alter column age set not null`,
    [/users\.age must be given/],
  ],
  [`alter table users add constraint adult check (username <> 'root')`, [/new demand: users CHECK/]],
  ['create unique index on users (name)', [/new demand: key of users btree \(name\)/]],
  ['alter table users drop constraint users_email_key', [/no more: key of users btree \(email\)/]],
  ['alter table events add foreign key (user_id) references users', [/new demand: events FOREIGN KEY/]],
  ['drop function erased_entry cascade', [/no more: function erased_entry/]],
]
const ADDING = [
  'alter table users add column shoe_size int; create index on users (shoe_size)',
  `alter table users add column colour text not null default 'red'`,
  'create table shoes (id int primary key, owner text not null unique references users)',
  'drop index users_by_creation',
  'alter table users alter column username drop not null',
]

test('what breaks older code is found, what adds is let pass', async (t) => {
  const db = await testDatabase(t, { poolMax: 1 })
  const before = await schemaFacts(db.knex)
  const after = async (sql: string, fixedTables: string[] = []) => {
    const trx = await db.knex.transaction()
    try {
      await trx.raw(sql)
      return breaches(before, await schemaFacts(trx as Knex), fixedTables)
    } finally {
      await trx.rollback()
    }
  }
  for (const [sql, expected] of BREACHING) {
    const found = await after(sql)
    for (const pattern of expected)
      t.true(
        found.some((breach) => pattern.test(breach)),
        `${sql}: ${found.join(', ')}`,
      )
  }
  for (const sql of ADDING) t.deepEqual(await after(sql), [], sql)
  t.deepEqual(await after('alter table users add column age int', ['users', 'clients']), ['other columns: users'])
})

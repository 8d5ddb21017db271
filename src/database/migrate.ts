/**
 * Brings the schema to the state of the code, one transaction a migration, and back. The record is the table `schema_migrations`.
 *
 * Each step takes an advisory lock inside its own transaction and reads the record behind it. Servers that start at once take
 * turns, and whoever comes second finds the work done; a killed process leaves neither a lock nor half a migration.
 */
import type { Knex } from 'knex'
import { migrations as ours, type Migration } from '../../migrations/index.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Database } from './connect.ts'
import { DatabaseError } from './error.ts'

const MIGRATION_LOCK = 1_735_290_734
const LOCK_PATIENCE_MS = 60_000

export interface MigrationState {
  name: string
  /** Null while it is pending. */
  appliedAt: Date | null
  /** False for one that this version of Grantry does not have: the schema is newer than the code. */
  known: boolean
}

type Handle = Pick<Database, 'knex'>

/**
 * Applies what is pending and returns its names. Throws `DatabaseError` when the schema is newer than the code.
 * @param migrations other than ours, for tests
 */
export async function migrateUp({ knex }: Handle, log: Logger, migrations = ours): Promise<string[]> {
  const done: string[] = []
  for (;;) {
    const name = await step(knex, async (trx, applied) => {
      assertKnown(applied, migrations)
      const next = migrations.find((migration) => !applied.has(migration.name))
      await next?.up(trx)
      if (next) await trx('schema_migrations').insert({ name: next.name })
      return next?.name
    })
    if (!name) return done
    log.info({ migration: name }, 'schema migrated up')
    done.push(name)
  }
}

/** Takes back the newest migration and returns its name; undefined when there is none. Data that lives only there is lost. */
export async function migrateDown({ knex }: Handle, log: Logger, migrations = ours): Promise<string | undefined> {
  const name = await step(knex, async (trx, applied) => {
    assertKnown(applied, migrations)
    const last = migrations.findLast((migration) => applied.has(migration.name))
    await last?.down(trx)
    if (last) await trx('schema_migrations').where({ name: last.name }).delete()
    return last?.name
  })
  if (name) log.info({ migration: name }, 'schema migrated down')
  return name
}

/** Every migration that the code or the database knows, in order. Changes nothing. */
export async function migrationStatus({ knex }: Handle, migrations = ours): Promise<MigrationState[]> {
  const applied = await readRecord(knex)
  const known = migrations.map(({ name }) => ({ name, appliedAt: applied.get(name) ?? null, known: true }))
  const names = new Set(migrations.map(({ name }) => name))
  const unknown = [...applied].filter(([name]) => !names.has(name))
  return [...known, ...unknown.map(([name, appliedAt]) => ({ name, appliedAt, known: false }))]
}

/** Throws `DatabaseError` unless the schema is exactly that of the code. */
export async function assertSchema(db: Handle, migrations = ours): Promise<void> {
  assertKnown(await readRecord(db.knex), migrations)
  const pending = (await migrationStatus(db, migrations)).filter(({ appliedAt }) => !appliedAt)
  if (pending.length === 0) return
  throw new DatabaseError(`the database lacks ${pending.map(({ name }) => name).join(', ')}: run "grantry migrate up"`)
}

type Work = (trx: Knex.Transaction, applied: ReadonlyMap<string, Date>) => Promise<string | undefined>

function step(knex: Knex, work: Work): Promise<string | undefined> {
  return knex.transaction(async (trx) => {
    // A long migration is no fault, and the others wait for it; a stuck one ends their wait with a clear line.
    await trx.raw(
      `set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = ${LOCK_PATIENCE_MS}`,
    )
    await takeLock(trx)
    await trx.raw(
      'create table if not exists schema_migrations (name text primary key, applied_at timestamptz not null default now())',
    )
    return work(trx, await readRecord(trx))
  })
}

async function takeLock(trx: Knex.Transaction): Promise<void> {
  try {
    await trx.raw('select pg_advisory_xact_lock(?)', [MIGRATION_LOCK])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== '55P03') throw error
    throw new DatabaseError(
      `another process has been migrating this database for over ${LOCK_PATIENCE_MS / 1000} s: try again when it is done`,
    )
  }
}

async function readRecord(knex: Knex): Promise<Map<string, Date>> {
  const { rows } = await knex.raw<{ rows: { found: boolean }[] }>(
    `select to_regclass('schema_migrations') is not null as found`,
  )
  if (!rows[0]?.found) return new Map()
  const applied = await knex('schema_migrations').select('name', 'applied_at').orderBy('name')
  return new Map(applied.map(({ name, applied_at }: { name: string; applied_at: Date }) => [name, applied_at]))
}

function assertKnown(applied: ReadonlyMap<string, Date>, migrations: readonly Migration[]): void {
  const names = new Set(migrations.map(({ name }) => name))
  const unknown = [...applied.keys()].filter((name) => !names.has(name))
  if (unknown.length === 0) return
  throw new DatabaseError(
    `the database schema is newer than this version of Grantry (it has ${unknown.join(', ')}): start the version that made it, or a newer one`,
  )
}

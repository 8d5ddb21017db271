/**
 * Brings the schema to the state of the code, one transaction a migration, and back. The record is the table `schema_migrations`.
 *
 * Each step takes an advisory lock inside its own transaction and reads the record behind it. Servers that start at once take
 * turns, and whoever comes second finds the work done; a killed process leaves neither a lock nor half a migration.
 *
 * During a rolling upgrade the servers of two versions share one schema, the newer one's. So each row of the record says which
 * migration code has to know to work there (`needs`). An older version starts on what only adds, and refuses the rest by name.
 */
import type { Knex } from 'knex'
import { setTimeout as delay } from 'node:timers/promises'
import { migrations as ours, type Migration } from '../../migrations/index.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Database } from './connect.ts'
import { DatabaseError } from './error.ts'

const MIGRATION_LOCK = 1_735_290_734
const LOCK_PATIENCE_MS = 60_000
/**
 * Whoever waits for a table makes everybody wait who comes after, so a migration that does not get one steps back and tries
 * again. Longer than `deadlock_timeout` (1 s), after which PostgreSQL ends an autovacuum that is in the way.
 */
const TABLE_PATIENCE_MS = 2_000
const LOCK_NOT_AVAILABLE = '55P03'

export interface MigrationState {
  name: string
  /** Null while it is pending. */
  appliedAt: Date | null
  /** False for one that this version of Grantry does not have: the schema is newer than the code. */
  known: boolean
  /** Whether this version works on a schema that has it. */
  tolerated: boolean
}

interface Applied {
  at: Date
  /** The migration that code has to know to work here; null where a version wrote the row that did not say. */
  needs: string | null
}

type Ledger = ReadonlyMap<string, Applied>

type Handle = Pick<Database, 'knex'>

/**
 * Applies what is pending and returns its names. Throws `DatabaseError` when the schema is so much newer than the code that
 * this version can't work there.
 * @param migrations other than ours, for tests
 */
export async function migrateUp({ knex }: Handle, log: Logger, migrations = ours): Promise<string[]> {
  const done: string[] = []
  // Most starts find nothing to do. They need no right to alter anything, and wait for nobody.
  const found = await readRecord(knex)
  const beyond = assertWorkable(found, migrations)
  if (beyond.length > 0) log.warn({ migrations: beyond }, 'the schema is newer than this version, which works with it')
  if (migrations.every(({ name }) => found.has(name))) return done
  for (;;) {
    const name = await step(knex, log, async (trx, applied) => {
      const newer = assertWorkable(applied, migrations)
      const next = migrations.find((migration) => !applied.has(migration.name))
      if (!next) return undefined
      if (newer.length > 0) throw tooNew(newer)
      await next.up(trx)
      await trx('schema_migrations').insert({ name: next.name, needs: next.needs ?? migrations[0]!.name })
      return next.name
    })
    if (!name) return done
    log.info({ migration: name }, 'schema migrated up')
    done.push(name)
  }
}

/** Takes back the newest migration and returns its name; undefined when there is none. Data that lives only there is lost. */
export async function migrateDown({ knex }: Handle, log: Logger, migrations = ours): Promise<string | undefined> {
  const name = await step(knex, log, async (trx, applied) => {
    const newer = unknownIn(applied, migrations)
    if (newer.length > 0) throw tooNew(newer)
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
  const known = migrations.map(({ name }) => {
    return { name, appliedAt: applied.get(name)?.at ?? null, known: true, tolerated: true }
  })
  const unknown = unknownIn(applied, migrations).map((name) => {
    const { at, needs } = applied.get(name)!
    return { name, appliedAt: at, known: false, tolerated: knows(migrations, needs) }
  })
  return [...known, ...unknown]
}

/** Throws `DatabaseError` unless this version works on the schema: it has all of the code's migrations, and of others only such as let it. */
export async function assertSchema(db: Handle, migrations = ours): Promise<void> {
  assertWorkable(await readRecord(db.knex), migrations)
  const pending = (await migrationStatus(db, migrations)).filter(({ appliedAt }) => !appliedAt)
  if (pending.length === 0) return
  throw new DatabaseError(`the database lacks ${pending.map(({ name }) => name).join(', ')}: run "grantry migrate up"`)
}

type Work = (trx: Knex.Transaction, applied: Ledger) => Promise<string | undefined>

async function step(knex: Knex, log: Logger, work: Work): Promise<string | undefined> {
  for (const deadline = Date.now() + LOCK_PATIENCE_MS; ;) {
    try {
      return await attempt(knex, work)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== LOCK_NOT_AVAILABLE || Date.now() > deadline) throw error
      log.warn('a migration waits for a table that is in use; it tries again')
      await delay(TABLE_PATIENCE_MS * Math.random())
    }
  }
}

function attempt(knex: Knex, work: Work): Promise<string | undefined> {
  return knex.transaction(async (trx) => {
    // A long migration is no fault, and the others wait for it; a stuck one ends their wait with a clear line.
    await trx.raw(
      `set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = ${LOCK_PATIENCE_MS}`,
    )
    await takeLock(trx)
    await trx.raw(`set local lock_timeout = ${TABLE_PATIENCE_MS}`)
    await trx.raw(
      'create table if not exists schema_migrations (name text primary key, applied_at timestamptz not null default now(), needs text)',
    )
    await trx.raw('alter table schema_migrations add column if not exists needs text')
    return work(trx, await readRecord(trx))
  })
}

async function takeLock(trx: Knex.Transaction): Promise<void> {
  try {
    await trx.raw('select pg_advisory_xact_lock(?)', [MIGRATION_LOCK])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== LOCK_NOT_AVAILABLE) throw error
    throw new DatabaseError(
      `another process has been migrating this database for over ${LOCK_PATIENCE_MS / 1000} s: try again when it is done`,
    )
  }
}

async function readRecord(knex: Knex): Promise<Ledger> {
  const { rows } = await knex.raw<{ rows: { found: boolean }[] }>(
    `select to_regclass('schema_migrations') is not null as found`,
  )
  if (!rows[0]?.found) return new Map()
  // By way of JSON, because a record that an older version made does not have the column.
  const { rows: applied } = await knex.raw<{ rows: (Omit<Applied, 'at'> & { name: string; applied_at: Date })[] }>(
    `select name, applied_at, to_jsonb(schema_migrations) ->> 'needs' as needs from schema_migrations order by name`,
  )
  return new Map(applied.map(({ name, applied_at, needs }) => [name, { at: applied_at, needs }]))
}

function unknownIn(applied: Ledger, migrations: readonly Migration[]): string[] {
  const names = new Set(migrations.map(({ name }) => name))
  return [...applied.keys()].filter((name) => !names.has(name))
}

function knows(migrations: readonly Migration[], needed: string | null): boolean {
  return migrations.some(({ name }) => name === needed)
}

/** @returns the migrations that this version does not know and works with all the same */
function assertWorkable(applied: Ledger, migrations: readonly Migration[]): string[] {
  const unknown = unknownIn(applied, migrations)
  const refused = unknown.filter((name) => !knows(migrations, applied.get(name)!.needs))
  if (refused.length > 0) throw tooNew(refused)
  return unknown
}

function tooNew(names: readonly string[]): DatabaseError {
  return new DatabaseError(
    `the database schema is newer than this version of Grantry (it has ${names.join(', ')}): start the version that made it, or a newer one`,
  )
}

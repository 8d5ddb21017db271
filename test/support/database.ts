/** Databases for tests: each is a copy of the migrated template that `test/run.ts` made, and is dropped when its test ends. */
import { randomBytes } from 'node:crypto'
import type { ExecutionContext } from 'ava'
import pg from 'pg'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { withDatabase } from './database-url.ts'

/** Registers what ends with the test: `t` itself. In hooks, where ava allows none, an object that collects for `test.after.always`. */
export type Teardown = Pick<ExecutionContext, 'teardown'>

export type TestDatabase = Database & { url: string }

/** A migrated database of its own, connected. */
export async function testDatabase(t: Teardown, { poolMax = 5 } = {}): Promise<TestDatabase> {
  const url = await testDatabaseUrl(t)
  const database = await connectDatabase({ url, dataDirectory: '', poolMax, log: createLogger({ level: 'silent' }) })
  t.teardown(() => database.close())
  return { ...database, url }
}

/** A migrated database of its own, for processes that connect by themselves. */
export async function testDatabaseUrl(t: Teardown): Promise<string> {
  return cloneDatabase(t, requiredEnvironment('TEST_DATABASE_TEMPLATE'))
}

/** The same with signing keys in it, and the master key that they are sealed with. */
export async function keyedDatabase(t: Teardown): Promise<{ url: string; masterKey: string }> {
  const url = await cloneDatabase(t, requiredEnvironment('TEST_DATABASE_KEYED_TEMPLATE'))
  return { url, masterKey: requiredEnvironment('TEST_MASTER_KEY') }
}

/** A database of its own without any table. */
export async function emptyDatabaseUrl(t: Teardown): Promise<string> {
  return cloneDatabase(t, 'template0')
}

async function cloneDatabase(t: Teardown, template: string): Promise<string> {
  const name = `test_${randomBytes(8).toString('hex')}`
  await administer(`create database ${name} template ${template} strategy file_copy`)
  t.teardown(() => administer(`drop database if exists ${name} with (force)`))
  return withDatabase(requiredEnvironment('TEST_DATABASE_URL'), name)
}

/** Every clone and its end would need a connection else. It is no reason for a process to go on. */
let administrators: pg.Pool | undefined

/** Runs one statement as the administrator of the test server. */
export async function administer(statement: string): Promise<void> {
  administrators ??= new pg.Pool({
    connectionString: requiredEnvironment('TEST_DATABASE_URL'),
    max: 3,
    idleTimeoutMillis: 2000,
    allowExitOnIdle: true,
  }).on('error', () => undefined)
  await administrators.query(statement)
}

function requiredEnvironment(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run the tests by "npm test [files]"`)
  return value
}

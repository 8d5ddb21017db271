/** What many requests share is planned once for each connection, however few of them there are. */
import { randomBytes } from 'node:crypto'
import test from 'ava'
import { manyValues, run, statement, type Statement } from '../../src/database/statement.ts'
import { createStorage } from '../../src/oidc/adapter/adapter.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { testDatabase } from '../support/database.ts'

type Db = Awaited<ReturnType<typeof testDatabase>>

/** How often a connection made a plan for these values, and how often it took the one that it keeps. */
type Plans = { custom: number; generic: number }

async function plansOf({ pool }: Db, text: string): Promise<Plans> {
  const { rows } = await pool.query<Plans>(
    `select custom_plans::int as custom, generic_plans::int as generic from pg_prepared_statements where statement like $1`,
    [text],
  )
  return rows[0]!
}

async function runTenTimes({ pool }: Db, find: Statement): Promise<void> {
  for (let n = 0; n < 10; n += 1) await run(pool, find, [[randomBytes(32)]])
}

// One connection: prepared statements belong to it.
const connection = { poolMax: 1 }

test('behind manyValues a statement is planned once and for all; without, anew for each call', async (t) => {
  const db = await testDatabase(t, connection)
  await db.pool.query(`
    create temporary table tokens as
    select sha256(n::text::bytea) as id_digest, n as payload from generate_series(1, 5000) as n`)
  await db.pool.query('alter table tokens add primary key (id_digest)')
  await db.pool.query('analyze tokens')
  const find = (digests: string) =>
    `select payload from unnest(${digests}) as asked (id_digest) join tokens using (id_digest)`
  const [kept, forgotten] = [find(manyValues('$1::bytea[]')), find('$1::bytea[]')]
  await runTenTimes(db, statement(kept))
  await runTenTimes(db, statement(forgotten))
  t.deepEqual(await plansOf(db, kept), { custom: 5, generic: 5 })
  t.deepEqual(await plansOf(db, forgotten), { custom: 10, generic: 0 })
})

test('the claims of codes take the plan that is kept', async (t) => {
  const db = await testDatabase(t, connection)
  await db.pool.query('alter table artifacts drop constraint artifacts_client_id_fkey')
  await db.pool.query(`
    insert into artifacts (id_digest, model, client_id, payload, expires_at)
    select sha256(n::text::bytea), 'AuthorizationCode', 'nobody', '{}', now() from generate_series(1, 5000) as n`)
  await db.pool.query('analyze artifacts')
  const masterKeys = parseMasterKeys(newMasterKey())
  const deps = { ...db, masterKeys, log: createLogger({ level: 'silent' }), refreshReuseSeconds: 10 }
  const { codes } = createStorage(deps as unknown as Parameters<typeof createStorage>[0])
  for (let n = 0; n < 10; n += 1) await codes.answered(`unknown-${n}`)
  const { custom, generic } = await plansOf(db, '%consumed_at > now() for no key update skip locked%')
  t.deepEqual({ custom, generic }, { custom: 5, generic: 5 })
})

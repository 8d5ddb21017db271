import test, { type ExecutionContext } from 'ava'
import type { Knex } from 'knex'
import { createHash } from 'node:crypto'
import { connectDatabase } from '../../src/database/connect.ts'
import { sweep } from '../../src/database/sweeper.ts'
import {
  createIdempotencyStore,
  expiredIdempotencyKeys,
  IdempotencyError,
  idempotencyTable,
  type Execution,
  type IdempotentRequest,
} from '../../src/http/api/idempotency.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { emptyDatabaseUrl, testDatabase, type TestDatabase } from '../support/database.ts'

async function fixture(t: ExecutionContext): Promise<TestDatabase> {
  const db = await testDatabase(t)
  await db.knex.raw('create table things (id bigint generated always as identity, name text)')
  return db
}

const print = (text: string) => createHash('sha256').update(text).digest()
const request: IdempotentRequest = { principal: 'usr_a', operation: 'createThing', key: 'k1', fingerprint: print('a') }

/** Makes a thing, and answers with it. */
async function make(trx: Knex): Promise<Execution> {
  const [thing] = await trx('things').insert({ name: 'thing' }).returning<{ id: number }[]>('id')
  const answer = { status: 201, headers: { location: `/things/${thing!.id}` }, body: `{"id":${thing!.id}}` }
  return { answer, keep: answer }
}

async function count({ knex }: Pick<TestDatabase, 'knex'>, table = 'things'): Promise<number> {
  const row = await knex(table).count<{ count: number }[]>('* as count').first()
  return row!.count
}

const code = (error: unknown) => (error instanceof IdempotencyError ? error.code : String(error))

test('of twenty requests at once with one key, through two pools, one executes; the others are told to wait or get its answer', async (t) => {
  const db = await fixture(t)
  const other = await connectDatabase({
    url: db.url,
    dataDirectory: '',
    poolMax: 5,
    log: createLogger({ level: 'silent' }),
  })
  t.teardown(() => other.close())
  const stores = [createIdempotencyStore(db), createIdempotencyStore(other)]
  const settled = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => stores[index % 2]!.run(request, make)),
  )
  t.is(await count(db), 1)
  const answered = settled.filter((one) => one.status === 'fulfilled').map(({ value }) => value)
  t.is(answered.filter(({ replayed }) => !replayed).length, 1)
  t.is(new Set(answered.map(({ answer }) => answer.body)).size, 1)
  for (const one of settled) if (one.status === 'rejected') t.is(code(one.reason), 'in-flight')
  const later = await stores[1]!.run(request, make)
  t.deepEqual(later, { replayed: true, answer: answered[0]!.answer })
})

test('a new process replays what another one answered, word for word', async (t) => {
  const db = await fixture(t)
  const first = await createIdempotencyStore(db).run(request, make)
  const again = await createIdempotencyStore(db).run(request, () => Promise.reject(new Error('executed again')))
  t.deepEqual(again, { answer: first.answer, replayed: true })
  t.is(await count(db), 1)
})

test('a key that comes back with another request is refused, answered or not; for others it is another key', async (t) => {
  const db = await fixture(t)
  const store = createIdempotencyStore(db)
  const different = { ...request, fingerprint: print('b') }
  await store.run(request, async (trx) => {
    t.is(code(await t.throwsAsync(store.run(different, make))), 'mismatch')
    return make(trx)
  })
  t.is(code(await t.throwsAsync(store.run(different, make))), 'mismatch')
  t.false((await store.run({ ...different, principal: 'usr_b' }, make)).replayed)
  t.false((await store.run({ ...different, operation: 'createOther' }, make)).replayed)
  t.is(await count(db), 3)
})

test('an error undoes the effect and frees the key', async (t) => {
  const db = await fixture(t)
  const store = createIdempotencyStore(db)
  const failing = async (trx: Knex): Promise<Execution> => {
    await make(trx)
    throw new Error('after the effect')
  }
  await t.throwsAsync(store.run(request, failing), { message: 'after the effect' })
  t.is(await count(db), 0)
  t.false((await store.run(request, make)).replayed)
  t.is(await count(db), 1)
})

test('an answer that is not to be kept frees the key, for another request too', async (t) => {
  const db = await fixture(t)
  const store = createIdempotencyStore(db)
  const refusal = { status: 422, headers: {}, body: '{"title":"no"}' }
  const { answer, replayed } = await store.run(request, () => Promise.resolve({ answer: refusal, keep: undefined }))
  t.deepEqual([answer, replayed], [refusal, false])
  t.false((await store.run({ ...request, fingerprint: print('mended') }, make)).replayed)
})

test('what is sent and what is kept may differ: a secret is shown once', async (t) => {
  const db = await fixture(t)
  const store = createIdempotencyStore(db)
  const shown = { status: 201, headers: {}, body: '{"secret":"s3cret"}' }
  const kept = { status: 201, headers: {}, body: null }
  t.deepEqual((await store.run(request, () => Promise.resolve({ answer: shown, keep: kept }))).answer, shown)
  t.deepEqual((await store.run(request, make)).answer, kept)
  t.false(JSON.stringify(await db.knex('idempotency_keys')).includes('s3cret'))
})

test('a process that dies leaves nothing but a lease; when that has passed the same request executes, another does not', async (t) => {
  const db = await fixture(t)
  const store = createIdempotencyStore(db)
  // What a process that dies before it commits leaves: the reservation, and an effect that the database undoes.
  await db.knex.raw(
    `insert into idempotency_keys (principal, operation, key, fingerprint, lease, leased_until, created_at, expires_at)
     values (?, ?, ?, ?, gen_random_uuid(), now() + interval '60 s', now(), now() + interval '1 day')`,
    [request.principal, request.operation, print(request.key), request.fingerprint],
  )
  t.is(code(await t.throwsAsync(store.run(request, make))), 'in-flight')
  await db.knex('idempotency_keys').update({ leased_until: db.knex.fn.now() })
  t.is(code(await t.throwsAsync(store.run({ ...request, fingerprint: print('b') }, make))), 'mismatch')
  t.false((await store.run(request, make)).replayed)
  t.is(await count(db), 1)
})

test('who is slower than the lease and was replaced loses the effect, not only the answer', async (t) => {
  const db = await fixture(t)
  const store = createIdempotencyStore({ ...db, leaseSeconds: 0 })
  const slow = store.run(request, async (trx) => {
    const made = await make(trx)
    t.false((await store.run(request, make)).replayed, 'the lease has passed: a retry executes')
    return made
  })
  t.is(code(await t.throwsAsync(slow)), 'in-flight')
  t.is(await count(db), 1)
  t.true((await store.run(request, make)).replayed)
})

test('an answer is kept for its time on the database clock, then the key is free, and the sweep takes the row', async (t) => {
  const db = await fixture(t)
  const store = createIdempotencyStore(db)
  await store.run(request, make)
  const life = `round(extract(epoch from expires_at - clock_timestamp()) / 3600)::int as hours`
  t.deepEqual(await db.knex('idempotency_keys').select(db.knex.raw(life)), [{ hours: 24 }])
  t.is(await sweep(db, [expiredIdempotencyKeys]), 0)
  await db.knex('idempotency_keys').update({ expires_at: db.knex.fn.now() })
  t.false((await store.run({ ...request, fingerprint: print('b') }, make)).replayed)
  await db.knex('idempotency_keys').update({ expires_at: db.knex.fn.now() })
  t.is(await sweep(db, [expiredIdempotencyKeys]), 1)
  t.is(await count(db, 'idempotency_keys'), 0)
})

test('the table of databases without migrations is the migrated one', async (t) => {
  const log = createLogger({ level: 'silent' })
  const bare = await connectDatabase({ url: await emptyDatabaseUrl(t), dataDirectory: '', poolMax: 2, log })
  t.teardown(() => bare.close())
  await bare.knex.raw(idempotencyTable)
  await bare.knex.raw(idempotencyTable)
  const migrated = await testDatabase(t)
  t.deepEqual(await shape(bare, 'idempotency_keys'), await shape(migrated, 'idempotency_keys'))
})

async function shape({ knex }: Pick<TestDatabase, 'knex'>, table: string): Promise<string[]> {
  const { rows } = await knex.raw<{ rows: { line: string }[] }>(
    `select concat_ws(' ', column_name, data_type, is_nullable, column_default) as line
       from information_schema.columns where table_name = :table
     union all select indexdef from pg_indexes where tablename = :table
     union all select pg_get_constraintdef(oid) from pg_constraint where conrelid = cast(:table as regclass)
     order by 1`,
    { table },
  )
  return rows.map(({ line }) => line)
}

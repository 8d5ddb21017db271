import test from 'ava'
import type { Knex } from 'knex'
import pg from 'pg'
import { z } from 'zod'
import { operation } from '../../src/http/api/operation.ts'
import { fileScope } from '../support/demo.ts'
import { problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
let notes: NotesServer

const raise = (code: string) => `do $$ begin raise exception 'told by the test' using errcode = '${code}'; end $$`

const FAULTS: Record<string, (db: Knex) => Promise<unknown>> = {
  deadlock: (db) => db.raw(raise('40P01')),
  serialization: (db) => db.raw(raise('40001')),
  'too-many-connections': (db) => db.raw(raise('53300')),
  'failed-over': (db) => db.transaction((trx) => trx.raw('set transaction read only').then(() => trx.raw('create table t ()'))), // prettier-ignore
  cut: (db) => db.raw('select pg_terminate_backend(pg_backend_pid())'),
  'nobody-there': () => withPool({ host: '127.0.0.1', port: 1 }, (pool) => pool.query('select 1')),
  'no-connection-in-time': () =>
    withPool({ connectionString: url(), max: 1, connectionTimeoutMillis: 30 }, async (pool) => {
      const held = await pool.connect()
      await pool.query('select 1').finally(() => held.release())
    }),
  ended: () => withPool({ connectionString: url() }, (pool) => pool.end().then(() => pool.query('select 1'))),
  bug: (db) => db.raw('select nonsense'),
}

function url(): string {
  return (notes.db.pool as pg.Pool & { options: { connectionString: string } }).options.connectionString
}

async function withPool(config: pg.PoolConfig, act: (pool: pg.Pool) => Promise<unknown>): Promise<void> {
  const pool = new pg.Pool(config)
  try {
    await act(pool)
  } finally {
    if (!pool.ended) await pool.end()
  }
}

const fail = operation({
  id: 'fail',
  method: 'GET',
  path: '/faults/{fault}',
  tag: 'Faults',
  summary: 'Fail',
  access: 'public',
  params: z.object({ fault: z.string() }),
  responses: { 204: { description: 'It did not' } },
  async handle({ db, params: { fault } }) {
    await FAULTS[fault]!(db)
    return {}
  },
})

test.before(async () => {
  notes = await startNotes(scope, { versions: [{ number: 1, operations: [fail] }] })
})
test.after.always(() => scope.end())

test('while the database is out of reach or busy a request is 503, to be sent again, and one warning', async (t) => {
  for (const fault of Object.keys(FAULTS).filter((name) => name !== 'bug')) {
    const response = await notes.call(`/api/v1/faults/${fault}`)
    t.is(response.headers.get('retry-after'), /deadlock|serialization/.test(fault) ? '1' : '5', fault)
    const { code, status, detail, trace_id } = await problemOf(response)
    t.deepEqual([code, status, detail], ['unavailable', 503, undefined], fault)
    const told = notes.logged.filter((line) => line.trace_id === trace_id)
    t.deepEqual(
      told.map(({ level }) => level).filter((level) => level !== 'info'),
      ['warn'],
      fault,
    )
    t.true(
      told.some(({ err }) => err !== undefined),
      fault,
    )
  }
})

test('any other failure of a statement is a bug: 500', async (t) => {
  const response = await notes.call('/api/v1/faults/bug')
  t.is(response.headers.get('retry-after'), null)
  t.is((await problemOf(response)).code, 'internal-error')
})

/** How long anybody waits for a connection, and what becomes of one that no longer answers. */
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { passingFault } from '../../src/database/passing-fault.ts'
import { connectDatabase } from '../../src/database/connect.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { testDatabase, testDatabaseUrl } from '../support/database.ts'
import { until } from '../support/embedded.ts'
import { startNetwork } from '../faults/network.ts'

const log = createLogger({ level: 'silent' })

async function fails(work: Promise<unknown>): Promise<{ fault: unknown; ms: number }> {
  const began = performance.now()
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { fault: passingFault(error), ms: performance.now() - began }
}

test('while every connection is held, some wait for a moment, and then newcomers are refused at once', async (t) => {
  const { pool } = await testDatabase(t, { poolMax: 2 })
  const held = [await pool.connect(), await pool.connect()]
  const waiting = Array.from({ length: 4 }, () => fails(pool.query('select 1')))
  t.true(await until(() => pool.standingDelayMs() > 700))
  const refused = await fails(pool.query('select 1'))
  t.is(refused.fault, 'connection')
  t.true(refused.ms < 500)
  for (const { fault, ms } of await Promise.all(waiting)) {
    t.is(fault, 'connection')
    t.true(ms > 2_000 && ms < 10_000)
  }
  for (const client of held) client.release()
  t.is((await pool.query('select 1')).rowCount, 1)
  t.true(pool.standingDelayMs() < 200)
})

test('a queue that moves is no reason to refuse, however long it is at once', async (t) => {
  const { pool, knex } = await testDatabase(t, { poolMax: 2 })
  const answers = await Promise.all(Array.from({ length: 600 }, (_, n) => (n % 2 ? pool.query('select 1') : knex.raw('select 1')))) // prettier-ignore
  t.is(answers.length, 600)
})

test('the queue has an end', async (t) => {
  const { pool } = await testDatabase(t, { poolMax: 2 })
  const held = [await pool.connect(), await pool.connect()]
  const waiting = Array.from({ length: 1_000 }, () => fails(pool.query('select 1')))
  const refused = await fails(pool.query('select 1'))
  t.is(refused.fault, 'connection')
  for (const client of held) client.release()
  t.deepEqual(new Set((await Promise.all(waiting)).map(({ fault }) => fault)), new Set([undefined]))
})

test('a slow statement is left alone, one that the network swallowed ends within seconds', async (t) => {
  const url = await testDatabaseUrl(t)
  const network = await startNetwork(t, url)
  const db = await connectDatabase({ url: network.url, dataDirectory: '', poolMax: 3, log })
  t.teardown(() => db.close())
  const heard: string[] = []
  await db.listen('news', (payload) => void heard.push(payload))

  const slow = await fails(db.pool.query('select pg_sleep(6)'))
  t.is(slow.fault, undefined)
  t.true(slow.ms >= 6_000)

  // What is open already is swallowed in silence; what is new gets through.
  network.swallow('open')
  const lost = await fails(db.pool.query('select 1'))
  t.is(lost.fault, 'connection')
  t.true(lost.ms < 10_000)
  t.true(await until(() => heard.length > 0), 'the connection that listens is made anew, and tells it')
  t.deepEqual(heard, [''])

  network.swallow('everything')
  const [inTransaction, plain] = await Promise.all([
    fails(db.knex.transaction(async (trx) => void (await trx.raw('select 1')))),
    fails(db.pool.query('select 1')),
  ])
  t.deepEqual([inTransaction.fault, plain.fault], ['connection', 'connection'])
  t.true(Math.max(inTransaction.ms, plain.ms) < 15_000)
  network.heal()
  t.is((await db.pool.query('select 1')).rowCount, 1)
  await delay(0)
})

/** The rig itself: a race or a crash that it does not really make would prove nothing. */
import test, { type ExecutionContext } from 'ava'
import pg from 'pg'
import { testDatabaseUrl } from '../support/database.ts'
import { createBarrier, nthStatement } from './barrier.ts'
import { startDatabaseProxy, type DatabaseProxy } from './database-proxy.ts'

async function proxied(
  t: ExecutionContext,
): Promise<{ proxy: DatabaseProxy; direct: pg.Client; connect: () => Promise<pg.Client> }> {
  const url = await testDatabaseUrl(t)
  const proxy = await startDatabaseProxy(t, url)
  const connect = async (connectionString = proxy.url) => {
    const client = new pg.Client({ connectionString })
    client.on('error', () => undefined)
    await client.connect()
    t.teardown(() => client.end())
    return client
  }
  const direct = await connect(url)
  await direct.query('create table marks (mark text)')
  return { proxy, direct, connect }
}

async function marks(direct: pg.Client): Promise<string[]> {
  const { rows } = await direct.query<{ mark: string }>('select mark from marks')
  return rows.map(({ mark }) => mark)
}

const MARK = { name: 'mark', text: 'insert into marks values ($1)' }

test('it passes everything on, and says what it was, prepared statements too', async (t) => {
  const { proxy, connect, direct } = await proxied(t)
  const client = await connect()
  const messages = proxy.record()
  await client.query({ ...MARK, values: ['a'] })
  await client.query({ ...MARK, values: ['b'] })
  await client.query('select 1')
  t.deepEqual(await marks(direct), ['a', 'b'])
  t.is(messages.map(({ kind }) => kind).join(''), 'BDESBDESQ')
  t.deepEqual([...new Set(messages.map(({ statement }) => statement))], [MARK.text, 'select 1'])
  const long = 'x'.repeat(300_000)
  t.is((await client.query<{ long: string }>('select $1 as long', [long])).rows[0]?.long, long)
})

test('it speaks no TLS and says so', async (t) => {
  const { proxy } = await proxied(t)
  const client = new pg.Client({ connectionString: proxy.url, ssl: { rejectUnauthorized: false } })
  await t.throwsAsync(client.connect(), { message: /does not support SSL/ })
})

test('it delays each statement, not each message', async (t) => {
  const { proxy, connect } = await proxied(t)
  const client = await connect()
  proxy.delayMs = 200
  const began = performance.now()
  await client.query({ ...MARK, values: ['a'] })
  const took = performance.now() - began
  t.true(took >= 199 && took < 900, `${took} ms`)
})

test('it holds at a barrier what fits, and nothing else, until it is opened', async (t) => {
  const { proxy, connect, direct } = await proxied(t)
  const [one, two] = [await connect(), await connect()]
  const barrier = createBarrier((statement) => statement.startsWith('insert'))
  proxy.hold(barrier)
  const inserts = [one.query({ ...MARK, values: ['a'] }), two.query({ ...MARK, values: ['b'] })]
  await barrier.arrived(2)
  t.is((await direct.query('select 1')).rowCount, 1)
  t.deepEqual(await marks(direct), [])
  await barrier.open()
  await Promise.all(inserts)
  t.deepEqual((await marks(direct)).sort(), ['a', 'b'])
  await one.query({ ...MARK, values: ['c'] })
  t.is(barrier.held.length, 2)
})

test('it holds at a barrier what is done and not committed: its locks are held, and nobody sees it', async (t) => {
  const { proxy, connect, direct } = await proxied(t)
  const client = await connect()
  const barrier = createBarrier((statement) => statement.startsWith('insert'), 'commit')
  proxy.hold(barrier)
  const insert = client.query({ ...MARK, values: ['a'] })
  await barrier.arrived(1)
  t.deepEqual(await marks(direct), [])
  const { rows } = await direct.query(
    `select 1 from pg_locks where relation = 'marks'::regclass and pid <> pg_backend_pid()`,
  )
  t.is(rows.length, 1)
  await barrier.open()
  await insert
  t.deepEqual(await marks(direct), ['a'])
})

test('it lets go in a chosen order', async (t) => {
  const { proxy, connect, direct } = await proxied(t)
  const clients = [await connect(), await connect(), await connect()]
  const barrier = createBarrier((statement) => statement.startsWith('insert'))
  proxy.hold(barrier)
  const inserts: Promise<unknown>[] = []
  for (const [index, client] of clients.entries()) {
    inserts.push(client.query({ ...MARK, values: [`${index}`] }))
    await barrier.arrived(index + 1)
  }
  await barrier.open([2, 0, 1])
  await Promise.all(inserts)
  t.deepEqual(await marks(direct), ['2', '0', '1'])
})

test('a barrier that nobody reaches says so', async (t) => {
  await t.throwsAsync(createBarrier(() => true).arrived(1, 20), { message: /0 of 1/ })
})

test('it kills after exactly so many messages: before Sync nothing is kept, after it everything', async (t) => {
  for (const answer of ['withheld', 'delivered'] as const) {
    for (const messages of answer === 'withheld' ? [1, 2, 3, 4] : [0, 1, 2, 3, 4]) {
      const { proxy, connect, direct } = await proxied(t)
      const client = await connect()
      const recording = proxy.record()
      let killed = 0
      const kill = () => Promise.resolve(void (killed += 1))
      const death = proxy.killAfter({ messages, answer, kill })
      const heard = await client.query({ ...MARK, values: ['a'] }).then(
        () => true,
        () => false,
      )
      t.is(heard, answer === 'delivered' && messages === 4)
      if (heard) await t.throwsAsync(client.query('select 1'))
      await death.done
      t.is(killed, 1)
      t.true(death.happened)
      t.is(recording.length, messages)
      t.is((await marks(direct)).length, messages === 4 ? 1 : 0, `${answer} after ${messages}`)
    }
  }
})

test('a statement that the connection has prepared already takes as many messages as one that it has not', async (t) => {
  for (const isPrepared of [false, true]) {
    const { proxy, connect, direct } = await proxied(t)
    const client = await connect()
    if (isPrepared) await client.query({ ...MARK, values: ['a'] })
    const death = proxy.killAfter({ messages: 4, answer: 'withheld', kill: () => Promise.resolve() })
    await t.throwsAsync(client.query({ ...MARK, values: ['b'] }))
    await death.done
    t.deepEqual(await marks(direct), isPrepared ? ['a', 'b'] : ['b'])
  }
})

test('an open transaction is lost when its connection is cut before COMMIT', async (t) => {
  for (const [messages, kept] of [
    [2, 0],
    [3, 1],
  ] as const) {
    const { proxy, connect, direct } = await proxied(t)
    const client = await connect()
    await client.query('select 1')
    const death = proxy.killAfter({
      messages,
      answer: 'withheld',
      from: (statement) => statement === 'begin',
      kill: () => Promise.resolve(),
    })
    await client.query('select 2')
    const work = async () => {
      await client.query('begin')
      await client.query(`insert into marks values ('a')`)
      await client.query('commit')
    }
    await t.throwsAsync(work())
    await death.done
    t.is((await marks(direct)).length, kept)
  }
})

test('the n-th statement is held, once', async (t) => {
  const { proxy, connect } = await proxied(t)
  const client = await connect()
  const barrier = nthStatement(2)
  proxy.hold(barrier)
  await client.query('select 1')
  const second = client.query('select 2')
  await barrier.arrived(1)
  t.deepEqual(barrier.held, ['select 2'])
  await barrier.open()
  await second
  t.is((await client.query('select 3')).rowCount, 1)
})

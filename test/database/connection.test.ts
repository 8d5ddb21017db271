import { createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { DatabaseError } from '../../src/database/error.ts'
import { inTransaction } from '../../src/database/transaction.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { administer, testDatabase, testDatabaseUrl, type TestDatabase } from '../support/database.ts'
import { postmasterOf, scratch, until } from '../support/embedded.ts'

const log = createLogger({ level: 'silent' })

test('closing waits for the work that is under way and does not hang', async (t) => {
  const database = await connect(t, await testDatabaseUrl(t))
  const results: string[] = []
  const work = Array.from({ length: 2 }, () =>
    database.knex
      .transaction(async (trx) => {
        await trx.raw('select pg_sleep(0.3)')
        await trx.raw('select 1')
      })
      .then(
        () => results.push('done'),
        () => results.push('refused'),
      ),
  )
  await new Promise((resolve) => setTimeout(resolve, 100))
  await database.close()
  await Promise.all(work)
  t.deepEqual(results, ['done', 'done'])
})

/** Cuts every connection to the database, as a restart or a failover does. */
async function cutAll({ url }: TestDatabase): Promise<void> {
  const name = /\/(test_\w+)/.exec(url)![1]!
  await administer(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
}

async function connect(t: ExecutionContext, url: string): Promise<Database> {
  const database = await connectDatabase({ url, dataDirectory: '', poolMax: 2, log, patienceMs: 200 })
  t.teardown(() => database.close())
  return database
}

/** Resolves with the next payload. */
function mailbox(): { received: string[]; put: (payload: string) => void; next: () => Promise<boolean> } {
  const received: string[] = []
  let seen = 0
  return {
    received,
    put: (payload) => void received.push(payload),
    next: () => until(() => received.length > seen).then((arrived) => ((seen = received.length), arrived)),
  }
}

test('bigint comes as a number, timestamptz as a Date, on both ways', async (t) => {
  const db = await testDatabase(t)
  const text = `select 9007199254740991::bigint as big, array[1, null]::bigint[] as bigs, '{}'::bigint[] as none, '2030-01-02T03:04:05Z'::timestamptz as at`
  const expected = [{ big: 9_007_199_254_740_991, bigs: [1, null], none: [], at: new Date('2030-01-02T03:04:05Z') }]
  t.deepEqual((await db.pool.query(text)).rows, expected)
  t.deepEqual((await db.knex.raw<{ rows: unknown[] }>(text)).rows, expected)
})

test('a statement, and a transaction that idles, end by themselves', async (t) => {
  const db = await testDatabase(t)
  const limit = async (name: string): Promise<unknown> => (await db.pool.query(`show ${name}`)).rows[0]
  t.deepEqual(await limit('statement_timeout'), { statement_timeout: '15s' })
  t.deepEqual(await limit('idle_in_transaction_session_timeout'), { idle_in_transaction_session_timeout: '10s' })
  t.deepEqual(await limit('application_name'), { application_name: 'grantry' })
})

test('knex and the pool share their connections', async (t) => {
  const db = await testDatabase(t, { poolMax: 3 })
  const pid = 'select pg_backend_pid() as pid, pg_sleep(0.02)'
  const answers = await Promise.all(
    Array.from(
      { length: 12 },
      (_, index) => (index % 2 ? db.knex.raw(pid) : db.pool.query(pid)) as Promise<{ rows: { pid: number }[] }>,
    ),
  )
  t.is(new Set(answers.map(({ rows }) => rows[0]!.pid)).size, 3)
})

test('lost connections are survived: queries run again, listeners listen again and are told to read again', async (t) => {
  const db = await testDatabase(t)
  const box = mailbox()
  await db.listen('news', box.put)
  await db.notify('news', 'one')
  t.true(await box.next())

  const busy = t.throwsAsync(db.pool.query('select pg_sleep(10)'))
  const between = t.throwsAsync(
    db.knex.transaction(async (trx) => {
      await trx.raw('select 1')
      await cutAll(db)
      await trx.raw('select 1')
    }),
  )
  await Promise.all([busy, between])

  t.deepEqual((await db.knex.raw<{ rows: unknown[] }>('select 1 as answer')).rows, [{ answer: 1 }])
  t.deepEqual((await db.pool.query('select 1 as answer')).rows, [{ answer: 1 }])
  t.true(await box.next())
  await db.notify('news', 'two')
  t.true(await box.next())
  t.deepEqual(box.received, ['one', '', 'two'])
})

test('a connection lost while it idles in a transaction does not end the process', async (t) => {
  const db = await testDatabase(t)
  const client = await db.pool.connect()
  await client.query('begin')
  const lost = new Promise((resolve) => client.once('end', resolve))
  await cutAll(db)
  await lost
  await t.throwsAsync(client.query('select 1'))
  client.release()
  t.deepEqual((await db.pool.query('select 1 as answer')).rows, [{ answer: 1 }])
})

test('each listener hears its own channel until it ends', async (t) => {
  const db = await testDatabase(t)
  const [first, second, other] = [mailbox(), mailbox(), mailbox()]
  const end = await db.listen('a', first.put)
  await db.listen('a', second.put)
  await db.listen('b "quoted"', other.put)
  await db.notify('a', 'x')
  t.true((await first.next()) && (await second.next()))
  await end()
  await db.notify('a', 'y')
  await db.notify('b "quoted"')
  t.true((await second.next()) && (await other.next()))
  t.deepEqual([first.received, second.received, other.received], [['x'], ['x', 'y'], ['']])
})

test('a listener that throws takes nobody else along', async (t) => {
  const db = await testDatabase(t)
  const box = mailbox()
  await db.listen('a', () => {
    throw new Error('mine alone')
  })
  await db.listen('a', box.put)
  await db.notify('a', 'x')
  t.true(await box.next())
})

test('a NOTIFY inside a transaction is heard when it commits, and not when it does not', async (t) => {
  const db = await testDatabase(t)
  const box = mailbox()
  await db.listen('a', box.put)
  await t.throwsAsync(
    db.knex.transaction(async (trx) => {
      await trx.raw(`select pg_notify('a', 'undone')`)
      throw new Error('no')
    }),
  )
  await db.knex.transaction(async (trx) => trx.raw(`select pg_notify('a', 'done')`))
  t.true(await box.next())
  t.deepEqual(box.received, ['done'])
})

test('closing twice is closing once, and cuts nothing short', async (t) => {
  const db = await connect(t, await testDatabaseUrl(t))
  await db.listen('a', () => undefined)
  const [answer] = await Promise.all([db.pool.query('select pg_sleep(0.05), 1 as answer'), db.close(), db.close()])
  t.is((answer.rows[0] as { answer: number }).answer, 1)
  await t.throwsAsync(db.pool.query('select 1'))
})

test('an unreachable database is named in one line, its password is not', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => silent.once('listening', resolve))
  const { port } = silent.address() as AddressInfo
  await new Promise((resolve) => silent.close(resolve))
  const error = await t.throwsAsync(connect(t, `postgresql://me:hunter2@127.0.0.1:${port}/shop`), {
    instanceOf: DatabaseError,
  })
  t.is(error!.message, `cannot use the database 127.0.0.1:${port}/shop: nothing answers there (connection refused)`)
})

test('a wrong user or password is refused at once, without the password', async (t) => {
  const url = await testDatabaseUrl(t)
  const begun = Date.now()
  const wrong = url.replace(/\/\/[^@/]*@/, '//stranger:hunter2@')
  const error = await t.throwsAsync(
    connectDatabase({ url: wrong, dataDirectory: '', poolMax: 1, log, patienceMs: 60_000 }),
  )
  t.regex(error!.message, /password authentication failed|role "stranger" does not exist/)
  t.notRegex(error!.message, /hunter2|\n/)
  t.true(Date.now() - begun < 30_000)
})

test('what is no connection string is refused, and not repeated', async (t) => {
  for (const url of ['hunter2', 'mysql://me:hunter2@db/shop', 'postgresql://me:hunter2@db:port/shop']) {
    const error = await t.throwsAsync(connect(t, url), { instanceOf: DatabaseError })
    t.regex(error!.message, /^DATABASE_URL is no connection string/)
    t.notRegex(error!.message, /hunter2/)
  }
})

test('a database that is only just starting is waited for', async (t) => {
  const server = await oldServer(t, '160000', { refuseFirst: 2 })
  const database = await connectDatabase({ url: server, dataDirectory: '', poolMax: 1, log })
  await database.close()
  t.pass()
})

test('PostgreSQL older than 15 is refused', async (t) => {
  const error = await t.throwsAsync(connect(t, await oldServer(t, '140012')), { instanceOf: DatabaseError })
  t.regex(error!.message, /is PostgreSQL 14: Grantry needs 15 or newer/)
})

test('without a URL it brings its own PostgreSQL, which survives being killed and goes when it is closed', async (t) => {
  const dataDirectory = scratch(t)
  const db = await connectDatabase({ dataDirectory, poolMax: 2, log })
  t.teardown(() => db.close())
  const box = mailbox()
  await db.listen('a', box.put)
  const pid = postmasterOf(join(dataDirectory, 'postgres'))!
  process.kill(pid, 'SIGKILL')
  t.true(await box.next(), 'it listens again')
  t.true(await until(() => db.pool.query('select 1').then(Boolean, () => false)))
  t.not(postmasterOf(join(dataDirectory, 'postgres')), pid)
  await db.close()
  t.is(postmasterOf(join(dataDirectory, 'postgres')), undefined)
})

test('a transaction that loses against a concurrent one is run again, any other error is thrown on', async (t) => {
  const db = await testDatabase(t)
  await db.knex.raw(
    'create table counters (id int primary key, value int not null); insert into counters values (1, 0), (2, 0)',
  )
  // Each takes the two rows in the other's order, which PostgreSQL can only resolve by undoing one.
  let runs = 0
  const bothHold = new Promise<void>((resolve) => void until(() => runs >= 2).then(() => resolve()))
  const crosswise = (first: number, second: number): Promise<void> =>
    inTransaction(db, async (trx) => {
      await trx.raw(`set local deadlock_timeout = '20ms'`)
      await trx('counters').where({ id: first }).increment('value')
      runs += 1
      await bothHold
      await trx('counters').where({ id: second }).increment('value')
    })
  await Promise.all([crosswise(1, 2), crosswise(2, 1)])
  t.deepEqual(await db.knex('counters').orderBy('id').pluck('value'), [2, 2])
  t.is(runs, 3)

  const failing = inTransaction(db, async (trx) => {
    await trx('counters').update({ value: 99 })
    throw new Error('mine')
  })
  await t.throwsAsync(failing, { message: 'mine' })
  t.deepEqual(await db.knex('counters').pluck('value'), [2, 2])
})

/** A server that only tells its version, in PostgreSQL's wire protocol, after it has sent some away as "starting up". */
async function oldServer(t: ExecutionContext, version: string, { refuseFirst = 0 } = {}): Promise<string> {
  const message = (type: string, ...parts: (Buffer | string)[]): Buffer => {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
    const head = Buffer.alloc(5)
    head.write(type)
    head.writeInt32BE(body.length + 4, 1)
    return Buffer.concat([head, body])
  }
  const ready = message('Z', 'I')
  const column = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 255, 255, 255, 255, 0, 0])
  const row = Buffer.from([0, 1, 0, 0, 0, version.length])
  const answer = [
    message('T', Buffer.from([0, 1]), 'version\0', column),
    message('D', row, version),
    message('C', 'SELECT 1\0'),
    ready,
  ]
  let refused = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    socket.once('data', () => {
      if (refused++ < refuseFirst)
        return socket.end(message('E', 'SFATAL\0C57P03\0Mthe database system is starting up\0\0'))
      socket.write(Buffer.concat([message('R', Buffer.alloc(4)), ready]))
      return socket.on('data', (data) => (data[0] === 0x51 ? socket.write(Buffer.concat(answer)) : socket.end()))
    })
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `postgresql://me@127.0.0.1:${(server.address() as AddressInfo).port}/old`
}

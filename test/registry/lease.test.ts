/** While somebody holds a lease nothing changes; and what was changed is seen by everybody from the commit on. */
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type pg from 'pg'
import { createActiveClients } from '../../src/registry/clients/active-clients.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { createLease, type Lease } from '../../src/registry/clients/lease.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { createResource } from '../../src/registry/resources/create.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

const actor = 'cli'
const endings: (() => unknown)[] = []
let db: TestDatabase
/** Another instance's. */
let other: Database

test.before(async () => {
  db = await testDatabase({ teardown: (ending) => void endings.unshift(ending) })
  const log = createLogger({ level: 'silent' })
  other = await connectDatabase({ url: db.url, dataDirectory: '', poolMax: 5, log })
  endings.unshift(() => other.close())
})
test.after.always(async () => {
  for (const ending of endings) await ending()
})

const newClient = async (name = 'A service') =>
  (await createClient(db.knex, { kind: 'service', name, access: [], actor })).client.id

/** The pool with a list of the names of what was asked. */
function recorded(pool: pg.Pool): { pool: pg.Pool; sent: string[] } {
  const sent: string[] = []
  const query = (config: pg.QueryConfig & { name: string }) => {
    sent.push(config.name)
    return pool.query(config)
  }
  return { pool: { query } as unknown as pg.Pool, sent }
}

const take = (pool: pg.Pool, lasting: string) =>
  pool
    .query<{ taken: boolean }>('select take_client_lease($1) is not null as taken', [lasting])
    .then(({ rows }) => rows[0]?.taken)

/** As often as makes a lease worth taking. */
const wantOften = (lease: Lease) => Array.from({ length: 12 }, () => lease.want()).at(-1)

/** A pool that answers when it is told to. */
function slowPool(answers: (string | null)[]) {
  const asked: ((changes: string | null) => void)[] = []
  const query = () => {
    const said = answers.shift()
    if (said !== undefined) return Promise.resolve({ rows: [{ changes: said }] })
    return new Promise((resolve) => asked.push((changes) => resolve({ rows: [{ changes }] })))
  }
  return { pool: { query } as unknown as pg.Pool, asked }
}

test.serial('who asks often takes a lease, and then asks nothing more', async (t) => {
  const id = await newClient()
  const { pool, sent } = recorded(db.pool)
  const clients = createActiveClients({ pool })
  const first = await clients.find(id)
  const looks: unknown[] = []
  for (const end = performance.now() + 600; performance.now() < end;) looks.push(await clients.find(id))
  t.true(looks.every((client) => client === first))
  const count = (name: string) => sent.filter((one) => one === name).length
  t.true(looks.length > 500, `${looks.length} looks`)
  t.true(count('stamps-of-clients') < 100, `${count('stamps-of-clients')} statements`)
  t.true(count('take_client_lease') <= 15, `${count('take_client_lease')} leases`)
})

test.serial('who asks seldom takes none, and nobody waits for it', async (t) => {
  await delay(300)
  const id = await newClient()
  const { pool, sent } = recorded(db.pool)
  const clients = createActiveClients({ pool })
  for (let look = 0; look < 8; look += 1) await clients.find(id)
  t.false(sent.includes('take_client_lease'))
  const { rows } = await db.pool.query('select 1 from client_leases where ends_at > now()')
  t.is(rows.length, 0)
})

test.serial('a change waits until the lease is over, and while it waits nobody gets another', async (t) => {
  const id = await newClient()
  const began = performance.now()
  t.true(await take(other.pool, '400 milliseconds'))
  const changed = updateClient(db.knex, id, { name: 'Changed' }, { actor })
  await delay(150)
  t.false(await take(other.pool, '1 second'), 'a change is about to be committed')
  await changed
  t.true(performance.now() - began >= 395)
  t.true(await take(other.pool, '1 millisecond'))
})

test.serial('no lease lasts longer than a second, whatever is asked for', async (t) => {
  const audience = 'https://orders.example.com'
  await createResource(db.knex, { audience, name: 'Orders', scopes: [], actor })
  t.true(await take(other.pool, '1 hour'))
  const began = performance.now()
  await updateResource(db.knex, audience, { accessTokenTtl: 60 }, { actor })
  const took = performance.now() - began
  t.true(took > 800 && took < 3_000, `${took} ms`)
})

test.serial('many changes in one transaction wait once; one that is undone leaves nothing behind', async (t) => {
  const ids = await Promise.all([newClient(), newClient(), newClient()])
  t.true(await take(other.pool, '300 milliseconds'))
  const began = performance.now()
  await db.knex.transaction(async (trx) => {
    for (const id of ids) await updateClient(trx, id, { name: 'Together' }, { actor })
    await trx('clients').whereIn('id', ids).update({ name: 'All' })
  })
  const took = performance.now() - began
  t.true(took < 900, `${took} ms`)

  const trx = await db.knex.transaction()
  await trx('clients').where({ id: ids[0] }).update({ name: 'Never' })
  await trx.raw('set constraints all immediate')
  t.false(await take(other.pool, '1 millisecond'))
  await trx.rollback()
  t.true(await take(other.pool, '1 millisecond'))
})

test.serial('a transaction that sees an old state waits as long as any lease may last', async (t) => {
  const id = await newClient()
  const trx = await db.knex.transaction({ isolationLevel: 'repeatable read' })
  await trx('clients').where({ id }).first()
  t.true(await take(other.pool, '500 milliseconds'))
  const began = performance.now()
  for (const name of ['Changed', 'Again', 'And again']) await trx('clients').where({ id }).update({ name })
  await trx.commit()
  const took = performance.now() - began
  t.true(took > 950 && took < 2_000, `${took} ms`)
})

test.serial(
  'under constant look-ups on two instances, none that began after the commit sees what was before',
  async (t) => {
    const id = await newClient('Round 0')
    const { pool, sent } = recorded(other.pool)
    const instances = [createActiveClients({ pool: db.pool }), createActiveClients({ pool })]
    let [committed, isOver] = [0, false]
    let looks = 0
    const look = async (clients: (typeof instances)[number]) => {
      while (!isOver) {
        const least = committed
        const client = await clients.find(id)
        const round = Number(client?.name.split(' ')[1])
        if (!(round >= least)) throw new Error(`${client?.name} after round ${least} was committed`)
        looks += 1
        if (looks % 50 === 0) await delay(1)
      }
    }
    const looking = instances.flatMap((clients) => [look(clients), look(clients), look(clients)])
    for (let round = 1; round <= 12; round += 1) {
      await updateClient(db.knex, id, { name: `Round ${round}` }, { actor })
      committed = round
      // Sometimes within a lease, sometimes before there is a new one.
      await delay((round % 4) * 25)
    }
    isOver = true
    await Promise.all(looking)
    t.true(sent.filter((name) => name === 'take_client_lease').length > 3)
    t.true(looks > 2_000, `${looks} looks`)
  },
)

test.serial('what was read across the end of a lease counts for neither', async (t) => {
  const id = await newClient()
  let clock = 0
  let stamps = 0
  let held: Promise<unknown> | undefined
  const query = async (config: pg.QueryConfig & { name: string }) => {
    if (config.name === 'take_client_lease') return { rows: [{ changes: '7' }] }
    const answer = await db.pool.query(config)
    if (config.name === 'stamps-of-clients') {
      stamps += 1
      await held
    }
    return answer
  }
  const [pool, now] = [{ query } as unknown as pg.Pool, () => clock]
  const clients = createActiveClients({ pool, now, lease: createLease({ pool, now, wall: now }) })
  for (let look = 0; look < 14; look += 1) await clients.find(id)
  const before = stamps
  await clients.find(id)
  t.is(stamps, before, 'within a lease')

  const { promise, resolve } = Promise.withResolvers<undefined>()
  const nextLease = async (at: number) => {
    clock = at
    for (let look = 0; look < 14; look += 1) await clients.find('cli_aaaaaaaaaaaaaaaaaaaaaaaaaa')
  }
  await nextLease(500)
  held = promise
  const across = clients.find(id)
  await delay(20)
  await nextLease(1_000)
  resolve(undefined)
  t.is((await across)?.id, id)
  const asked = stamps
  await clients.find(id)
  t.is(stamps, asked + 1, 'asked again')
})

test('a lease that was renewed in time is the same time; one that came too late begins another', async (t) => {
  let clock = 0
  const { pool, asked } = slowPool(['7'])
  const lease = createLease({ pool, now: () => clock, wall: () => clock })
  t.is(wantOften(lease), undefined)
  await delay(1)
  const first = lease.current()
  t.is(typeof first, 'number')
  clock = 120
  t.is(wantOften(lease), first)
  asked.shift()!('7')
  await delay(1)
  clock = 270
  t.is(wantOften(lease), first, 'trusted from when the renewal was asked for')
  clock = 320
  asked.shift()!('7')
  await delay(1)
  t.not(wantOften(lease), first, 'the answer came after the end')
})

/** A lease that was taken at 0 as of change 7, and whose renewal was asked for at that time and is not answered yet. */
async function renewedAt(ms: number) {
  const time = { now: 0 }
  const { pool, asked } = slowPool(['7'])
  const lease = createLease({ pool, now: () => time.now, wall: () => time.now })
  wantOften(lease)
  await delay(1)
  const first = wantOften(lease)
  time.now = ms
  wantOften(lease)
  return { time, asked, lease, first }
}

test('a lease that comes with another number of changes is another time, whatever the clocks say', async (t) => {
  const { asked, lease, first } = await renewedAt(120)
  asked.shift()!('8')
  await delay(1)
  t.not(wantOften(lease), first)
  t.not(wantOften(lease), undefined)
})

test.serial(
  'after a crash, which takes the table, and with a clock that was set back, a change waits a second',
  async (t) => {
    const id = await newClient()
    const timed = async () => {
      const began = performance.now()
      await updateClient(db.knex, id, { name: `At ${began}` }, { actor })
      return performance.now() - began
    }
    await timed()
    for (const statement of [
      'truncate client_leases',
      `update client_leases set ends_at = now() + interval '1 hour'`,
    ]) {
      await db.knex.raw(statement)
      const took = await timed()
      t.true(took > 950 && took < 3_000, `${statement}: ${took} ms`)
      t.true(await take(other.pool, '1 millisecond'))
      t.true((await timed()) < 900, 'the next does not')
    }
  },
)

test('a machine that slept has no lease, though its own clock stood still', async (t) => {
  let wall = 0
  const lease = createLease({ pool: slowPool(['7']).pool, now: () => 0, wall: () => wall })
  wantOften(lease)
  await delay(1)
  t.not(lease.current(), undefined)
  wall = 60_000
  t.is(lease.current(), undefined)
})

test('a refusal, and a database that fails, leave the lease to its end', async (t) => {
  const { time, asked, lease, first } = await renewedAt(150)
  asked.shift()!(null)
  await delay(1)
  t.is(lease.current(), first)
  time.now = 161
  t.is(wantOften(lease), undefined)
})

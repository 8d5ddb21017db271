import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createElection } from '../../src/database/election.ts'
import { HistoryGoneError, openEventFeed, UnknownPositionError, type EventFeed } from '../../src/events/feed.ts'
import { putInOrder, startOrdering } from '../../src/events/order.ts'
import { appendEvent } from '../../src/events/outbox.ts'
import { sweepEvents } from '../../src/events/retention.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { until } from '../support/embedded.ts'

const log = createLogger({ level: 'silent' })

/** Another instance on the same database. */
async function instance(t: { teardown(end: () => unknown): void }, { url }: TestDatabase): Promise<Database> {
  const db = await connectDatabase({ url, dataDirectory: '', poolMax: 5, log })
  t.teardown(() => db.close())
  return db
}

async function running(t: { teardown(end: () => unknown): void }, db: Database): Promise<EventFeed> {
  const ordering = await startOrdering({ db, log })
  const feed = await openEventFeed({ db, log })
  t.teardown(async () => {
    await ordering.stop()
    await feed.close()
  })
  return feed
}

/** Follows the feed as every consumer does, until it has seen so many events. */
async function follow(feed: EventFeed, count: number, from = 0): Promise<string[]> {
  const subjects: string[] = []
  let position = from
  const deadline = Date.now() + 20_000
  while (subjects.length < count && Date.now() < deadline) {
    const page = await feed.read(position, { limit: 100 })
    subjects.push(...page.events.map(({ subject }) => subject ?? ''))
    position = page.upTo
    if (page.events.length === 0) await feed.wait(position, { ms: 1000 })
  }
  return subjects
}

const updated = (subject: string) => ({ type: 'user.updated', subject, data: { fields: [] } }) as const
const write = (db: Database, subject: string) => appendEvent(db.knex, updated(subject))

test('an event whose transaction ends late is neither jumped over nor does it hold up those after it', async (t) => {
  const db = await testDatabase(t)
  const feed = await running(t, db)
  const slow = await db.knex.transaction()
  await appendEvent(slow, updated('late'))
  await write(db, 'soon')
  t.deepEqual(await follow(feed, 1), ['soon'])
  await slow.commit()
  t.deepEqual(await follow(feed, 2), ['soon', 'late'])
})

test('what was rolled back is never told, and leaves no hole', async (t) => {
  const db = await testDatabase(t)
  const feed = await running(t, db)
  const undone = await db.knex.transaction()
  await appendEvent(undone, updated('undone'))
  await undone.rollback()
  await write(db, 'done')
  t.deepEqual(await follow(feed, 1), ['done'])
  t.deepEqual(
    (await feed.read(0, { limit: 10 })).events.map(({ position }) => position),
    [1],
  )
})

test('readers on two instances see every event of both once and in one order, while both write', async (t) => {
  const db = await testDatabase(t)
  const [one, other] = [db, await instance(t, db)]
  const feeds = [await running(t, one), await running(t, other)]
  const writers = [one, other].flatMap((writer, w) =>
    Array.from({ length: 4 }, async (_, c) => {
      for (let n = 0; n < 25; n++) {
        await writer.knex.transaction(async (trx) => {
          await appendEvent(trx, updated(`${w}.${c}.${n}`))
          if (n % 5 === 0) await delay(Math.random() * 10)
        })
      }
    }),
  )
  const [[first, second]] = await Promise.all([Promise.all(feeds.map((feed) => follow(feed, 200))), ...writers])
  t.is(new Set(first).size, 200)
  t.deepEqual(first, second)
})

test('putting in order twice at once gives every event one position', async (t) => {
  const db = await testDatabase(t)
  for (let n = 0; n < 30; n++) await write(db, String(n))
  const placed = await Promise.all(Array.from({ length: 5 }, () => putInOrder(db.pool)))
  t.is(
    placed.reduce((sum, n) => sum + n),
    30,
  )
  const positions: number[] = await db.knex('events').orderBy('id').pluck('position')
  t.deepEqual(
    positions,
    Array.from({ length: 30 }, (_, n) => n + 1),
  )
})

test('of two instances one comes for every event, and when it is gone the other does', async (t) => {
  const db = await testDatabase(t)
  const asked = [0, 0]
  const orderings = await Promise.all(
    [db, await instance(t, db)].map(async (own, index) => {
      const election = createElection({ db: own, log })
      t.teardown(() => election.close())
      const query = async () => {
        asked[index]! += 1
        // As a text of several statements is answered; anything else is a fault, after which it pauses.
        return [await own.pool.query('select 0 as placed')]
      }
      const counted = { ...own, pool: { query } } as unknown as Database
      return startOrdering({ db: counted, log, election })
    }),
  )
  // Both look at the beginning.
  await until(() => asked.every((times) => times > 0) && Math.max(...asked) > 1)
  /** How often each comes for ten events, and how often at most by time alone. */
  const came = async (): Promise<{ times: number[]; byTime: number }> => {
    const before = [...asked]
    const began = performance.now()
    for (let n = 0; n < 10; n += 1) {
      const sum = asked[0]! + asked[1]!
      await write(db, String(n))
      await until(() => asked[0]! + asked[1]! > sum)
    }
    const byTime = (performance.now() - began) / 1000 + 1
    return { times: asked.map((times, index) => times - before[index]!), byTime }
  }
  const first = await came()
  const leader = first.times[0]! > first.times[1]! ? 0 : 1
  const other = 1 - leader
  t.true(first.times[other]! <= first.byTime, JSON.stringify(first))
  t.true(first.times[leader]! >= 10 - first.times[other]!)
  await orderings[leader]!.stop()
  const sum = asked[other]!
  await until(() => asked[other]! > sum)
  const second = await came()
  t.is(second.times[leader], 0)
  t.true(second.times[other]! >= 10)
  await orderings[other]!.stop()
})

test('a reader who was away for longer than events are kept is told so; one from the future too', async (t) => {
  const db = await testDatabase(t)
  for (let n = 0; n < 5; n++) await write(db, String(n))
  await putInOrder(db.pool)
  await db
    .knex('events')
    .where('position', '<=', 3)
    .update({ at: db.knex.raw(`now() - interval '2 days'`) })
  // Old, but behind a young one: it stays, so that what is left has no hole.
  await db
    .knex('events')
    .where({ position: 5 })
    .update({ at: db.knex.raw(`now() - interval '2 days'`) })
  t.is(await sweepEvents(db, { keepSeconds: 86_400, batch: 2 }), 2)
  t.is(await sweepEvents(db, { keepSeconds: 86_400, batch: 2 }), 1)
  t.is(await sweepEvents(db, { keepSeconds: 86_400, batch: 2 }), 0)
  const feed = await running(t, db)
  t.deepEqual((await feed.read(3, { limit: 10 })).upTo, 5)
  const gone = await t.throwsAsync(feed.read(1, { limit: 10 }), { instanceOf: HistoryGoneError })
  t.is(gone?.oldest, 4)
  await t.throwsAsync(feed.read(6, { limit: 10 }), { instanceOf: UnknownPositionError })
})

test('waiting ends with an event, with its time or with its signal, and never misses what came between', async (t) => {
  const db = await testDatabase(t)
  const feed = await running(t, db)
  t.false(await feed.wait(0, { ms: 20 }))
  const stopped = new AbortController()
  const aborted = feed.wait(0, { ms: 20_000, signal: stopped.signal })
  stopped.abort()
  t.false(await aborted)
  const waiting = feed.wait(0, { ms: 20_000 })
  await write(db, 'now')
  t.true(await waiting)
  t.true(await feed.wait(0, { ms: 20_000 }))
})

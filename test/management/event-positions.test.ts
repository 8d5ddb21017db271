/** Where a reader of events may begin, and how each event says where it stands. */
import test from 'ava'
import { sweepEvents } from '../../src/events/retention.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { startManagement, type Caller, type Management } from '../support/management.ts'

interface EventPage {
  data: { subject: string; at: string; cursor: string }[]
  pagination: { next_cursor: string }
  links: { next: string }
}

let management: Management
let admin: Caller
const ends: (() => unknown)[] = []
const made: string[] = []

test.serial.before(async () => {
  management = await startManagement({ teardown: (end) => void ends.push(end) })
  admin = await management.withKey(...managementScopes)
  for (const name of ['first', 'second', 'third']) {
    const { body } = await admin('POST', '/clients', { body: { kind: 'service', name } })
    made.push((body as { id: string }).id)
  }
})
test.after.always(async () => {
  for (let end = ends.pop(); end; end = ends.pop()) await end()
})

async function read(query: string): Promise<EventPage> {
  const { status, body } = await admin('GET', `/events?types=client.created&${query}`, {
    headers: { prefer: 'wait=5' },
  })
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body as EventPage
}

/** All of ours, when they have their places. */
async function events(): Promise<EventPage['data']> {
  for (let after = '0', found: EventPage['data'] = []; ;) {
    const page = await read(`after=${after}`)
    found = [...found, ...page.data]
    if (found.length >= made.length) return found
    after = page.pagination.next_cursor
  }
}

const subjects = ({ data }: EventPage) => data.map(({ subject }) => subject)

test.serial('each event has its own cursor, and reading goes on right behind it', async (t) => {
  const all = await events()
  t.deepEqual(
    all.map(({ subject }) => subject),
    made,
  )
  t.deepEqual(subjects(await read(`after=${all[0]!.cursor}`)), made.slice(1))
  t.deepEqual(subjects(await read(`after=${all[1]!.cursor}`)), made.slice(2))
})

test.serial('a reader may begin at a time: nothing of that time or later is left out', async (t) => {
  const all = await events()
  const page = await read(`since=${all[1]!.at}`)
  t.deepEqual(subjects(page), made.slice(1))
  t.false(page.links.next.includes('since'))
  t.deepEqual(subjects(await read('since=2001-01-01T00:00:00Z')), made, 'as far as it is kept')
  const later = encodeURIComponent(new Date(Date.now() + 60_000).toISOString())
  const { body } = await admin('GET', `/events?since=${later}`)
  const now = await admin('GET', '/events?after=latest')
  t.deepEqual((body as EventPage).pagination.next_cursor, (now.body as EventPage).pagination.next_cursor)
})

test.serial('a time that is none, or a time beside a cursor, is refused by name', async (t) => {
  for (const query of ['since=yesterday', 'since=2030-01-31T12:00:00Z&after=0']) {
    t.like((await admin('GET', `/events?${query}`)).body, { status: 400, errors: [{ parameter: 'since' }] })
  }
})

test.serial('who comes back after the events were swept is told the cursor to go on from', async (t) => {
  const { db } = management.server
  // More than a process remembers.
  await db.knex.raw(
    `insert into events (type, data) select 'key.removed', '{"alg":"RS256"}' from generate_series(1, 1100)`,
  )
  for (let last = 0; last < 1100;) {
    const { body } = await admin('GET', '/events?after=latest')
    last = Number((body as EventPage).pagination.next_cursor)
  }
  await db.knex('events').update({ at: new Date('2001-01-01') })
  await sweepEvents(db, { keepSeconds: 60, batch: 5000 })
  const { status, body } = await admin('GET', '/events?after=0')
  t.is(status, 410)
  t.regex((body as { type: string }).type, /history-gone$/)
  const { oldest_cursor: cursor } = body as { oldest_cursor: string }
  t.is((await admin('GET', `/events?after=${cursor}`)).status, 200)
})

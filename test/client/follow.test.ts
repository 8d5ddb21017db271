/** Following events: nothing is lost and nothing told twice, whatever happens to the connection, the server or the token. */
import test, { type ExecutionContext } from 'ava'
import pg from 'pg'
import {
  createGrantryClient,
  DeadlineError,
  HistoryGoneError,
  NetworkError,
  ProblemError,
  type Followed,
  type FollowOptions,
  type GrantryClient,
} from '../../src/client/index.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { startAuthServer } from '../support/auth-server.ts'
import { testDatabaseUrl } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { fc } from '../support/property.ts'
import { feedServer, forbidden, historyGone, passage, send, unauthorized, type Fault } from './feed-server.ts'
import { answer, clientOf, half, halfChunked, reset } from './misbehaving-server.ts'

/** Takes events until there are so many. */
async function take(client: GrantryClient, count: number, options: FollowOptions): Promise<Followed[]> {
  const taken: Followed[] = []
  if (count === 0) return taken
  for await (const one of client.followEvents(options)) {
    taken.push(one)
    if (taken.length === count) break
  }
  return taken
}

const cursors = (taken: readonly Followed[]) => taken.map(({ cursor }) => Number(cursor))
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

const FAULTS: Record<string, Fault | undefined> = {
  none: undefined,
  reset,
  half: half(),
  halfChunked,
  'half a JSON': answer(200, '{"data":[{"id":"evt_', { 'content-type': 'application/json' }),
  "a proxy's page": answer(200, '<html>', { 'content-type': 'text/html' }),
  'bad gateway': answer(502, '<html>'),
  'too many': answer(429, {}, { 'retry-after': '2' }),
  unavailable: answer(503, {}, { 'retry-after': '1' }),
  'no page': (response) => send(response, { data: [{ id: 'evt_1' }], pagination: { next_cursor: '99' } }),
  'the same page again': (response, { url = '' }) => {
    const after = new URL(url, 'http://feed').searchParams.get('after')
    send(response, { data: [], pagination: { next_cursor: after, has_more: true } })
  },
}

test('whatever fails in whatever order, each event is told once, in order', async (t) => {
  const server = await feedServer(t)
  server.tell(20)
  const names = fc.array(fc.constantFrom(...Object.keys(FAULTS)), { maxLength: 12 })
  const property = fc.asyncProperty(names, fc.integer({ min: 0, max: 19 }), async (faults, after) => {
    const { client } = clientOf(server.url)
    server.fail(...faults.map((name) => FAULTS[name]), undefined)
    const taken = await take(client, 20 - after, { after: String(after) })
    return cursors(taken).join() === upTo(20).slice(after).join()
  })
  // What is left of the faults of one run falls to the next.
  await fc.assert(property, { numRuns: 40 })
  t.pass()
})

test('between failures it waits longer and longer, with jitter and as Retry-After says, and for ever', async (t) => {
  const server = await feedServer(t)
  server.tell(1)
  server.fail(...Array.from({ length: 30 }, () => answer(502, '')), answer(503, {}, { 'retry-after': '7' }))
  const { client, clock } = clientOf(server.url)
  const told: number[] = []
  await take(client, 1, { after: '0', onInterruption: (_, { waitMs }) => void told.push(waitMs) })
  t.deepEqual(clock.slept, told)
  t.deepEqual(told.slice(0, 3), [50, 100, 200])
  t.is(told[29], 15_000, 'half of thirty seconds')
  t.is(told[30], 7_000 + 15_000)
})

test('with a deadline an interruption that lasts longer ends it, with what went wrong', async (t) => {
  const server = await feedServer(t)
  server.tell(2)
  const { client } = clientOf(server.url)
  const taken: string[] = []
  const broken = async () => {
    for await (const { cursor } of client.followEvents({ after: '0', deadlineMs: 60_000 })) {
      taken.push(cursor)
      if (taken.length === 2) server.fail(...Array.from({ length: 100 }, () => reset))
    }
  }
  const error = await t.throwsAsync(broken)
  t.true(error instanceof NetworkError || error instanceof DeadlineError)
  t.deepEqual(taken, ['1', '2'])
})

test('what waiting does not mend is thrown: a missing scope, swept history with the cursor to go on from', async (t) => {
  const server = await feedServer(t)
  const { client, clock } = clientOf(server.url)
  server.fail(forbidden, historyGone)
  const refusal = await t.throwsAsync(take(client, 1, { after: '3' }), { instanceOf: ProblemError })
  t.is(refusal?.code, 'insufficient-scope')
  const gone = await t.throwsAsync(take(client, 1, { after: '3' }), { instanceOf: HistoryGoneError })
  t.is(gone?.cursor, '7')
  t.deepEqual(clock.slept, [])
  await t.throwsAsync(take(client, 1, { after: '3', since: new Date() }), { instanceOf: TypeError })
  await t.throwsAsync(take(client, 1, { waitSeconds: 31 }), { instanceOf: TypeError })
})

test('a token that ended is replaced in the middle; one that stays refused ends it', async (t) => {
  const server = await feedServer(t)
  server.tell(6)
  let number = 1
  const credentials = {
    token: (rejected?: string) => Promise.resolve(`t${rejected === undefined ? number : ++number}`),
  }
  const { client } = clientOf(server.url, { credentials })
  server.fail(undefined, unauthorized)
  t.deepEqual(cursors(await take(client, 6, { after: '0' })), upTo(6))
  t.deepEqual(
    server.asked.map(({ authorization }) => authorization),
    ['Bearer t1', 'Bearer t1', 'Bearer t2'],
  )
  server.fail(unauthorized, unauthorized)
  t.is((await t.throwsAsync(take(client, 1, { after: '0' }), { instanceOf: ProblemError }))?.status, 401)
})

test('from now on: the place is taken before anything is waited for, so that a break loses nothing', async (t) => {
  const server = await feedServer(t)
  server.tell(5)
  const { client } = clientOf(server.url)
  let isLive = false
  const onCursor = (_: string, { live }: { live: boolean }) => {
    if (!isLive) server.fail(reset)
    if (!isLive) server.tell(2)
    isLive ||= live
  }
  t.deepEqual(cursors(await take(client, 2, { onCursor })), [6, 7])
  const [first, second, third] = server.asked
  t.deepEqual([first?.query.get('after'), first?.prefer], ['latest', undefined])
  t.deepEqual([second?.query.get('after'), second?.prefer], ['5', 'wait=25'])
  t.deepEqual([third?.query.get('after'), third?.prefer], ['5', undefined], 'after a break it asks at once')
})

test('a cursor is told when the event is done with, and after the last that all is told', async (t) => {
  const server = await feedServer(t)
  server.tell(4)
  const { client } = clientOf(server.url)
  const stopping = new AbortController()
  const heard: string[] = []
  const onCursor = (cursor: string, { live }: { live: boolean }) => {
    heard.push(`${cursor} done${live ? ', all told' : ''}`)
    if (live) stopping.abort()
  }
  const { signal } = stopping
  const types = ['user.created', 'user.deleted'] as const
  for await (const { cursor } of client.followEvents({ after: '0', types, channels: ['users'], onCursor, signal })) {
    heard.push(cursor)
  }
  t.deepEqual(heard, ['1', '1 done', '2', '2 done', '3', '3 done', '4', '4 done, all told'])
  const { query } = server.asked[0]!
  t.deepEqual([query.get('types'), query.get('channels')], ['user.created,user.deleted', 'users'])
})

test('a server that answers at once instead of waiting is not asked without a pause', async (t) => {
  const server = await feedServer(t)
  const { client, clock } = clientOf(server.url)
  const stopping = new AbortController()
  let answers = 0
  const onCursor = () => void (++answers === 20 && stopping.abort())
  for await (const _ of client.followEvents({ after: '0', onCursor, signal: stopping.signal })) t.fail()
  t.is(clock.slept.length, 18)
  t.is(clock.slept.at(-1), 2500)
})

test('an abort ends it at once, also while it waits for an answer or for the next try', async (t) => {
  const server = await feedServer(t)
  for (const fault of [() => undefined, answer(503, {}, { 'retry-after': '600' })]) {
    server.fail(fault)
    const client = createGrantryClient({ issuer: server.url, credentials: { apiKey: 'grk_test' } })
    const signal = AbortSignal.timeout(50)
    const started = performance.now()
    for await (const _ of client.followEvents({ signal })) t.fail()
    t.true(performance.now() - started < 2000)
  }
  const over = AbortSignal.abort()
  const asked = server.asked.length
  for await (const _ of clientOf(server.url).client.followEvents({ signal: over })) t.fail()
  t.is(server.asked.length, asked)
})

test('a real server is cut off and restarted while events are written: each is told once', async (t) => {
  const port = await freePort()
  const way = await passage(t, port)
  const databaseUrl = await testDatabaseUrl(t)
  const environment = {
    PORT: String(port),
    HOST: '127.0.0.1',
    ISSUER: `http://localhost:${way.port}`,
    DATABASE_URL: databaseUrl,
    MASTER_KEY: newMasterKey(),
    RATE_LIMIT_API: 'off',
    RATE_LIMIT_ADDRESS: 'off',
  }
  let server = await startAuthServer(t, environment)
  const scopes = ['events:read', 'keys:read']
  const { value: apiKey } = await createApiKey(server.db.knex, { name: 'Test', scopes, actor: 'test' })
  const client = createGrantryClient({ issuer: server.issuer, credentials: { apiKey } })
  const write = await writer(t, databaseUrl)

  const stopping = new AbortController()
  const taken: Followed[] = []
  let interruptions = 0
  const options = { after: '0', types: ['key.removed'] as const, signal: stopping.signal }
  const onInterruption = () => void (interruptions += 1)
  const following = (async () => {
    for await (const one of client.followEvents({ ...options, onInterruption })) taken.push(one)
  })()
  for (let round = 1; round <= 8; round += 1) {
    await write(30)
    if (round === 4) {
      await server.close()
      await write(30)
      server = await startAuthServer(t, environment)
    } else {
      if (round % 2) await until(() => taken.length >= round * 15)
      way.cut()
    }
  }
  await until(() => taken.length >= 270)
  stopping.abort()
  await following
  t.deepEqual(
    taken.map(({ event }) => Number(event.subject)),
    upTo(270),
  )
  t.deepEqual(
    cursors(taken).toSorted((a, b) => a - b),
    cursors(taken),
  )
  t.true(interruptions > 0)
  const middle = taken[99]!
  t.deepEqual(await take(client, 10, { ...options, signal: undefined, after: middle.cursor }), taken.slice(100, 110))
})

/** Writes numbered events, each in a transaction of its own. */
async function writer(t: ExecutionContext, databaseUrl: string): Promise<(count: number) => Promise<void>> {
  const database = new pg.Client({ connectionString: databaseUrl })
  await database.connect()
  t.teardown(() => database.end())
  let number = 0
  return async (count) => {
    for (const end = number + count; number < end;) {
      number += 1
      const text = `insert into events (type, subject, data) values ('key.removed', $1, '{"alg":"RS256"}')`
      await database.query(text, [String(number)])
    }
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds();) {
    if (Date.now() > end) throw new Error('it never came to hold')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

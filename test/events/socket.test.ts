import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { WebSocket, type ClientOptions } from 'ws'
import { openEventFeed } from '../../src/events/feed.ts'
import { startOrdering } from '../../src/events/order.ts'
import { appendEvent } from '../../src/events/outbox.ts'
import type { Patience } from '../../src/events/stream/conversation.ts'
import type { Credentials } from '../../src/events/stream/follow.ts'
import { watchRights } from '../../src/events/stream/rights-watch.ts'
import { createSocketServer } from '../../src/events/stream/socket-server.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

const log = createLogger({ level: 'silent' })
const ALL = ['events:read', 'users:read', 'clients:read', 'api-keys:read']

interface Frame {
  type: string
  cursor?: string
  event?: { type: string; subject: string }
  error?: { code: string }
  channels?: string[]
}

/** A server whose tokens are whatever `scopes` has an entry for. */
async function streaming(t: ExecutionContext, patience: Partial<Patience> = {}) {
  const db = await testDatabase(t)
  const ordering = await startOrdering({ db, log })
  const feed = await openEventFeed({ db, log })
  const rights = watchRights({ feed, log })
  const scopes = new Map<string, string[]>([['good', ALL]])
  const expiry = new Map<string, Date>()
  const authenticate = (token: string): Promise<Credentials | undefined> => {
    if (!scopes.has(token)) return Promise.resolve(undefined)
    const check = () => Promise.resolve(scopes.has(token) ? new Set(scopes.get(token)) : undefined)
    return Promise.resolve({ id: 'apk_1', ids: new Set(['apk_1']), check, expiresAt: expiry.get(token) })
  }
  const http = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => http.once('listening', resolve))
  const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const sockets = createSocketServer({
    path: '/api/v1/stream',
    isForUs: ({ headers }) => headers.host === new URL(issuer).host,
    feed,
    rights,
    authenticate,
    log,
    patience,
    isAllowedOrigin: (origin) => Promise.resolve(origin === 'https://console.example'),
    addressOf: () => '127.0.0.1',
    most: { ofOneAddress: 5 },
  })
  sockets.attach(http)
  t.teardown(async () => {
    sockets.close()
    http.close()
    await rights.stop()
    await ordering.stop()
    await feed.close()
  })
  return { db, feed, scopes, expiry, issuer, url: `${issuer.replace('http', 'ws')}/api/v1/stream` }
}

/** A reader that keeps what it hears and what it was closed with. */
function connect(t: ExecutionContext, url: string, options: ClientOptions = {}) {
  const socket = new WebSocket(url, options)
  const heard: Frame[] = []
  let closed: number | undefined
  let refused: number | undefined
  let wake: () => void = () => undefined
  socket.on('message', (data) => {
    heard.push(JSON.parse((data as Buffer).toString()) as Frame)
    wake()
  })
  socket.on('close', (code) => {
    closed = code
    wake()
  })
  socket.on('unexpected-response', (_request, response) => {
    refused = response.statusCode
    wake()
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.terminate())
  const until = async (holds: () => boolean) => {
    const end = Date.now() + 10_000
    while (!holds()) {
      if (Date.now() > end) throw new Error(`never; heard ${JSON.stringify(heard)}, closed ${closed}`)
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, 100)
      })
    }
  }
  return {
    socket,
    heard,
    say: (frame: unknown) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    opened: () => until(() => socket.readyState === socket.OPEN),
    hears: async (type: string, count = 1) => {
      await until(() => heard.filter((frame) => frame.type === type).length >= count)
      return heard.findLast((frame) => frame.type === type)!
    },
    closes: async () => {
      await until(() => closed !== undefined)
      return closed
    },
    isRefused: async () => {
      await until(() => refused !== undefined)
      return refused
    },
    subjects: () => heard.flatMap(({ event }) => (event ? [event.subject] : [])),
  }
}

async function following(t: ExecutionContext, url: string, channels: string[], more: object = {}) {
  const reader = connect(t, url)
  await reader.opened()
  reader.say({ type: 'auth', token: 'Bearer good' })
  reader.say({ type: 'subscribe', channels, ...more })
  await reader.hears('subscribed')
  return reader
}

const FACTS = {
  'user.created': { type: 'user.created', data: { roles: [] } },
  'user.updated': { type: 'user.updated', data: { fields: [] } },
  'client.created': { type: 'client.created', data: { kind: 'service', first_party: false } },
} as const

const write = (
  db: TestDatabase,
  subject: string,
  type: 'user.updated' | 'client.created' | 'user.created' = 'user.created',
) => appendEvent(db.knex, { subject, ...FACTS[type] })

test('who shows a token and subscribes hears the events of the channels, and no others', async (t) => {
  const { db, url } = await streaming(t)
  const reader = await following(t, url, ['users'])
  await write(db, 'a client', 'client.created')
  await write(db, 'one')
  await write(db, 'two')
  await reader.hears('event', 2)
  t.deepEqual(reader.subjects(), ['one', 'two'])
  reader.say({ type: 'subscribe', channels: ['clients'] })
  await reader.hears('subscribed', 2)
  reader.say({ type: 'unsubscribe', channels: ['users'] })
  await reader.hears('unsubscribed')
  await write(db, 'three')
  await write(db, 'another client', 'client.created')
  await reader.hears('event', 3)
  t.deepEqual(reader.subjects(), ['one', 'two', 'another client'])
})

test('a reader that comes back goes on after its cursor: nothing is left out or told twice where past and present meet', async (t) => {
  const { db, url } = await streaming(t)
  const first = await following(t, url, ['users'])
  await write(db, '0')
  const { cursor } = await first.hears('event')
  first.socket.close()
  await first.closes()
  let stop = false
  const writing = (async () => {
    for (let n = 1; n <= 300 && !stop; n++) await write(db, String(n))
  })()
  t.teardown(() => (stop = true))
  await new Promise((resolve) => setTimeout(resolve, 50))
  const second = await following(t, url, ['users'], { after: cursor })
  await writing
  await second.hears('event', 300)
  t.deepEqual(
    second.subjects(),
    Array.from({ length: 300 }, (_, n) => String(n + 1)),
  )
  t.truthy(await second.hears('live'))
})

test('no credentials in time, bad ones, or none at all: closed with 4401', async (t) => {
  const { url } = await streaming(t, { authMs: 100 })
  const silent = connect(t, url)
  t.is(await silent.closes(), 4401)
  const wrong = connect(t, url)
  await wrong.opened()
  wrong.say({ type: 'auth', token: 'wrong' })
  t.is(await wrong.closes(), 4401)
  const hasty = connect(t, url)
  await hasty.opened()
  hasty.say({ type: 'subscribe', channels: ['users'] })
  t.is(await hasty.closes(), 4401)
  t.is(await connect(t, url, { headers: { authorization: 'Bearer wrong' } }).isRefused(), 401)
})

test('a program may show its token in the handshake', async (t) => {
  const { url } = await streaming(t)
  const reader = connect(t, url, { headers: { authorization: 'Bearer good' } })
  await reader.hears('authenticated')
  t.pass()
})

test('credentials without the scope: no events at all is 4403, one channel is an error and the rest goes on', async (t) => {
  const { url, scopes } = await streaming(t)
  scopes.set('nothing', ['users:read']).set('users', ['events:read', 'users:read'])
  const nobody = connect(t, url)
  await nobody.opened()
  nobody.say({ type: 'auth', token: 'nothing' })
  t.is(await nobody.closes(), 4403)
  const some = connect(t, url)
  await some.opened()
  some.say({ type: 'auth', token: 'users' })
  some.say({ type: 'subscribe', channels: ['clients'] })
  t.is((await some.hears('error')).error?.code, 'insufficient-scope')
  some.say({ type: 'subscribe', channels: ['users'] })
  t.deepEqual((await some.hears('subscribed')).channels, ['users'])
})

test('a key is revoked, then a user made: no frame, and 4401; also for a socket that follows nothing', async (t) => {
  const { db, url, scopes } = await streaming(t)
  const [reader, idle] = [await following(t, url, ['users']), connect(t, url)]
  await idle.opened()
  idle.say({ type: 'auth', token: 'good' })
  await idle.hears('authenticated')
  scopes.delete('good')
  await appendEvent(db.knex, { type: 'api_key.revoked', subject: 'apk_1' })
  await write(db, 'secret')
  const started = Date.now()
  t.is(await reader.closes(), 4401)
  t.is(await idle.closes(), 4401)
  t.true(Date.now() - started < 2000)
  t.deepEqual(reader.subjects(), [])
})

test('before a token ends its holder is reminded, and may show the next; else 4401', async (t) => {
  const { url, scopes, expiry } = await streaming(t)
  const reader = connect(t, url)
  await reader.opened()
  scopes.set('short', ALL)
  expiry.set('short', new Date(Date.now() + 1500))
  reader.say({ type: 'auth', token: 'short' })
  await reader.hears('reauthenticate')
  reader.say({ type: 'auth', token: 'good' })
  await reader.hears('authenticated', 2)
  const late = connect(t, url)
  await late.opened()
  expiry.set('short', new Date(Date.now() + 300))
  late.say({ type: 'auth', token: 'short' })
  t.is(await late.closes(), 4401)
  await new Promise((resolve) => setTimeout(resolve, 1200))
  t.is(reader.socket.readyState, WebSocket.OPEN)
})

for (const [name, frame, code] of [
  ['no JSON', 'hello', 4400],
  ['no object', '[]', 4400],
  ['a type that is none', '{"type":"drop"}', 4400],
  ['channels that are no list', '{"type":"subscribe","channels":"users"}', 4400],
  ['a window that is none', '{"type":"subscribe","channels":["users"],"window":0}', 4400],
  ['too many bytes', `{"type":"auth","token":"${'x'.repeat(20_000)}"}`, 1009],
] as const) {
  test(`${name}: an error, and closed with ${code}`, async (t) => {
    const { url } = await streaming(t)
    const reader = connect(t, url, { headers: { authorization: 'Bearer good' } })
    await reader.hears('authenticated')
    reader.say(frame)
    t.is(await reader.closes(), code)
    if (code === 4400) t.truthy(reader.heard.find(({ type }) => type === 'error'))
  })
}

test('an unknown channel or a cursor that is none is told, and the socket stays', async (t) => {
  const { url } = await streaming(t)
  const reader = connect(t, url, { headers: { authorization: 'Bearer good' } })
  await reader.hears('authenticated')
  reader.say({ type: 'subscribe', channels: ['orders'] })
  t.is((await reader.hears('error')).error?.code, 'unknown-channel')
  reader.say({ type: 'subscribe', channels: ['users'], after: 'nonsense' })
  t.is((await reader.hears('error', 2)).error?.code, 'cursor-invalid')
  reader.say({ type: 'ping' })
  await reader.hears('pong')
  reader.say({ type: 'subscribe', channels: ['users'], after: '99999' })
  t.is(await reader.closes(), 4400)
})

test('who asks for a window gets no more than fits until it acknowledges', async (t) => {
  const { db, url } = await streaming(t)
  for (let n = 0; n < 10; n++) await write(db, String(n))
  const reader = await following(t, url, ['users'], { window: 4, after: '0' })
  const { cursor } = await reader.hears('event', 4)
  reader.say({ type: 'ping' })
  await reader.hears('pong')
  t.is(reader.subjects().length, 4)
  reader.say({ type: 'ack', cursor })
  await reader.hears('event', 8)
})

test('a reader that takes nothing is told and dropped', async (t) => {
  const { db, url, feed } = await streaming(t, { slowMs: 200 })
  const reader = await following(t, url, ['users'])
  reader.socket.pause()
  const data = { roles: ['x'.repeat(200_000)] }
  for (let n = 0; n < 60; n++) await appendEvent(db.knex, { type: 'user.created', subject: String(n), data })
  while (feed.latest() < 60) await feed.wait(feed.latest(), { ms: 1000 })
  await new Promise((resolve) => setTimeout(resolve, 500))
  reader.socket.resume()
  t.is(await reader.closes(), 4408)
  t.is((await reader.hears('error')).error?.code, 'too-slow')
})

test('pages of strange origins, other hosts, other paths, tokens in the address and too many sockets are refused in HTTP', async (t) => {
  const { url } = await streaming(t)
  t.is(await connect(t, url, { origin: 'https://evil.example' }).isRefused(), 403)
  t.is(await connect(t, url, { headers: { host: 'evil.example' } }).isRefused(), 421)
  t.is(await connect(t, `${url}/more`).isRefused(), 404)
  t.is(await connect(t, `${url}?access_token=good`).isRefused(), 400)
  await connect(t, url, { origin: 'https://console.example' }).opened()
  for (let n = 0; n < 4; n++) await connect(t, url).opened()
  t.is(await connect(t, url).isRefused(), 429)
})

import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { Webhook as Verifier } from 'standardwebhooks'
import { WebSocket } from 'ws'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { revokeApiKey } from '../../src/registry/api-keys/revoke.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { startManagement, type Caller, type Management } from '../support/management.ts'

let management: Management
let admin: Caller
const ends: (() => unknown)[] = []

test.serial.before(async () => {
  management = await startManagement({ teardown: (end) => void ends.push(end) })
  admin = await management.withKey(...managementScopes)
})
test.after.always(async () => {
  for (let end = ends.pop(); end; end = ends.pop()) await end()
})

let number = 0
async function makeClient(): Promise<string> {
  const body = { kind: 'service', name: `App ${++number}` }
  const { body: made } = await admin('POST', '/clients', { body })
  return (made as { id: string }).id
}

/** The cursor of now. */
async function here(): Promise<string> {
  const { body } = await admin('GET', '/events?after=latest')
  return (body as { pagination: { next_cursor: string } }).pagination.next_cursor
}

interface EventPage {
  data: { id: string; type: string; subject: string; actor: string }[]
  pagination: { next_cursor: string; has_more: boolean }
  links: { next: string }
}

async function newKey(scopes: string[]) {
  return createApiKey(management.server.db.knex, { name: 'follower', scopes, actor: 'cli' })
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 10_000; !(await holds());) {
    if (Date.now() > end) throw new Error('it never came to hold')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test.serial('a poll answers at once what is there, and always a cursor to go on from', async (t) => {
  const from = await here()
  const id = await makeClient()
  let page: EventPage | undefined
  await until(async () => {
    page = (await admin('GET', `/events?after=${from}&channels=clients&limit=1`)).body as EventPage
    return page.data.length > 0
  })
  t.like(page!.data[0], { type: 'client.created', subject: id })
  const next = (await admin('GET', `/events?after=${page!.pagination.next_cursor}&types=client.deleted`))
    .body as EventPage
  t.deepEqual(next.data, [])
  t.true(Number(next.pagination.next_cursor) >= Number(page!.pagination.next_cursor))
})

test.serial('a long poll waits for the first event, and its answer says that it waited', async (t) => {
  const from = await here()
  const waiting = admin('GET', `/events?after=${from}&types=client.created`, { headers: { prefer: 'wait=10' } })
  const id = await makeClient()
  const { body, headers } = await waiting
  t.deepEqual(
    (body as EventPage).data.map(({ subject }) => subject),
    [id],
  )
  t.is(headers.get('preference-applied'), 'wait=10')
  const started = Date.now()
  const { status } = await admin('GET', `/events?after=${await here()}&types=key.revoked`, {
    headers: { prefer: 'wait=1' },
  })
  t.is(status, 200)
  t.true(Date.now() - started >= 900)
})

test.serial(
  'cursors that are none, of nowhere, or channels that are not the caller’s are refused by name',
  async (t) => {
    const nonsense = await admin('GET', '/events?after=nonsense')
    t.is(nonsense.status, 400)
    t.like(nonsense.body, { errors: [{ parameter: 'after' }] })
    t.like((await admin('GET', '/events?after=999999999')).body, { status: 400 })
    t.is((await admin('GET', '/events?channels=orders')).status, 400)
    const limited = await management.withKey('events:read', 'users:read')
    const forbidden = await limited('GET', '/events?channels=clients')
    t.is(forbidden.status, 403)
    t.regex(forbidden.headers.get('www-authenticate') ?? '', /error="insufficient_scope", scope="clients:read"/)
    t.is((await (await management.withKey('users:read'))('GET', '/events')).status, 403)
    const from = await here()
    await makeClient()
    const { body } = await limited('GET', `/events?after=${from}`, { headers: { prefer: 'wait=1' } })
    t.deepEqual((body as EventPage).data, [])
  },
)

test.serial('a stream tells events as they come, goes on after Last-Event-ID, and ends with its key', async (t) => {
  const { issuer, db } = management.server
  const { apiKey, value } = await newKey(['events:read', 'clients:read'])
  const open = (more: Record<string, string> = {}) =>
    fetch(`${issuer}/api/v1/events?types=client.created`, {
      headers: { authorization: `Bearer ${value}`, accept: 'text/event-stream', ...more },
    })
  const from = await here()
  const first = await open()
  t.is(first.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  const id = await makeClient()
  const reader = first.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!text.includes(id)) text += (await reader.read()).value ?? ''
  t.regex(text, /^retry: 2000\n\n/)
  t.regex(text, /id: \d+\nevent: client\.created\ndata: \{"id":"evt_\d+"/)
  const again = await open({ 'last-event-id': from })
  const second = again.body!.pipeThrough(new TextDecoderStream()).getReader()
  let caught = ''
  while (!caught.includes(id)) caught += (await second.read()).value ?? ''
  await revokeApiKey(db.knex, { apiKeyId: apiKey.id, actor: 'cli' })
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) text += chunk.value
  t.regex(text, /event: end\n/)
  await second.cancel()
})

test.serial('the socket of a revoked key closes with 4401 and tells nothing that came after', async (t) => {
  const { issuer, db } = management.server
  const { apiKey, value } = await newKey(['events:read', 'clients:read'])
  const socket = new WebSocket(`${issuer.replace('http', 'ws')}/api/v1/stream`)
  const frames: { type: string }[] = []
  socket.on('message', (data) => frames.push(JSON.parse((data as Buffer).toString()) as { type: string }))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await new Promise((resolve) => socket.once('open', resolve))
  socket.send(JSON.stringify({ type: 'auth', token: `Bearer ${value}` }))
  socket.send(JSON.stringify({ type: 'subscribe', channels: ['clients'] }))
  await until(() => frames.some(({ type }) => type === 'live'))
  await makeClient()
  await until(() => frames.some(({ type }) => type === 'event'))
  await revokeApiKey(db.knex, { apiKeyId: apiKey.id, actor: 'cli' })
  await makeClient()
  t.is(await closed, 4401)
  t.is(frames.filter(({ type }) => type === 'event').length, 1)
})

test.serial(
  'a webhook is made, tested, told of events, read with its attempts, replayed, paused and deleted',
  async (t) => {
    const received: { headers: IncomingHttpHeaders; body: string }[] = []
    const server = createServer(async (req, res) => {
      let body = ''
      for await (const chunk of req.setEncoding('utf8')) body += String(chunk)
      received.push({ headers: req.headers, body })
      res.end('thanks')
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    t.teardown(() => server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const { status, body: made, headers } = await admin('POST', '/webhooks', { body: { url, events: ['client.*'] } })
    t.is(status, 201)
    t.is(headers.get('cache-control'), 'no-store')
    const { id, secret, links } = made as { id: string; secret: string; links: Record<string, unknown> }
    t.truthy(links.test)
    const tried = await admin('POST', `/webhooks/${id}/tests`)
    t.is(tried.status, 202)
    // What was written just before the webhook was made is put in order after it, and told as well.
    type Told = { type: string; data: { id: string; subject: string } }
    const find = (isWanted: (event: Told) => boolean) => received.find(({ body }) => isWanted(JSON.parse(body) as Told))
    const ofTest = () => find(({ type }) => type === 'webhook.test')
    await until(() => ofTest() !== undefined)
    const verifier = new Verifier(secret)
    const { body: sent, headers: signed } = ofTest()!
    t.like(verifier.verify(sent, signed as Record<string, string>), { type: 'webhook.test' })
    const client = await makeClient()
    const ofClient = () => find(({ data }) => data.subject === client)
    await until(() => ofClient() !== undefined)
    const event = JSON.parse(ofClient()!.body) as Told
    t.like(event, { type: 'client.created', data: { subject: client } })
    const path = new URL(tried.headers.get('location') ?? '').pathname.replace('/api/v1', '')
    await until(async () => ((await admin('GET', path)).body as { state: string }).state === 'delivered')
    t.like((await admin('GET', path)).body, { attempt_log: [{ number: 1, status: 200, answer: 'thanks' }] })
    const replayed = await admin('POST', `/webhooks/${id}/deliveries`, { body: { event_id: event.data.id } })
    t.deepEqual([replayed.status, replayed.body], [202, { deliveries: 1, next_from: null }])
    await until(() => received.filter(({ headers: sent }) => sent['webhook-id'] === event.data.id).length === 2)

    const read = await admin('GET', `/webhooks/${id}`)
    t.false('secret' in (read.body as object))
    const etag = read.headers.get('etag')!
    t.is((await admin('PATCH', `/webhooks/${id}`, { body: { state: 'paused' } })).status, 428)
    const paused = await admin('PATCH', `/webhooks/${id}`, { body: { state: 'paused' }, headers: { 'if-match': etag } })
    t.like(paused.body, { state: 'paused' })
    t.is((await admin('POST', `/webhooks/${id}/tests`)).status, 409)
    t.is((await admin('DELETE', `/webhooks/${id}`, { headers: { 'if-match': etag } })).status, 412)
    t.is(
      (await admin('DELETE', `/webhooks/${id}`, { headers: { 'if-match': paused.headers.get('etag')! } })).status,
      204,
    )
    t.is((await admin('GET', `/webhooks/${id}`)).status, 404)
  },
)

test.serial('nobody subscribes a URL to what they may not see, or points another’s webhook elsewhere', async (t) => {
  const limited = await management.withKey('webhooks:read', 'webhooks:write', 'events:read', 'clients:read')
  const body = { url: 'http://127.0.0.1:9/', events: ['user.*'] }
  t.is((await limited('POST', '/webhooks', { body })).status, 403)
  const { body: made, headers } = await admin('POST', '/webhooks', { body: { ...body, events: ['*'] } })
  const change = { body: { url: 'http://127.0.0.1:10/' }, headers: { 'if-match': headers.get('etag')! } }
  t.is((await limited('PATCH', `/webhooks/${(made as { id: string }).id}`, change)).status, 403)
})

for (const [name, body, pointer] of [
  ['an unknown event', { url: 'https://hooks.example.com/', events: ['user.made'] }, '#/events'],
  ['credentials in the URL', { url: 'https://me:secret@hooks.example.com/', events: ['*'] }, '#/url'],
  ['no URL', { url: 'hooks', events: ['*'] }, '#/url'],
  ['no events', { url: 'https://hooks.example.com/', events: [] }, '#/events'],
] as const) {
  test.serial(`a webhook with ${name} is refused where it is wrong`, async (t) => {
    const { status, body: answer } = await admin('POST', '/webhooks', { body })
    t.is(status, 400)
    t.like(answer, { errors: [{ pointer }] })
  })
}

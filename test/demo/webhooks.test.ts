/** The demo as a receiver of webhooks, and what people see of what it is told. */
import test, { type ExecutionContext } from 'ava'
import pg from 'pg'
import { deliver, webhookSecret } from '../support/deliveries.ts'
import { fileScope, startDemoFixture, type DemoFixture } from '../support/demo.ts'
import { jsonOf, newPerson, problemOf, type Person } from '../support/orders-client.ts'

interface EventsBody {
  data: { id: string; type: string; subject: string; data: object }[]
  cursor: string
  links: { self: string }
}

const EVENTS = '/api/v2/users/me/events'

const scope = fileScope()
let fixture: DemoFixture
/** Another instance on the same database. */
let other: DemoFixture
test.before(async () => {
  fixture = await startDemoFixture(scope, { webhookSecret })
  other = await startDemoFixture(scope, { webhookSecret, databaseUrl: fixture.databaseUrl, issuer: fixture.issuer })
})
test.after.always(() => scope.end())

const eventsOf = async (person: Person) => (await jsonOf<EventsBody>(person.call(EVENTS))).data
const typesOf = async (person: Person) => (await eventsOf(person)).map(({ type }) => type)

test('a delivery is taken and told to whom it is about, and to nobody else', async (t) => {
  const [ada, bob] = [newPerson(fixture), newPerson(fixture)]
  const answer = await deliver(fixture, { userId: ada.sub, type: 'consent.withdrawn', data: { scopes: ['a'] } })
  t.is(answer.status, 204)
  t.like(await eventsOf(ada), [{ type: 'consent.withdrawn', subject: 'ses_x', data: { scopes: ['a'] } }])
  t.deepEqual(await eventsOf(bob), [])
})

test('the same delivery counts once, however often it comes, also at once and to several instances', async (t) => {
  const ada = newPerson(fixture)
  const again = () => deliver(fixture, { id: 'evt_again', userId: ada.sub })
  const answers = await Promise.all([again(), again(), deliver(other, { id: 'evt_again', userId: ada.sub }), again()])
  t.deepEqual(answers.map(({ status }) => status), [204, 204, 204, 204]) // prettier-ignore
  t.deepEqual(await typesOf(ada), ['session.ended'])
})

test('what is not signed by whom we know, over these bytes, a moment ago, is refused and leaves nothing', async (t) => {
  const ada = newPerson(fixture)
  const stranger = `whsec_${Buffer.alloc(32, 8).toString('base64')}`
  const about = { userId: ada.sub }
  const answers = await Promise.all([
    deliver(fixture, { ...about, secret: stranger }),
    deliver(fixture, { ...about, headers: { 'webhook-id': 'evt_other' } }),
    deliver(fixture, { ...about, headers: { 'webhook-signature': '' } }),
    deliver(fixture, { ...about, headers: { 'webhook-timestamp': '0' } }),
    deliver(fixture, { ...about, sentAt: new Date(Date.now() - 6 * 60_000) }),
    deliver(fixture, { ...about, sentAt: new Date(Date.now() + 6 * 60_000) }),
    fetch(`${fixture.demo.url}/webhooks/grantry`, { method: 'POST', body: '{}' }),
  ])
  for (const answer of answers) {
    const { status, type } = await problemOf(answer)
    t.deepEqual([status, type], [400, `${fixture.demo.url}/problems#webhook-not-verified`])
  }
  t.deepEqual(await eventsOf(ada), [])
})

test('a signature among several counts: the secret may be turning over', async (t) => {
  const signed: string[] = []
  const valid = await deliver(fixture, { id: 'evt_turning', headers: {} })
  t.is(valid.status, 204)
  const { Webhook } = await import('standardwebhooks')
  const [at, body] = [new Date(), JSON.stringify({ type: 'session.ended', timestamp: new Date(), data: {} })]
  for (const byte of [9, 7]) {
    const secret = `whsec_${Buffer.alloc(32, byte).toString('base64')}`
    signed.push(new Webhook(secret).sign('evt_turning_2', at, body))
  }
  const headers = { 'webhook-signature': signed.join(' ') }
  t.is((await deliver(fixture, { id: 'evt_turning_2', body, sentAt: at, headers })).status, 204)
})

for (const [what, body] of [
  ['no JSON', 'hello'],
  ['no event', '{"type":5}'],
  [
    'text that no database could hold',
    JSON.stringify({ type: 'a', timestamp: '2026-11-01T00:00:00Z', data: { data: { x: '\0' } } }),
  ],
  ['a time that is none', JSON.stringify({ type: 'a', timestamp: 'yesterday', data: {} })],
] as const) {
  test(`a delivery that is signed and holds ${what} is refused`, async (t) => {
    t.is((await problemOf(deliver(fixture, { body }))).status, 400)
  })
}

test('a delivery that is too large is refused, whatever it says of its length', async (t) => {
  t.is((await problemOf(deliver(fixture, { body: 'x'.repeat(64 * 1024 + 1) }))).status, 413)
  const chunks = ReadableStream.from([Buffer.alloc(40_000), Buffer.alloc(40_000)])
  const options = { method: 'POST', body: chunks, duplex: 'half' } as RequestInit
  const answer = await fetch(`${fixture.demo.url}/webhooks/grantry`, options).catch(() => undefined)
  t.true(answer === undefined || answer.status === 413)
})

test('what is about nobody is taken, and not kept', async (t) => {
  t.is((await deliver(fixture, { id: 'evt_nobody', type: 'client.created' })).status, 204)
  const ada = newPerson(fixture)
  t.is((await deliver(fixture, { id: 'evt_nobody', userId: ada.sub })).status, 204)
  t.is((await eventsOf(ada)).length, 1)
})

test('without a secret there is nothing that takes deliveries', async (t) => {
  const { demo } = await startDemoFixture(t)
  t.is((await deliver({ demo })).status, 404)
})

test('the newest thousand are kept', async (t) => {
  const { demo, databaseUrl, issuer } = await startDemoFixture(t, { webhookSecret })
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query(
      `insert into account_events (id, type, at, user_id, data)
       select 'old_' || n, 'session.ended', now(), 'usr_old', '{}' from generate_series(1, 1005) as n`,
    )
    const person = newPerson({ demo, issuer } as DemoFixture)
    t.is((await deliver({ demo }, { userId: person.sub })).status, 204)
    const { rows } = await client.query<{ count: string; first: string }>(
      `select count(*)::text as count, (array_agg(id order by position))[1] as first from account_events`,
    )
    t.deepEqual(rows, [{ count: '1000', first: 'old_7' }])
    t.deepEqual(await typesOf(person), ['session.ended'])
  } finally {
    await client.end()
  }
})

/** Events of a stream as they come. */
async function follow(t: ExecutionContext, person: Person, headers: Record<string, string> = {}, claims = {}) {
  const ended = new AbortController()
  t.teardown(() => ended.abort())
  const init = { headers: { accept: 'text/event-stream', ...headers }, signal: ended.signal }
  const answer = await person.call(EVENTS, init, claims)
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    answer,
    /** @returns the fields of the next message that is an event; undefined at the end */
    async next(): Promise<Record<string, string> | undefined> {
      for (;;) {
        const end = text.indexOf('\n\n')
        if (end >= 0) {
          const lines = text.slice(0, end).split('\n')
          text = text.slice(end + 2)
          const fields = Object.fromEntries(lines.map((line) => /^(\w*): ?(.*)$/.exec(line)?.slice(1) ?? []))
          if (fields.event) return fields as Record<string, string>
          continue
        }
        const { value, done } = await reader.read()
        if (done) return undefined
        text += value
      }
    },
  }
}

test('a stream tells what happens as it happens, whichever instance was told, and nothing about others', async (t) => {
  const ada = newPerson(fixture)
  const stream = await follow(t, ada)
  t.is(stream.answer.status, 200)
  t.is(stream.answer.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  await deliver(fixture, { userId: newPerson(fixture).sub, type: 'user.updated' })
  await deliver(other, { userId: ada.sub, type: 'login.failed' })
  await deliver(fixture, { userId: ada.sub, type: 'grant.revoked' })
  const told = [await stream.next(), await stream.next()]
  t.deepEqual(told.map((message) => message?.event), ['login.failed', 'grant.revoked']) // prettier-ignore
  t.like(JSON.parse(told[0]?.data ?? ''), { type: 'login.failed', subject: 'ses_x' })
})

test('after a break a stream goes on behind the last event, without a gap and without a repeat', async (t) => {
  const ada = newPerson(fixture)
  for (const type of ['login.failed', 'consent.granted', 'user.updated'])
    await deliver(fixture, { userId: ada.sub, type })
  const first = await follow(t, ada, { 'last-event-id': '0' })
  const seen = await first.next()
  const second = await follow(t, ada, { 'last-event-id': seen?.id ?? '' })
  t.deepEqual([seen, await second.next(), await second.next()].map((message) => message?.event), ['login.failed', 'consent.granted', 'user.updated']) // prettier-ignore
  await deliver(other, { userId: ada.sub, type: 'user.signed_out' })
  t.is((await second.next())?.event, 'user.signed_out')
})

test('the list says after which cursor to follow it', async (t) => {
  const ada = newPerson(fixture)
  await deliver(fixture, { userId: ada.sub, type: 'login.failed' })
  const list = await jsonOf<EventsBody>(ada.call(EVENTS))
  await deliver(fixture, { userId: ada.sub, type: 'user.updated' })
  const stream = await follow(t, ada, { 'last-event-id': list.cursor })
  t.is((await stream.next())?.event, 'user.updated')
  t.is(list.links.self, `${fixture.demo.url}/api/v2/users/${ada.sub}/events`)
})

test('a cursor from beyond the end begins now, and what is no cursor is refused', async (t) => {
  const ada = newPerson(fixture)
  const stream = await follow(t, ada, { 'last-event-id': '999999999' })
  await deliver(fixture, { userId: ada.sub })
  t.is((await stream.next())?.event, 'session.ended')
  const accept = 'text/event-stream'
  for (const id of ['-1', 'x', '1'.repeat(30)]) {
    t.is((await problemOf(ada.call(EVENTS, { headers: { accept, 'last-event-id': id } }))).status, 400)
  }
})

test('a stream ends with the token on whose strength it was opened', async (t) => {
  const ada = newPerson(fixture)
  const exp = Math.floor(Date.now() / 1000) + 1
  const stream = await follow(t, ada, {}, { exp })
  t.is((await stream.next())?.event, 'end')
  t.is(await stream.next(), undefined)
  t.true(Date.now() >= exp * 1000 - 50)
})

test('nobody reads the events of others, whatever their role; without the scope not even their own', async (t) => {
  const [ada, admin] = [newPerson(fixture), newPerson(fixture, { roles: ['orders-admin'] })]
  t.is((await ada.call(`/api/v2/users/${ada.sub}/events`)).status, 200)
  t.is((await problemOf(admin.call(`/api/v2/users/${ada.sub}/events`))).status, 403)
  t.is((await problemOf(ada.call(EVENTS, {}, { scope: 'orders:write' }))).status, 403)
  t.is((await problemOf(fetch(fixture.demo.url + EVENTS))).status, 401)
  t.is((await ada.call('/api/v1/users/me/events')).status, 404)
})

test('a person has twenty streams at most, and one that is closed makes room', async (t) => {
  const ada = newPerson(fixture)
  const accept = 'text/event-stream'
  const leaving = new AbortController()
  const open = (signal?: AbortSignal) => ada.call(EVENTS, { headers: { accept }, signal: signal ?? null })
  const first = await Promise.all(Array.from({ length: 20 }, () => open(leaving.signal)))
  t.true(first.every(({ status }) => status === 200))
  t.is((await problemOf(open())).status, 429)
  leaving.abort()
  t.is((await ada.call(EVENTS, { method: 'HEAD', headers: { accept } })).status, 200)
  const last = new AbortController()
  t.teardown(() => last.abort())
  const deadline = Date.now() + 5_000
  for (;;) {
    const answer = await open(last.signal)
    if (answer.status === 200) return t.pass()
    if (Date.now() > deadline) return t.fail('the places were not given back')
  }
})

test('open streams do not hold up the end of the demo', async (t) => {
  const short = await startDemoFixture(t, { webhookSecret })
  const stream = await follow(t, newPerson(short))
  const started = Date.now()
  await short.demo.close()
  t.true(Date.now() - started < 2_000)
  t.is(await stream.next(), undefined)
})

test('the secret stands in no log', async (t) => {
  await deliver(fixture, { secret: `whsec_${Buffer.alloc(32, 8).toString('base64')}` })
  t.false(JSON.stringify(fixture.logged).includes(webhookSecret.slice(6)))
})

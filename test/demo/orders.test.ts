import test from 'ava'
import { connect } from 'node:net'
import { once } from 'node:events'
import { fileScope, startDemoFixture, type DemoFixture } from '../support/demo.ts'
import {
  jsonOf,
  newPerson as newPersonOf,
  problemOf,
  type ListBody,
  type OrderBody,
  type ProblemBody,
} from '../support/orders-client.ts'

const scope = fileScope()
let fixture: DemoFixture
test.before(async () => {
  fixture = await startDemoFixture(scope)
})
test.after.always(() => scope.end())

const api = '/api/v1/users'
/** Somebody nobody else in this file is. */
function newPerson(claims: Record<string, unknown> = {}) {
  const person = newPersonOf(fixture, claims)
  return { ...person, list: (path = `${api}/me/orders`) => jsonOf<ListBody>(person.call(path)) }
}

const coffee = { item: 'Coffee', amount_cents: 500 }

test('a person sees two sample orders at first, once, however many ask at once', async (t) => {
  const ada = newPerson()
  const lists = await Promise.all(Array.from({ length: 8 }, () => ada.list()))
  for (const { data } of lists) t.is(data.length, 2)
  t.is(new Set(lists.flatMap(({ data }) => data.map(({ id }) => id))).size, 2)
  t.true(lists[0]!.data.every(({ user_id }) => user_id === ada.sub))
})

test('a machine sees an empty list', async (t) => {
  const machine = newPerson({ sub: 'cli_robot', client_id: 'cli_robot' })
  t.deepEqual(await machine.list('/api/v2/users/me/orders'), {
    data: [],
    pagination: { next_cursor: null, has_more: false, limit: 20 },
    links: {
      self: `${fixture.demo.url}/api/v2/users/me/orders`,
      first: `${fixture.demo.url}/api/v2/users/me/orders`,
    },
  })
})

test('an order that was placed is found where Location says', async (t) => {
  const ada = newPerson()
  const placed = await ada.call(`${api}/me/orders`, { method: 'POST', json: { ...coffee, item: '  Cafe\u0301 ' } })
  t.is(placed.status, 201)
  const order = (await placed.json()) as OrderBody
  t.like(order, { user_id: ada.sub, item: 'Café', quantity: 1, amount_cents: 500, currency: 'EUR', status: 'placed' })
  t.regex(order.id, /^ord_[0-9a-f]{32}$/)
  t.is(placed.headers.get('location'), order.links.self!)
  t.is(order.links.self, `${fixture.demo.url}/api/v1/users/${ada.sub}/orders/${order.id}`)
  const found = await ada.call(order.links.self!)
  t.deepEqual(await found.json(), order)
  t.deepEqual((await ada.list()).data, [order])
})

test('both versions serve the same orders, each with its own links', async (t) => {
  const ada = newPerson()
  const [one, two] = [await ada.list(), await ada.list('/api/v2/users/me/orders')]
  t.deepEqual(
    one.data.map(({ id }) => id),
    two.data.map(({ id }) => id),
  )
  t.regex(two.data[0]!.links.self!, /\/api\/v2\//)
})

test('orders of another person are 403, whether that person exists or not', async (t) => {
  const [ada, eve] = [newPerson(), newPerson()]
  const [order] = (await ada.list()).data
  const answers = await Promise.all([
    eve.call(`${api}/${ada.sub}/orders`),
    eve.call(`${api}/usr_nobody/orders`),
    eve.call(`${api}/${ada.sub}/orders/${order!.id}`),
    eve.call(`${api}/${ada.sub}/orders/ord_none`),
    eve.call(`${api}/${ada.sub}/orders`, { method: 'POST', json: coffee }),
  ])
  const bodies = await Promise.all(answers.map(problemOf))
  for (const body of bodies) {
    t.like(body, { status: 403, type: `${fixture.demo.url}/problems#not-your-orders` })
  }
  t.is(new Set(bodies.map((body) => JSON.stringify({ ...body, trace_id: '', instance: '' }))).size, 1)
  t.is((await eve.call(`${api}/me/orders/${order!.id}`)).status, 404)
})

test('the role orders-admin opens the orders of everybody, within its scope', async (t) => {
  const [ada, admin] = [newPerson(), newPerson({ roles: ['orders-admin'] })]
  const { data } = await ada.list()
  const ids = (orders: OrderBody[]) => orders.map(({ id }) => id)
  t.deepEqual(ids((await admin.list(`${api}/${ada.sub}/orders`)).data), ids(data))
  const placed = await admin.call(`${api}/${ada.sub}/orders`, { method: 'POST', json: coffee })
  t.is(placed.status, 201)
  t.is((await ada.list()).data.length, 3)
  t.deepEqual((await admin.list(`${api}/usr_nobody/orders`)).data, [])
  const narrow = await admin.call(
    `${api}/${ada.sub}/orders`,
    { method: 'POST', json: coffee },
    { scope: 'orders:read' },
  )
  t.is(narrow.status, 403)
})

for (const roles of ['orders-admin', ['Orders-Admin'], { 0: 'orders-admin' }, ['admin']]) {
  test(`roles of ${JSON.stringify(roles)} open nothing`, async (t) => {
    t.is((await newPerson({ roles }).call(`${api}/usr_ada/orders`)).status, 403)
  })
}

test('without a token the answer is a 401 problem with a challenge', async (t) => {
  const response = await fetch(`${fixture.demo.url}${api}/me/orders?access_token=x`)
  t.is(response.status, 401)
  const metadataUrl = `${fixture.demo.url}/.well-known/oauth-protected-resource`
  const told = `resource_metadata="${metadataUrl}", scope="orders:read"`
  t.is(response.headers.get('www-authenticate'), `Bearer ${told}, DPoP ${told}, algs="ES256 Ed25519 EdDSA"`)
  t.like(await problemOf(response), { status: 401, type: `${fixture.demo.url}/problems#unauthenticated` })
  t.deepEqual(await (await fetch(metadataUrl)).json(), {
    resource: fixture.demo.url,
    authorization_servers: [fixture.issuer.url],
    scopes_supported: ['orders:read', 'orders:write'],
    bearer_methods_supported: ['header'],
    resource_documentation: `${fixture.demo.url}/`,
    dpop_signing_alg_values_supported: ['ES256', 'Ed25519', 'EdDSA'],
    dpop_bound_access_tokens_required: false,
  })
})

test('a token for another API is 401, one without the scope 403 naming it', async (t) => {
  const ada = newPerson()
  const foreign = await ada.call(`${api}/me/orders`, {}, { aud: 'https://other.example.com' })
  t.is(foreign.status, 401)
  t.regex(foreign.headers.get('www-authenticate')!, /error="invalid_token".* scope="orders:read"/)
  const narrow = await ada.call(`${api}/me/orders`, { method: 'POST', json: coffee }, { scope: 'orders:read' })
  t.is(narrow.status, 403)
  t.regex(narrow.headers.get('www-authenticate')!, /error="insufficient_scope".* scope="orders:read orders:write"/)
})

const badOrders: [string, unknown, ProblemBody['errors']][] = [
  [
    'nothing in it',
    {},
    [
      { pointer: '#/item', detail: 'must be text', code: 'missing' },
      { pointer: '#/amount_cents', detail: 'must be a whole number of cents', code: 'missing' },
    ],
  ],
  ['an unknown field', { ...coffee, 'a/b~c': 1 }, [{ pointer: '#/a~1b~0c', detail: 'is not known', code: 'unknown' }]],
  ['a blank item', { ...coffee, item: ' ' }, [{ pointer: '#/item', detail: 'must not be empty', code: 'invalid' }]],
  [
    'a NUL',
    { ...coffee, item: 'a\0b' },
    [{ pointer: '#/item', detail: 'must not hold NUL or half a character', code: 'format' }],
  ],
  [
    'half a character',
    { ...coffee, item: 'a\ud800' },
    [{ pointer: '#/item', detail: 'must not hold NUL or half a character', code: 'format' }],
  ],
  [
    'too long an item',
    { ...coffee, item: 'x'.repeat(201) },
    [{ pointer: '#/item', detail: 'must be at most 200 characters long, not 201', code: 'invalid' }],
  ],
  [
    'half a thing',
    { ...coffee, quantity: 0.5 },
    [{ pointer: '#/quantity', detail: 'must be a whole number', code: 'type' }],
  ],
  [
    'a negative amount',
    { ...coffee, amount_cents: -1 },
    [{ pointer: '#/amount_cents', detail: 'must not be negative', code: 'range' }],
  ],
  [
    'a huge amount',
    { ...coffee, amount_cents: 2 ** 53 - 1 },
    [{ pointer: '#/amount_cents', detail: 'must be at most 100000000', code: 'range' }],
  ],
  [
    'a strange currency',
    { ...coffee, currency: 'eur' },
    [{ pointer: '#/currency', detail: 'must be a currency code such as EUR', code: 'format' }],
  ],
  ['a list instead of an order', [coffee], [{ pointer: '#', detail: 'must be an object', code: 'type' }]],
  ['null instead of an order', null, [{ pointer: '#', detail: 'must be an object', code: 'type' }]],
]
for (const [what, json, errors] of badOrders) {
  test(`an order with ${what} is refused, with a pointer to each place`, async (t) => {
    const body = await problemOf(await newPerson().call(`${api}/me/orders`, { method: 'POST', json }))
    t.is(body.status, 400)
    t.deepEqual(body.errors, errors)
  })
}

test('SQL in an order is text', async (t) => {
  const ada = newPerson()
  const item = `'); drop table orders; --`
  await ada.call(`${api}/me/orders`, { method: 'POST', json: { ...coffee, item } })
  t.is((await ada.list()).data[0]!.item, item)
})

test('content that is no JSON, no UTF-8, of another type or too large has its own status', async (t) => {
  const ada = newPerson()
  const post = async (type: string, body: string | Uint8Array<ArrayBuffer>) => {
    const headers = type ? { 'content-type': type } : {}
    const response = await ada.call(`${api}/me/orders`, { method: 'POST', headers, body })
    return [response.status, response.headers.get('accept-post')]
  }
  const json = JSON.stringify(coffee)
  t.deepEqual(await post('application/json', '{'), [400, null])
  t.deepEqual(await post('application/json', ''), [400, null])
  t.deepEqual(
    await post('application/json', Uint8Array.from(Buffer.from('{"item":"caf\xe9","amount_cents":1}', 'latin1'))),
    [400, null],
  )
  t.deepEqual(await post('text/plain', json), [415, 'application/json'])
  t.deepEqual(await post('application/json; charset=latin1', json), [415, 'application/json'])
  t.deepEqual(await post('application/json; charset=UTF-8', json), [201, null])
  t.deepEqual(await post('application/json', JSON.stringify({ item: 'x'.repeat(20_000) })), [413, null])
})

test('content without a declared length is cut off at the limit', async (t) => {
  const token = await fixture.issuer.accessToken({ claims: { sub: 'usr_flood' } })
  const socket = connect(Number(new URL(fixture.demo.url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  socket.write(
    `POST ${api}/me/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
      `Authorization: Bearer ${token}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  )
  for (let sent = 0; sent < 3; sent++) socket.write(`2000\r\n${'x'.repeat(0x2000)}\r\n`)
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString()))
  await once(socket, 'end')
  t.regex(answer, /^HTTP\/1\.1 413 /)
  t.regex(answer, /connection: close/i)
})

test('what is not there and what can not be done are problems too', async (t) => {
  const status = async (method: string, path: string, headers = {}) => {
    const response = await fetch(fixture.demo.url + path, { method, headers })
    const { status: inBody, trace_id } = await problemOf(response)
    t.is(inBody, response.status)
    t.regex(trace_id, /^[0-9a-f]{32}$/)
    t.is(response.headers.get('x-request-id'), trace_id)
    return response
  }
  t.is((await status('GET', '/nothing')).status, 404)
  t.is((await status('GET', '/api/v3/users/me/orders')).status, 404)
  t.is((await status('GET', '/playground/../main.ts')).status, 404)
  t.is((await status('GET', '/playground/..%2fmain.ts')).status, 404)
  t.is((await status('GET', '/%zz')).status, 404)
  const traced = await status('GET', '/nothing', { traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` })
  t.is(traced.headers.get('x-request-id'), 'ab'.repeat(16))
  const wrong = await status('DELETE', `${api}/me/orders`)
  t.is(wrong.status, 405)
  t.deepEqual(wrong.headers.get('allow')?.split(', ').sort(), ['GET', 'HEAD', 'OPTIONS', 'POST'])
})

test('ids that no database could hold name nothing', async (t) => {
  const ada = newPerson({ roles: ['orders-admin'] })
  for (const id of ['%00', 'a%00b', '%ff', '%zz', '%20', 'x'.repeat(300), '%ed%a0%80', '%F0%9F%98%80']) {
    t.is((await ada.call(`${api}/${id}/orders`)).status, 404, id)
    t.is((await ada.call(`${api}/me/orders/${id}`)).status, 404, id)
  }
})

test('a fault inside shows nothing but its trace id, which the log has', async (t) => {
  const broken = await startDemoFixture(t)
  const token = await broken.issuer.accessToken()
  const { Client } = (await import('pg')).default
  const client = new Client({ connectionString: broken.databaseUrl })
  await client.connect()
  await client.query('alter table orders rename to elsewhere')
  await client.end()
  const response = await fetch(`${broken.demo.url}${api}/me/orders`, { headers: { authorization: `Bearer ${token}` } })
  const body = await problemOf(response)
  t.deepEqual(Object.keys(body).sort(), ['instance', 'status', 'title', 'trace_id', 'type'])
  t.is(body.status, 500)
  const entry = broken.logged.find(({ level }) => level === 'error')
  t.is(entry?.trace_id, body.trace_id)
  t.regex(JSON.stringify(entry), /relation \\"orders\\" does not exist/)
  t.notRegex(JSON.stringify(broken.logged), new RegExp(token.slice(-20)))
})

test('while the issuer was never reached, the answer is 503 and the demo is alive but not ready', async (t) => {
  const { demo, issuer } = await startDemoFixture(t)
  const token = await issuer.accessToken()
  await issuer.stop()
  const response = await fetch(`${demo.url}${api}/me/orders`, { headers: { authorization: `Bearer ${token}` } })
  t.is(response.status, 503)
  t.is(response.headers.get('retry-after'), '5')
  t.is(response.headers.get('www-authenticate'), null)
  t.like(await problemOf(response), { type: `${demo.url}/problems#unavailable` })
  t.is((await fetch(`${demo.url}/health/live`)).status, 200)
  const ready = await fetch(`${demo.url}/health/ready`)
  t.is(ready.status, 503)
  t.deepEqual(await ready.json(), { status: 'unavailable', missing: 'keys of the issuer' })
})

test('it is ready once it has the keys of the issuer', async (t) => {
  t.is((await fetch(`${fixture.demo.url}/health/ready`)).status, 200)
})

test('every answer carries the headers that keep browsers safe, and no other origin may read it', async (t) => {
  for (const path of ['/', '/callback?code=x', '/problems', '/nothing', `${api}/me/orders`]) {
    const { headers } = await fetch(fixture.demo.url + path, { headers: { origin: 'https://evil.test' } })
    t.regex(headers.get('content-security-policy')!, /default-src 'none'/)
    t.regex(headers.get('content-security-policy')!, /frame-ancestors 'none'/)
    t.notRegex(headers.get('content-security-policy')!, /unsafe/)
    t.is(headers.get('x-content-type-options'), 'nosniff')
    t.is(headers.get('referrer-policy'), 'no-referrer')
    t.is(headers.get('access-control-allow-origin'), null)
  }
})

test('no URL is made from the Host header', async (t) => {
  const response = await newPerson().call(`${api}/me/orders`, {
    method: 'POST',
    json: coffee,
    headers: { 'x-forwarded-host': 'evil.test', forwarded: 'host=evil.test' },
  })
  t.true(response.headers.get('location')!.startsWith(`${fixture.demo.url}/`))
  const socket = connect(Number(new URL(fixture.demo.url).port), '127.0.0.1')
  socket.end(`GET ${api}/me/orders HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n`)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  t.regex(answer, /401 Unauthorized/)
  t.notRegex(answer, /evil/)
})

test('each type of problem leads to its explanation', async (t) => {
  const { type } = await problemOf(await fetch(`${fixture.demo.url}/nothing`))
  const page = await (await fetch(type)).text()
  t.true(page.includes(`id="${new URL(type).hash.slice(1)}"`))
})

test('a request under way is answered before the demo stops', async (t) => {
  const { demo, issuer } = await startDemoFixture(t)
  issuer.delayMs = 300
  const token = await issuer.accessToken()
  const answer = fetch(`${demo.url}${api}/me/orders`, { headers: { authorization: `Bearer ${token}` } })
  // The API asks the issuer for its keys: the request is under way.
  while (issuer.requests.size === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await Promise.all([demo.close(), answer.then((response) => t.is(response.status, 200))])
  await t.throwsAsync(fetch(demo.url))
})

/**
 * The requests that a newcomer finds in introductions to API design, as they are printed there: each works here, and where the
 * printed form is outdated or wrong, the current standard stands beside it. Paths have this API's nouns.
 */
import test from 'ava'
import { randomUUID } from 'node:crypto'
import { fileScope, startDemoFixture, type DemoFixture } from '../support/demo.ts'
import {
  jsonOf,
  manyOrders,
  newPerson,
  problemOf,
  type ListBody,
  type OrderBody,
  type Person,
} from '../support/orders-client.ts'

const scope = fileScope()
let fixture: DemoFixture
/** Somebody with 1,000 orders. */
let regular: Person
test.before(async () => {
  // As printed: 1,000 requests an hour, in a fixed window.
  const rateLimit = { algorithm: 'fixed-window', quota: 1_000, windowSeconds: 3_600 } as const
  fixture = await startDemoFixture(scope, { rateLimit, origins: ['https://app.example.com'] })
  regular = newPerson(fixture)
  await manyOrders(fixture, regular.sub, 1_000)
})
test.after.always(() => scope.end())

const V1 = '/api/v1/users/me/orders'
const V2 = '/api/v2/users/me/orders'
const coffee = { item: 'Coffee', amount_cents: 1_000, currency: 'EUR' }

async function place(person: Person): Promise<OrderBody> {
  return jsonOf<OrderBody>(person.call(V2, { method: 'POST', json: coffee }))
}

// Resource design

test('nested resources: GET /api/v1/users/{id}/orders and /orders/{orderId}', async (t) => {
  const ada = newPerson(fixture)
  const { data } = await jsonOf<ListBody>(ada.call(`/api/v1/users/${ada.sub}/orders`))
  const order = await jsonOf<OrderBody>(ada.call(`/api/v1/users/${ada.sub}/orders/${data[0]!.id}`))
  t.deepEqual(order, data[0])
})

test('the five verbs: list, get, create, full update, partial update, delete', async (t) => {
  const ada = newPerson(fixture)
  const created = await ada.call(V2, { method: 'POST', json: coffee })
  t.is(created.status, 201)
  const self = created.headers.get('location')!
  const ifMatch = (etag: string | null) => ({ 'if-match': etag ?? '' })
  const put = await ada.call(self, {
    method: 'PUT',
    json: { item: 'Tea', amount_cents: 700 },
    headers: ifMatch(created.headers.get('etag')),
  })
  t.is(put.status, 200)
  const patched = await ada.call(self, {
    method: 'PATCH',
    json: { quantity: 2 },
    headers: { 'content-type': 'application/merge-patch+json', ...ifMatch(put.headers.get('etag')) },
  })
  t.like(await jsonOf(patched), { item: 'Tea', quantity: 2, amount_cents: 700 })
  const deleted = await ada.call(self, { method: 'DELETE', headers: ifMatch(patched.headers.get('etag')) })
  t.is(deleted.status, 204)
  t.is(await deleted.text(), '')
})

test('filter, sort and page: ?status=…&sort=-created_at&page=2&limit=20', async (t) => {
  const { data, pagination } = await jsonOf<ListBody>(
    regular.call(`${V1}?status=placed&currency=EUR&sort=-created_at&page=2&limit=20`),
  )
  t.like(pagination, { page: 2, limit: 20, total_pages: 25, total_items: 500 })
  t.deepEqual(
    data.map(({ item }) => item),
    Array.from({ length: 20 }, (_, index) => `Coffee ${960 - 2 * index}`),
  )
})

// Authentication: the printed tokens are signed with a shared secret (HS256), which this API refuses; see resource-server/.

test('Authorization: Bearer is enough; without it the answer says what is needed', async (t) => {
  t.is((await regular.call(`${V2}?limit=1`)).status, 200)
  const refused = await fetch(fixture.demo.url + V2)
  t.is(refused.status, 401)
  t.regex(
    refused.headers.get('www-authenticate') ?? '',
    /^Bearer resource_metadata="[^"]*", scope="orders:read"(?:, DPoP |$)/,
  )
})

// Idempotency

for (const [form, key] of [
  ['as it is printed: bare', () => randomUUID()],
  ['as the draft has it: a Structured Field String', () => `"${randomUUID()}"`],
] as const) {
  test(`POST with Idempotency-Key, ${form}, makes one order`, async (t) => {
    const ada = newPerson(fixture)
    const headers = { 'idempotency-key': key() }
    const [first, again] = [
      await ada.call(V2, { method: 'POST', json: coffee, headers }),
      await ada.call(V2, { method: 'POST', json: coffee, headers }),
    ]
    t.deepEqual([first.status, again.status], [201, 201])
    t.deepEqual(
      [first, again].map(({ headers: answered }) => answered.get('idempotent-replayed')),
      [null, 'true'],
    )
    t.deepEqual(await again.json(), await first.json())
    t.is(again.headers.get('location'), first.headers.get('location'))
    const other = await ada.call(V2, { method: 'POST', json: { ...coffee, amount_cents: 1 }, headers })
    t.is(other.status, 422)
    t.is((await jsonOf<ListBody>(ada.call(V2))).data.length, 1)
  })
}

test('GET, PUT and DELETE are idempotent in what they bring about; POST is not', async (t) => {
  const ada = newPerson(fixture)
  const order = await place(ada)
  const self = order.links.self!
  t.deepEqual(await jsonOf(ada.call(self)), await jsonOf(ada.call(self)))
  const put = () => ada.call(self, { method: 'PUT', json: coffee, headers: { 'if-match': '*' } })
  const [one, two] = [await jsonOf<OrderBody>(put()), await jsonOf<OrderBody>(put())]
  t.deepEqual({ ...one, updated_at: '' }, { ...two, updated_at: '' })
  const remove = () => ada.call(self, { method: 'DELETE', headers: { 'if-match': '*' } })
  // "Deleting already deleted resource" changes nothing more, but the answer is another one: it is gone.
  t.deepEqual([(await remove()).status, (await remove()).status], [204, 404])
  const [a, b] = [await place(ada), await place(ada)]
  t.not(a.id, b.id)
})

// Content negotiation

test('Accept, Accept-Language and Accept-Encoding as printed give JSON, compressed', async (t) => {
  const response = await regular.call(`${V2}?limit=100`, {
    headers: {
      Accept: 'application/json',
      'Accept-Language': 'en-US,en;q=0.9',
      'Accept-Encoding': 'gzip, deflate, br',
    },
  })
  t.is(response.headers.get('content-type'), 'application/json; charset=utf-8')
  // Printed is gzip, which is as good by that header; br is smaller.
  t.true(['gzip', 'br'].includes(response.headers.get('content-encoding') ?? ''))
  t.regex(response.headers.get('vary') ?? '', /Accept-Encoding/i)
  t.is((await jsonOf<ListBody>(response)).data.length, 100)
  const gzip = await regular.call(`${V2}?limit=100`, { headers: { 'Accept-Encoding': 'gzip' } })
  t.is(gzip.headers.get('content-encoding'), 'gzip')
})

// Conditional requests

test('ETag, then If-None-Match: 304 until the thing changes', async (t) => {
  const ada = newPerson(fixture)
  const self = (await place(ada)).links.self!
  const etag = (await ada.call(self)).headers.get('etag')!
  t.regex(etag, /^"[^"]+"$/)
  const again = () => ada.call(self, { headers: { 'If-None-Match': etag } })
  const unchanged = await again()
  t.is(unchanged.status, 304)
  t.is(unchanged.headers.get('etag'), etag)
  t.is(await unchanged.text(), '')
  await ada.call(self, { method: 'PATCH', json: { quantity: 2 }, headers: { 'if-match': etag } })
  const changed = await again()
  t.is(changed.status, 200)
  t.not(changed.headers.get('etag'), etag)
})

// Rate limits

test('X-RateLimit-Limit, -Remaining and -Reset (epoch seconds), with RateLimit and RateLimit-Policy beside them', async (t) => {
  const ada = newPerson(fixture)
  await ada.call(V2)
  const { headers } = await ada.call(V2)
  t.is(headers.get('x-ratelimit-limit'), '1000')
  t.is(headers.get('x-ratelimit-remaining'), '998')
  const left = Number(headers.get('x-ratelimit-reset')) - Date.now() / 1000
  t.true(left > 3_500 && left <= 3_601, String(left))
  t.regex(headers.get('ratelimit-policy') ?? '', /"orders";q=1000;w=3600$/)
  t.regex(headers.get('ratelimit') ?? '', /"orders";r=998;t=3\d{3}$/)
  t.is(headers.get('retry-after'), null)
})

// Pagination

test('offset: ?page=3&limit=20 of 1,000 orders, in the printed shape', async (t) => {
  const response = await regular.call(`${V1}?page=3&limit=20`)
  const { data, pagination, links } = await jsonOf<ListBody>(response)
  t.is(data.length, 20)
  t.deepEqual(pagination as object, {
    page: 3,
    limit: 20,
    total_pages: 50,
    total_items: 1_000,
    has_next: true,
    has_prev: true,
  })
  // Printed without the origin; a link that can be followed as it stands needs it.
  const page = (number: number) => `${fixture.demo.url}${V1}?page=${number}&limit=20`
  t.deepEqual(links, { self: page(3), first: page(1), prev: page(2), next: page(4), last: page(50) })
  // The same as a header (RFC 8288).
  t.true(response.headers.get('link')?.includes(`<${page(4)}>; rel="next"`))
})

test('cursor: ?limit=20, then ?limit=20&cursor=…, in the printed shape', async (t) => {
  const first = await jsonOf<ListBody>(regular.call(`${V2}?limit=20`))
  t.like(first.pagination, { has_more: true })
  t.is(typeof first.pagination.next_cursor, 'string')
  const second = await jsonOf<ListBody>(regular.call(`${V2}?limit=20&cursor=${first.pagination.next_cursor}`))
  t.is(second.data[0]?.item, 'Coffee 980')
  t.deepEqual((await jsonOf<ListBody>(regular.call(first.links.next!))).data, second.data)
  // The printed cursor is readable JSON in base64, which anybody can write: such a one does not count here.
  const printed = 'eyJpZCI6MTAwLCJ0aW1lIjoiMjAyNC0wMS0wMVQxMjowMDowMFoifQ=='
  t.like(await problemOf(regular.call(`${V2}?limit=20&cursor=${printed}`)), { status: 400 })
})

// Versions

test('a version is named by path, header, media type or query parameter, and the default is the newest', async (t) => {
  const version = async (path: string, headers: Record<string, string> = {}) => {
    const response = await regular.call(path, { headers })
    const { pagination } = await jsonOf<ListBody>(response)
    t.is('next_cursor' in pagination, response.headers.get('api-version') === '2')
    return response.headers.get('api-version')
  }
  const plain = '/api/users/me/orders'
  t.is(await version('/api/v1/users/me/orders'), '1')
  t.is(await version('/api/v2/users/me/orders'), '2')
  for (const number of ['1', '2']) {
    t.is(await version(plain, { 'API-Version': number }), number)
    // Printed with the vendor "company".
    t.is(await version(plain, { Accept: `application/vnd.grantry.v${number}+json` }), number)
    t.is(await version(`${plain}?version=${number}`), number)
  }
  t.is(await version(plain), '2')
})

test('version 1 says that it is deprecated, when it ends and what comes after it', async (t) => {
  const { headers } = await regular.call(`${V1}?limit=1`)
  // Printed: "true", from an old draft. RFC 9745 has a date.
  t.is(headers.get('deprecation'), '@1793491200')
  // Printed: "Sat, 31 Dec 2024", which was a Tuesday.
  t.is(headers.get('sunset'), 'Fri, 31 Dec 2027 23:59:59 GMT')
  t.true(headers.get('link')?.includes(`<${fixture.demo.url}${V2}>; rel="successor-version"`))
  t.is((await regular.call(`${V2}?limit=1`)).headers.get('deprecation'), null)
})

// Errors

test('insufficient funds, in the printed shape', async (t) => {
  const ada = newPerson(fixture)
  await ada.call(V2, { method: 'POST', json: { item: 'Espresso machine', amount_cents: 97_000 } })
  const response = await ada.call(V2, { method: 'POST', json: { item: 'Grinder', amount_cents: 5_000 } })
  // Printed: 400. The request is well formed; RFC 9457 answers such a one with 403.
  t.is(response.status, 403)
  const { trace_id, ...problem } = await problemOf(response)
  t.deepEqual(problem, {
    type: `${fixture.demo.url}/problems#insufficient-funds`,
    title: 'Insufficient funds',
    status: 403,
    detail: 'The balance is 30.00 EUR but the order needs 50.00 EUR',
    instance: V2,
    balance: 30,
    required: 50,
    currency: 'EUR',
  })
  t.regex(trace_id, /^[0-9a-f]{32}$/)
})

// CORS

test('a preflight of https://app.example.com is answered as printed, with what is missing there', async (t) => {
  const { status, headers } = await fetch(fixture.demo.url + V2, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://app.example.com',
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'authorization,content-type,if-match',
    },
  })
  t.is(status, 204)
  t.is(headers.get('access-control-allow-origin'), 'https://app.example.com')
  const methods = headers.get('access-control-allow-methods')?.split(', ') ?? []
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH']) t.true(methods.includes(method), method)
  const allowed = headers.get('access-control-allow-headers')?.split(', ') ?? []
  for (const name of ['Content-Type', 'Authorization', 'Idempotency-Key', 'If-Match'])
    t.true(allowed.includes(name), name)
  t.is(headers.get('access-control-max-age'), '7200')
  t.regex(headers.get('vary') ?? '', /Origin/)
  // Printed: true. Tokens travel in a header; cookies must not ride along.
  t.is(headers.get('access-control-allow-credentials'), null)
  const evil = await regular.call(`${V2}?limit=1`, { headers: { origin: 'https://evil.example.com' } })
  t.is(evil.headers.get('access-control-allow-origin'), null)
})

// Documentation

test('the OpenAPI document has the path with its responses and who may call it', async (t) => {
  const response = await fetch(`${fixture.demo.url}/api/openapi.json`)
  const { openapi, paths } = await jsonOf<{
    openapi: string
    paths: Record<string, { get: { responses: Record<string, unknown>; security: unknown; parameters: unknown[] } }>
  }>(response)
  // Printed: 3.0.0.
  t.regex(openapi, /^3\.1\./)
  const { responses, security, parameters } = paths['/v2/users/{user_id}/orders/{order_id}']!.get
  t.true('200' in responses && '404' in responses)
  t.deepEqual(security, [{ oauth: ['orders:read'] }])
  t.true(parameters.length >= 2)
})

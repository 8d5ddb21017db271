/** What the orders API promises beside the printed examples: states, permissions, and the limits that instances share. */
import test from 'ava'
import { fileScope, startDemoFixture, type DemoFixture } from '../support/demo.ts'
import {
  jsonOf,
  manyOrders,
  newPerson,
  problemOf,
  type Call,
  type ListBody,
  type OrderBody,
  type Person,
} from '../support/orders-client.ts'

const scope = fileScope()
/** Two instances on one database. */
let fixture: DemoFixture
let second: DemoFixture
test.before(async () => {
  // More than anybody here asks for, but the one who is to be refused.
  const rateLimit = { algorithm: 'fixed-window', quota: 60, windowSeconds: 3_600 } as const
  fixture = await startDemoFixture(scope, { rateLimit, clientId: 'cli_playground' })
  second = await startDemoFixture(scope, { rateLimit, databaseUrl: fixture.databaseUrl, issuer: fixture.issuer })
})
test.after.always(() => scope.end())

const V1 = '/api/v1/users/me/orders'
const V2 = '/api/v2/users/me/orders'

const onSecond = (person: Person, path: string, init?: Call) =>
  person.call(new URL(path, second.demo.url).href, init, { aud: second.demo.url })

async function place(person: Person, json: unknown = { item: 'Coffee', amount_cents: 500 }): Promise<OrderBody> {
  return jsonOf<OrderBody>(person.call(V2, { method: 'POST', json }))
}

const names = (links: Record<string, string>) => Object.keys(links).sort()

test('links say what can be done: by whom, and in which state', async (t) => {
  const ada = newPerson(fixture)
  const admin = newPerson(fixture, { roles: ['orders-admin'] })
  const order = await place(ada)
  const path = `/api/v2/users/${ada.sub}/orders/${order.id}`
  const base: string[] = ['collection', 'items', 'self']
  t.deepEqual(names(order.links), [...base, 'cancel', 'delete', 'update'].sort())
  const reading = await jsonOf<OrderBody>(ada.call(path, {}, { scope: 'orders:read' }))
  t.deepEqual(names(reading.links), base)
  const { links } = await jsonOf<OrderBody>(admin.call(path))
  t.deepEqual(names(links), [...base, 'cancel', 'delete', 'ship', 'update'].sort())

  t.is((await admin.call(links.ship!, { method: 'POST' })).status, 201)
  const shipped = await jsonOf<OrderBody>(ada.call(path))
  t.deepEqual([shipped.status, names(shipped.links)], ['shipped', [...base, 'shipment'].sort()])
  t.like(await jsonOf(ada.call(shipped.links.shipment!)), { order_id: order.id })

  const other = await place(ada)
  const cancelled = await ada.call(other.links.cancel!, { method: 'POST' })
  t.is(cancelled.headers.get('location'), other.links.cancel ?? '')
  const after = await jsonOf<OrderBody>(ada.call(other.links.self!))
  t.deepEqual([after.status, names(after.links)], ['cancelled', [...base, 'cancellation', 'delete'].sort()])
})

test('a shipped order can not be changed, cancelled or deleted: 409 with its own type', async (t) => {
  const ada = newPerson(fixture)
  const admin = newPerson(fixture, { roles: ['orders-admin'] })
  const order = await place(ada)
  const shipment = `/api/v2/orders/${order.id}/shipment`
  t.is((await ada.call(shipment)).status, 404)
  t.like(await problemOf(ada.call(shipment, { method: 'POST' })), {
    status: 403,
    type: `${fixture.demo.url}/problems#orders-admin-only`,
  })
  t.is((await admin.call(shipment, { method: 'POST' })).status, 201)
  const headers = { 'if-match': '*' }
  for (const attempt of [
    ada.call(order.links.self!, { method: 'PUT', json: { item: 'Tea', amount_cents: 1 }, headers }),
    ada.call(order.links.self!, { method: 'PATCH', json: { quantity: 2 }, headers }),
    ada.call(order.links.self!, { method: 'DELETE', headers }),
    ada.call(order.links.cancel!, { method: 'POST' }),
    ada.call(order.links.items!, { method: 'POST', json: { item: 'Tea', amount_cents: 1 } }),
    admin.call(shipment, { method: 'POST' }),
  ]) {
    t.like(await problemOf(attempt), { status: 409, type: `${fixture.demo.url}/problems#order-shipped` })
  }
})

test('an order of somebody else is not there, by any of its paths', async (t) => {
  const [ada, eve] = [newPerson(fixture), newPerson(fixture)]
  const order = await place(ada)
  const paths = ['shipment', 'cancellation', 'items', `items/${order.items[0]!.id}`]
  for (const path of paths) {
    const [real, invented] = await Promise.all(
      [order.id, 'ord_none'].map((id) => problemOf(eve.call(`/api/v2/orders/${id}/${path}`))),
    )
    t.like(real, { status: 404, type: `${fixture.demo.url}/problems#order-not-found` })
    t.deepEqual({ ...real, trace_id: '', instance: '' }, { ...invented, trace_id: '', instance: '' })
  }
  t.is((await eve.call(`/api/v2/orders/${order.id}/cancellation`, { method: 'POST' })).status, 404)
})

test('items are things of their own: added, changed and removed, each a change of their order', async (t) => {
  const ada = newPerson(fixture)
  const order = await place(ada, {
    items: [
      { item: 'Grinder', amount_cents: 8_900 },
      { item: 'Filters', quantity: 3, amount_cents: 1_470 },
    ],
  })
  t.like(order, { item: 'Grinder', quantity: 4, amount_cents: 10_370 })
  const added = await ada.call(order.links.items!, { method: 'POST', json: { item: 'Jug', amount_cents: 1_250 } })
  t.is(added.status, 201)
  const jug = added.headers.get('location')!
  const stale = (await ada.call(jug)).headers.get('etag')!
  const changed = await ada.call(jug, { method: 'PATCH', json: { quantity: 2 }, headers: { 'if-match': stale } })
  t.like(await jsonOf(changed), { item: 'Jug', quantity: 2, amount_cents: 1_250 })
  const lost = await ada.call(jug, { method: 'DELETE', headers: { 'if-match': stale } })
  t.is(lost.status, 412)
  t.is(lost.headers.get('etag'), changed.headers.get('etag')!.replace(/-[0-9a-f]{8}"$/, '"'))
  const { data, links } = await jsonOf<ListBody<{ item: string; links: Record<string, string> }>>(
    ada.call(`${order.links.items}?limit=2`),
  )
  t.deepEqual(
    data.map(({ item }) => item),
    ['Grinder', 'Filters'],
  )
  t.like(await jsonOf(ada.call(links.next!)), { data: [{ item: 'Jug' }] })
  t.is((await ada.call(jug, { method: 'DELETE', headers: { 'if-match': '*' } })).status, 204)
  t.like(await jsonOf(ada.call(order.links.self!)), { quantity: 4, amount_cents: 10_370 })
})

test('whoever knows of one item only does not wipe out several', async (t) => {
  const ada = newPerson(fixture)
  const items = [
    { item: 'Grinder', amount_cents: 1 },
    { item: 'Filters', amount_cents: 2 },
  ]
  const order = await place(ada, { items })
  const headers = { 'if-match': '*' }
  for (const [path, method, json] of [
    [`${V1}/${order.id}`, 'PUT', { item: 'Tea', amount_cents: 1 }],
    [`${V1}/${order.id}`, 'PATCH', { item: 'Tea' }],
    [`${V2}/${order.id}`, 'PATCH', { quantity: 2 }],
  ] as const) {
    t.like(await problemOf(ada.call(path, { method, json, headers })), {
      status: 409,
      title: 'The order has several items',
    })
  }
  const dollars = await ada.call(`${V1}/${order.id}`, { method: 'PATCH', json: { currency: 'USD' }, headers })
  t.like(await jsonOf(dollars), { currency: 'USD', amount_cents: 3 })
  t.is('items' in (await jsonOf<object>(ada.call(`${V1}/${order.id}`))), false)
  const unknown = await problemOf(ada.call(V1, { method: 'POST', json: { items } }))
  t.deepEqual(unknown.errors?.map(({ pointer }) => pointer).toSorted(), ['#/amount_cents', '#/item', '#/items'])
  t.like(await problemOf(ada.call(V2, { method: 'POST', json: { items, item: 'Tea' } })), {
    errors: [{ pointer: '#/item', detail: 'must not stand beside items', code: 'invalid' }],
  })
})

test('a change needs If-Match, and of two at once one is lost to a 412', async (t) => {
  const ada = newPerson(fixture)
  const order = await place(ada)
  const self = order.links.self!
  const patch = (quantity: number, headers: Record<string, string>) =>
    ada.call(self, { method: 'PATCH', json: { quantity }, headers })
  t.is((await patch(2, {})).status, 428)
  const etag = (await ada.call(self)).headers.get('etag')!
  const statuses = await Promise.all([2, 3, 4].map(async (n) => (await patch(n, { 'if-match': etag })).status))
  t.deepEqual(statuses.toSorted(), [200, 412, 412])
})

test('a removed version is gone, with a pointer to what came after it', async (t) => {
  const ada = newPerson(fixture)
  const response = await ada.call('/api/v0/users/me/orders')
  t.like(await problemOf(response), { status: 410, type: `${fixture.demo.url}/problems#version-removed` })
  t.is(response.headers.get('link'), `<${fixture.demo.url}${V2}>; rel="successor-version"`)
  t.is((await ada.call(V1)).headers.get('api-version'), '1')
})

test('filters, order and fields, and what is wrong with each', async (t) => {
  const ada = newPerson(fixture)
  await manyOrders(fixture, ada.sub, 10)
  const items = async (query: string) =>
    (await jsonOf<ListBody>(ada.call(`${V2}?${query}`))).data.map(({ item }) => item.replace('Coffee ', ''))
  t.deepEqual(await items('amount_cents[gte]=800&sort=amount_cents'), ['8', '9', '10'])
  t.deepEqual(await items('amount_cents[gt]=200&amount_cents[lt]=500&sort=-amount_cents'), ['4', '3'])
  t.deepEqual(await items('created_at[gte]=2026-01-01T00:09:00Z'), ['10', '9'])
  t.deepEqual(await items('created_at[lt]=2026-01-01T01:02:00%2B01:00'), ['1'])
  t.deepEqual(await items('currency=USD&sort=item&limit=2'), ['1', '3'])
  const { data } = await jsonOf<ListBody<Record<string, string>>>(ada.call(`${V2}?fields=item&limit=1`))
  t.deepEqual(names(data[0]!), ['id', 'item', 'links'])
  const wrong = await problemOf(ada.call(`${V2}?status=lost&sort=price&page=2&colour=red&amount_cents[gte]=x`))
  t.is(wrong.status, 400)
  t.deepEqual(wrong.errors?.map(({ parameter }) => parameter).toSorted(), [
    'amount_cents[gte]',
    'colour',
    'page',
    'sort',
    'status',
  ])
})

test('while orders come in, pages by number repeat one and pages by cursor do not', async (t) => {
  const ada = newPerson(fixture)
  await manyOrders(fixture, ada.sub, 6)
  const ids = async (path: string) => {
    const { data, links } = await jsonOf<ListBody>(ada.call(path))
    return { ids: data.map(({ id }) => id), next: links.next! }
  }
  const [byNumber, byCursor] = [await ids(`${V1}?limit=3`), await ids(`${V2}?limit=3`)]
  await place(ada)
  const [number, cursor] = [await ids(byNumber.next), await ids(byCursor.next)]
  t.is(new Set([...byNumber.ids, ...number.ids]).size, 5)
  t.is(new Set([...byCursor.ids, ...cursor.ids]).size, 6)
})

test('lists are also CSV, and problems also German', async (t) => {
  const ada = newPerson(fixture)
  await place(ada, { item: '=HYPERLINK("https://evil.test")', amount_cents: 1 })
  const csv = await ada.call(`${V2}?fields=item,amount_cents`, { headers: { accept: 'text/csv' } })
  t.regex(csv.headers.get('content-type') ?? '', /^text\/csv/)
  const [head, row] = (await csv.text()).split('\r\n')
  t.is(head, 'id,item,amount_cents')
  t.regex(row ?? '', /^ord_\w+,"'=HYPERLINK/)
  const german = await ada.call(`${V2}/ord_none`, { headers: { 'accept-language': 'de-AT, en;q=0.5' } })
  t.is(german.headers.get('content-language'), 'de')
  t.is((await problemOf(german)).title, 'Diese Bestellung gibt es nicht')
})

test('HEAD, OPTIONS and what a resource does not have', async (t) => {
  const ada = newPerson(fixture)
  const head = await ada.call(V2, { method: 'HEAD' })
  t.deepEqual([head.status, await head.text()], [200, ''])
  const options = await fetch(fixture.demo.url + `${V2}/ord_1`, { method: 'OPTIONS' })
  t.is(options.status, 204)
  t.deepEqual(options.headers.get('allow')?.split(', ').toSorted(), [
    'DELETE',
    'GET',
    'HEAD',
    'OPTIONS',
    'PATCH',
    'PUT',
  ])
  t.is(options.headers.get('accept-patch'), 'application/merge-patch+json, application/json')
  t.is((await ada.call(`${V2}/ord_1`, { method: 'POST' })).status, 405)
  t.is((await ada.call(V2, { headers: { accept: 'image/png' } })).status, 406)
  const text = await ada.call(V2, { method: 'POST', body: 'coffee', headers: { 'content-type': 'text/plain' } })
  t.is(text.status, 415)
})

test('the account tells what is left, to the person and to an admin', async (t) => {
  const [ada, eve] = [newPerson(fixture), newPerson(fixture)]
  await place(ada, { item: 'Grinder', amount_cents: 8_900 })
  const path = `/api/v2/users/${ada.sub}/account`
  t.like(await jsonOf(ada.call(path)), { balance_cents: 91_100, currency: 'EUR', order_count: 1, most_orders: 1_000 })
  t.is((await eve.call(path)).status, 403)
  t.is((await newPerson(fixture, { roles: ['orders-admin'] }).call(path)).status, 200)
})

test('each example of the document can be sent as it stands', async (t) => {
  interface Media {
    examples?: Record<string, { value: unknown }>
  }
  const { paths } = await jsonOf<{
    paths: Record<string, Record<string, { requestBody?: { content: Record<string, Media> } }>>
  }>(fetch(`${fixture.demo.url}/api/openapi.json`))
  const ada = newPerson(fixture)
  const order = await place(ada)
  let sent = 0
  for (const [path, methods] of Object.entries(paths)) {
    const url = `/api${path}`
      .replace('{user_id}', 'me')
      .replace('{order_id}', order.id)
      .replace('{item_id}', order.items[0]!.id)
    for (const [method, { requestBody }] of Object.entries(methods)) {
      for (const [type, { examples = {} }] of Object.entries(requestBody?.content ?? {})) {
        for (const [name, { value }] of Object.entries(examples)) {
          const headers = { 'content-type': type, ...(method !== 'post' && { 'if-match': '*' }) }
          // Replacing comes after items were added; the order has one item again.
          if (method !== 'post')
            await ada.call(order.links.self!, {
              method: 'PATCH',
              json: { items: [{ item: 'Tea', amount_cents: 1 }] },
              headers: { 'if-match': '*' },
            })
          const items = await jsonOf<OrderBody>(ada.call(order.links.self!))
          const target = url.replace(order.items[0]!.id, items.items[0]!.id)
          const response = await ada.call(target, {
            method: method.toUpperCase(),
            body: JSON.stringify(value),
            headers,
          })
          t.true(response.ok, `${method} ${path} ${name}: ${response.status}`)
          sent += 1
        }
      }
    }
  }
  t.true(sent >= 10, String(sent))
})

test('two instances make one order of one idempotency key, however many ask at once', async (t) => {
  const ada = newPerson(fixture)
  const init = { method: 'POST', json: { item: 'Once', amount_cents: 700 }, headers: { 'idempotency-key': 'once' } }
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) => (index % 2 ? onSecond(ada, V2, init) : ada.call(V2, init))),
  )
  const statuses = answers.map(({ status }) => status)
  t.true(statuses.includes(201))
  t.true(
    statuses.every((status) => status === 201 || status === 409),
    statuses.join(),
  )
  t.is((await jsonOf<ListBody>(ada.call(V2))).data.length, 1)
  t.like(await jsonOf(ada.call('/api/v2/users/me/account')), { balance_cents: 99_300 })
})

test('a cursor of one instance is good on the other', async (t) => {
  const ada = newPerson(fixture)
  await manyOrders(fixture, ada.sub, 3)
  const { pagination } = await jsonOf<ListBody>(ada.call(`${V2}?limit=2`))
  const { data } = await jsonOf<ListBody>(onSecond(ada, `${V2}?limit=2&cursor=${pagination.next_cursor}`))
  t.deepEqual(
    data.map(({ item }) => item),
    ['Coffee 1'],
  )
})

test('two instances admit one quota together; beyond it 429 says how long to wait', async (t) => {
  const ada = newPerson(fixture)
  const answers: Response[] = []
  // Ten at once: seventy are more than a busy machine answers without a 503 among them.
  while (answers.length < 70) {
    const both = Array.from({ length: 5 }, () => [ada.call(`${V2}?limit=1`), onSecond(ada, `${V2}?limit=1`)])
    answers.push(...(await Promise.all(both.flat())))
  }
  const refused = answers.filter(({ status }) => status === 429)
  t.deepEqual(answers.map(({ status }) => status).toSorted(), [...Array(60).fill(200), ...Array(10).fill(429)])
  const wait = Number(refused[0]!.headers.get('retry-after'))
  t.true(wait > 3_500 && wait <= 3_600, String(wait))
  t.like(await problemOf(refused[0]!), {
    type: `${fixture.demo.url}/problems#too-many-requests`,
    violated_policies: ['orders'],
  })
  t.is((await newPerson(fixture).call(V2)).status, 200, 'somebody else is not concerned')
})

test('the reference page and the page of problems stand where the documents say', async (t) => {
  const { demo } = fixture
  const page = await fetch(`${demo.url}/api/docs`)
  t.is(page.status, 200)
  t.regex(await page.text(), /Demo orders API[\s\S]*Ship|Send an order off/)
  t.like(await jsonOf(fetch(`${demo.url}/api/docs/sign-in.json`)), {
    client_id: 'cli_playground',
    redirect_uri: `${demo.url}/api/docs/callback`,
    resource: demo.url,
  })
  const problems = await (await fetch(`${demo.url}/problems`)).text()
  t.true(problems.includes('id="insufficient-funds"'))
  const v1 = await jsonOf<{ paths: Record<string, Record<string, { deprecated?: boolean }>> }>(
    fetch(`${demo.url}/api/v1/openapi.json`),
  )
  t.true(Object.values(v1.paths).every((methods) => Object.values(methods).every(({ deprecated }) => deprecated)))
})

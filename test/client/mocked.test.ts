/** The client against a mocked server, as an application that uses it would test itself. */
import test, { type ExecutionContext } from 'ava'
import { MockAgent } from 'undici'
import { createApiClient } from '../../src/client/client.ts'
import { createGrantryClient, ProblemError, UnexpectedAnswerError } from '../../src/client/index.ts'
import type { Answer, CallOptions, ChangeOptions, CreateOptions, List, Query } from '../../src/client/index.ts'
import type { OperationFacts } from '../../src/client/operation.ts'

const ISSUER = 'https://api.example.com'
const JSON_TYPE = { 'content-type': 'application/json' }

interface User {
  id: string
  name: string
}

interface Users {
  listUsers(filters?: Query, options?: CallOptions): List<User>
  createUser(body: object, options?: CreateOptions): Promise<Answer<User>>
  readUser(id: string, options?: CallOptions): Promise<Answer<User>>
  updateUser(id: string, body: object, options: ChangeOptions): Promise<Answer<User>>
  deleteUser(id: string, options: ChangeOptions): Promise<Answer<undefined>>
  endSession(id: string, session: string, options?: CallOptions): Promise<Answer<undefined>>
  suspendUser(id: string, options?: CallOptions): Promise<Answer<User>>
}

const table: Record<keyof Users, OperationFacts> = {
  listUsers: { method: 'GET', path: '/users', list: 'cursor' },
  createUser: { method: 'POST', path: '/users', body: 'application/json', keyed: true },
  readUser: { method: 'GET', path: '/users/{user_id}' },
  updateUser: { method: 'PATCH', path: '/users/{user_id}', body: 'application/merge-patch+json', conditional: true },
  deleteUser: { method: 'DELETE', path: '/users/{user_id}', conditional: true },
  endSession: { method: 'DELETE', path: '/users/{user_id}/sessions/{session_id}' },
  suspendUser: { method: 'POST', path: '/users/{user_id}/suspension' },
}

function mocked(t: ExecutionContext) {
  const agent = new MockAgent()
  agent.disableNetConnect()
  t.teardown(() => agent.close())
  const dispatcher = agent as never // two releases of undici, one interface
  const client = createApiClient<Users>(table, { issuer: ISSUER, credentials: { apiKey: 'grk_1' }, dispatcher })
  return { agent, client, api: agent.get(ISSUER), dispatcher }
}

interface Sent {
  method: string
  path: string
  headers: Record<string, string>
  body?: string
}

/** Answers everything alike and keeps what was asked. */
function keep(api: ReturnType<MockAgent['get']>, status: number, body: unknown, headers: Record<string, string> = {}) {
  const sent: Sent[] = []
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    const reply = api.intercept({ path: () => true, method }).reply((options) => {
      const given = new Headers(options.headers as Record<string, string>)
      sent.push({
        method: options.method,
        path: options.path,
        headers: Object.fromEntries(given),
        ...(typeof options.body === 'string' && { body: options.body }),
      })
      const data = body === undefined ? '' : (body as object)
      return { statusCode: status, data, responseOptions: { headers: { ...JSON_TYPE, ...headers } } }
    })
    reply.persist()
  }
  return sent
}

test('get user', async (t) => {
  const { api, client } = mocked(t)
  const headers = { ...JSON_TYPE, etag: '"1"', 'x-ratelimit-remaining': '99' }
  api.intercept({ path: '/api/v1/users/usr_123' }).reply(200, { id: 'usr_123', name: 'Alice' }, { headers })
  const response = await client.readUser('usr_123')
  t.is(response.body.name, 'Alice')
  t.is(response.etag, '"1"')
  t.is(response.headers.get('x-ratelimit-remaining'), '99')
})

test('rate limit handling', async (t) => {
  const { api, dispatcher } = mocked(t)
  api.intercept({ path: '/api/v1/users/usr_123' }).reply(429, '', { headers: { 'retry-after': '60' } })
  const credentials = { apiKey: 'grk_1' }
  const client = createApiClient<Users>(table, { issuer: ISSUER, credentials, dispatcher })
  const error = await t.throwsAsync(client.readUser('usr_123'), { instanceOf: ProblemError })
  t.is(error.retryAfter, 60)
})

test('a problem becomes an error with all that it says', async (t) => {
  const { api, client } = mocked(t)
  const errors = [{ pointer: '#/email', detail: 'is no e-mail address' }]
  const problem = {
    type: 'https://api.example.com/problems#invalid-request',
    title: 'The request is not valid',
    status: 400,
    detail: 'one field is wrong',
    errors: [...errors, 'junk', null],
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  }
  const headers = { 'content-type': 'application/problem+json; charset=utf-8' }
  api.intercept({ path: '/api/v1/users', method: 'POST' }).reply(400, problem, { headers })
  const error = await t.throwsAsync(client.createUser({ email: 'x' }), { instanceOf: ProblemError })
  t.like(error, {
    name: 'ProblemError',
    type: problem.type,
    code: 'invalid-request',
    title: problem.title,
    status: 400,
    detail: problem.detail,
    message: problem.detail,
    traceId: problem.trace_id,
    retryAfter: undefined,
  })
  t.deepEqual(error.errors, errors)
})

test('what is sent: path, query, body, media type, key, condition, credentials', async (t) => {
  const { api, client } = mocked(t)
  const sent = keep(api, 200, { id: 'usr_1', data: [], pagination: {} })
  const since = new Date(Date.UTC(2030, 0, 1))
  await client.readUser('usr_1', { query: { fields: ['id', 'name'], none: undefined } })
  await client.createUser({ name: 'Alice' }, { idempotencyKey: 'signup-17' })
  await client.updateUser('usr_1', { name: null }, { ifMatch: '"7"', headers: { 'accept-language': 'de' } })
  await client.endSession('usr_1', 'a/b?c#d%2F')
  await client.suspendUser('usr_1')
  await client.listUsers({ 'created_at[gte]': since, role: 'admin' }).page()

  const [read, made, changed, ended, suspended, listed] = sent
  t.is(read?.path, '/api/v1/users/usr_1?fields=id%2Cname')
  t.is(read?.headers.accept, 'application/json')
  t.is(made?.headers['idempotency-key'], '"signup-17"')
  t.deepEqual([made?.headers['content-type'], made?.body], ['application/json', '{"name":"Alice"}'])
  t.like(changed, { method: 'PATCH', path: '/api/v1/users/usr_1', body: '{"name":null}' })
  const told = { 'if-match': '"7"', 'content-type': 'application/merge-patch+json', 'accept-language': 'de' }
  t.like(changed?.headers, told)
  t.is(ended?.path, '/api/v1/users/usr_1/sessions/a%2Fb%3Fc%23d%252F')
  t.is(suspended?.headers['idempotency-key'], undefined, 'no key for a POST that takes none')
  t.is(listed?.path, '/api/v1/users?created_at%5Bgte%5D=2030-01-01T00%3A00%3A00.000Z&role=admin')
  t.true(sent.every(({ headers }) => headers.authorization === 'Bearer grk_1'))
})

test('each POST has a key of its own', async (t) => {
  const { api, client } = mocked(t)
  const sent = keep(api, 201, { id: 'usr_1' }, { location: '/api/v1/users/usr_1', 'idempotent-replayed': 'true' })
  const { replayed, location } = await client.createUser({})
  t.deepEqual([replayed, location], [true, '/api/v1/users/usr_1'])
  await client.createUser({})
  const keys = sent.map(({ headers }) => headers['idempotency-key'] ?? '')
  t.is(new Set(keys).size, 2)
  for (const key of keys) t.regex(key, /^"[0-9a-f]{8}-[0-9a-f-]{27}"$/)
})

test('what would ask for something else is refused before it is sent', async (t) => {
  const { api, client } = mocked(t)
  const sent = keep(api, 200, {})
  for (const id of ['', '.', '..', undefined as never, 7 as never]) {
    await t.throwsAsync(async () => client.readUser(id), { instanceOf: TypeError, message: /^user_id must be an id/ })
  }
  await t.throwsAsync(async () => client.deleteUser('usr_1', { ifMatch: undefined }), {
    message: /^ifMatch is missing/,
  })
  await t.throwsAsync(async () => client.deleteUser('usr_1', {} as never), { message: /^ifMatch is missing/ })
  for (const path of ['users', '@evil.example/', '/../../token', '//evil.example/', '/..', '.evil.example/']) {
    const result = client.request({ method: 'GET', path })
    if (path === '//evil.example/') t.is((await result).status, 200)
    else await t.throwsAsync(result, { instanceOf: TypeError })
  }
  for (const idempotencyKey of ['', 'a"b', 'a\\b', 'é', 'a\nb', 'a b', 'x'.repeat(256)]) {
    await t.throwsAsync(client.createUser({}, { idempotencyKey }), { instanceOf: TypeError })
  }
  t.deepEqual(
    sent.map(({ path }) => path),
    ['/api/v1//evil.example/'],
  )
})

test('a client that would send its credentials over an open network is not made', (t) => {
  const credentials = { apiKey: 'grk_1' }
  for (const issuer of ['http://login.example.com', 'ftp://localhost', 'login.example.com', 'https://a:b@x.example']) {
    t.throws(() => createGrantryClient({ issuer, credentials }), { instanceOf: TypeError }, issuer)
  }
  t.throws(() => createGrantryClient({ issuer: ISSUER, baseUrl: 'http://api.example.com', credentials }))
  for (const apiKey of ['', 'grk_\r\nx: y', undefined as never]) {
    t.throws(() => createGrantryClient({ issuer: ISSUER, credentials: { apiKey } }), { instanceOf: TypeError })
  }
  t.notThrows(() => createGrantryClient({ issuer: 'http://localhost:3000', credentials }))
})

test('an answer that is known is given back while nothing has changed', async (t) => {
  const { api, client } = mocked(t)
  const headers = { ...JSON_TYPE, etag: '"7"' }
  api.intercept({ path: '/api/v1/users/usr_1' }).reply(200, { id: 'usr_1', name: 'Alice' }, { headers })
  const first = await client.request({ method: 'GET', path: '/users/usr_1' })
  api.intercept({ path: '/api/v1/users/usr_1', headers: { 'if-none-match': '"7"' } }).reply(304, '', { headers })
  t.is(await client.request({ method: 'GET', path: '/users/usr_1', known: first }), first)
})

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of list) found.push(item)
  return found
}

const user = (number: number) => ({ id: `usr_${number}`, name: `User ${number}` })

test('a list is gone through page by page, by cursor, with its filters', async (t) => {
  const { api, client } = mocked(t)
  const page = (data: object[], next: string | null) => ({
    data,
    pagination: { next_cursor: next, has_more: next !== null },
    links: { next: 'https://evil.example/steal' },
  })
  const reply = (path: string, body: object) => api.intercept({ path }).reply(200, body, { headers: JSON_TYPE })
  reply('/api/v1/users?role=admin&limit=2', page([user(1), user(2)], 'c/1='))
  reply('/api/v1/users?role=admin&limit=2&cursor=c%2F1%3D', page([], 'c2'))
  reply('/api/v1/users?role=admin&limit=2&cursor=c2', page([user(3)], null))
  const found: string[] = []
  for await (const { id } of client.listUsers({ role: 'admin', limit: 2 })) found.push(id)
  t.deepEqual(found, ['usr_1', 'usr_2', 'usr_3'])

  reply('/api/v1/users?limit=2', page([user(1), user(2)], 'c1'))
  const first = await client.listUsers({ limit: 2 }).page()
  t.like(first, { nextCursor: 'c1', pagination: { has_more: true } })
  t.is(first.items.length, 2)
})

test('a list that is left early asks for no further page', async (t) => {
  const { agent, api, client } = mocked(t)
  const body = { data: [user(1), user(2)], pagination: { next_cursor: 'c1', has_more: true }, links: {} }
  api.intercept({ path: '/api/v1/users' }).reply(200, body, { headers: JSON_TYPE })
  for await (const { id } of client.listUsers()) {
    t.is(id, 'usr_1')
    break
  }
  t.notThrows(() => agent.assertNoPendingInterceptors())
})

test('numbered pages are gone through as well', async (t) => {
  const { api, client } = mocked(t)
  for (const [path, page] of [
    ['/api/v1/users?page=1', 1],
    ['/api/v1/users?page=2', 2],
  ] as const) {
    const body = { data: [user(page)], pagination: { page, total_pages: 2, has_next: page === 1 }, links: {} }
    api.intercept({ path }).reply(200, body, { headers: JSON_TYPE })
  }
  const found = await all(client.listUsers({ page: 1 }))
  t.deepEqual(found, [user(1), user(2)])
})

test('a feed is gone through to the present, and says from where it will go on', async (t) => {
  const { api, dispatcher } = mocked(t)
  const facts: Record<string, OperationFacts> = { listEvents: { method: 'GET', path: '/events', list: 'after' } }
  const credentials = { apiKey: 'grk_1' }
  const client = createApiClient<{ listEvents(filters: Query): List<User> }>(facts, {
    issuer: ISSUER,
    credentials,
    dispatcher,
  })
  for (const [after, next, more] of [
    ['0', '1', true],
    ['1', '2', false],
  ] as const) {
    const body = { data: [user(1)], pagination: { next_cursor: next, has_more: more }, links: {} }
    api.intercept({ path: `/api/v1/events?after=${after}` }).reply(200, body, { headers: JSON_TYPE })
  }
  const cursors: (string | undefined)[] = []
  for await (const { nextCursor } of client.listEvents({ after: '0' }).pages()) cursors.push(nextCursor)
  t.deepEqual(cursors, ['1', '2'])
})

test('a list that runs in a circle, or is none, is an error', async (t) => {
  const { api, client } = mocked(t)
  const circle = { data: [user(1)], pagination: { next_cursor: 'c1', has_more: true }, links: {} }
  api
    .intercept({ path: (path) => path.startsWith('/api/v1/users') })
    .reply(200, circle, { headers: JSON_TYPE })
    .persist()
  await t.throwsAsync(all(client.listUsers()), { instanceOf: UnexpectedAnswerError })

  const other = mocked(t)
  other.api.intercept({ path: '/api/v1/users' }).reply(200, { data: 'none' }, { headers: JSON_TYPE })
  await t.throwsAsync(other.client.listUsers().page(), { instanceOf: UnexpectedAnswerError })
})

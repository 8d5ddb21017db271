/** What the management API promises of resources. */
import anyTest, { type TestFn } from 'ava'
import { newId } from '../../src/lib/ids.ts'
import { MANAGEMENT_RESOURCE_ID, managementScopes } from '../../src/registry/management-scopes.ts'
import {
  callerWithKey,
  problemOf,
  refusesWhatIsWrong,
  tellsMethods,
  type ApiCaller,
  type Reply,
} from '../support/api-caller.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'

interface Parts {
  server: TestServer
  admin: ApiCaller
}

const test = anyTest as TestFn<Parts>
const ends: (() => unknown)[] = []
let parts: Parts
let count = 0

test.before(async () => {
  const server = await startAuthServer({ teardown: (end) => void ends.unshift(end) })
  parts = { server, admin: await callerWithKey(server) }
})
test.beforeEach((t) => {
  t.context = parts
})
test.after.always(async () => {
  for (const end of ends) await end()
})

const SCOPES = [
  { name: 'notes:read', description: 'Read', description_de: 'Lesen' },
  { name: 'notes:write', description: 'Write' },
]

function resource(given: object = {}): { audience: string; name: string } {
  return { audience: `https://notes-${++count}.example.com`, name: 'Notes', ...given }
}

async function make({ admin }: Parts, body: object = resource()): Promise<Reply> {
  const reply = await admin.send('POST', '/resources', { body })
  if (reply.status !== 201) throw new Error(JSON.stringify(reply.body))
  return reply
}

test('a resource is registered with defaults, read as it was answered, and its audience belongs to it alone', async (t) => {
  const { admin } = t.context
  const body = resource({ scopes: SCOPES })
  const made = await make(t.context, body)
  t.is(made.headers.get('location'), made.body.links.self.href)
  t.like(made.body, { ...body, token_format: 'jwt', signing_alg: 'RS256', access_token_ttl: null, built_in: false })
  t.deepEqual(made.body.scopes[1], { name: 'notes:write', description: 'Write', description_de: null })
  const read = await admin.get(`/resources/${made.body.id}`)
  t.deepEqual([read.body, read.etag], [made.body, made.etag])
  t.is((await admin.get(`/resources/${made.body.id}`, { 'if-none-match': made.etag })).status, 304)
  const taken = await admin.send('POST', '/resources', { body: { ...body, audience: `${body.audience}/` } })
  t.is(`${taken.status} ${problemOf(taken)}`, '409 audience-taken')
  const byAudience = await admin.get(`/resources/${encodeURIComponent(body.audience)}`)
  t.is(byAudience.status, 404, 'an address is made of the id alone')
})

test('of registrations of one audience at once one is made', async (t) => {
  const { admin } = t.context
  const body = resource()
  const replies = await Promise.all([1, 2, 3].map(() => admin.send('POST', '/resources', { body })))
  t.deepEqual(replies.map(({ status }) => status).toSorted(), [201, 409, 409])
  const repeated = { body: resource(), headers: { 'idempotency-key': 'resource' } }
  const [first, again] = [
    await admin.send('POST', '/resources', repeated),
    await admin.send('POST', '/resources', repeated),
  ]
  t.deepEqual([again.status, again.body.id, again.headers.get('idempotent-replayed')], [201, first.body.id, 'true'])
})

test('resources are listed by filters, in any order, by cursor and by number, as JSON and CSV', async (t) => {
  const { admin } = t.context
  for (const n of [1, 2, 3]) {
    const token_format = n === 2 ? 'opaque' : 'jwt'
    await make(t.context, { audience: `https://listed.example.com/${4 - n}`, name: `Listed ${n}`, token_format })
  }
  const names = async (query: string) => {
    const { status, body } = await admin.get(`/resources?q=listed&${query}`)
    return status === 200 ? body.data.map(({ name }: { name: string }) => name.at(-1)).join('') : status
  }
  t.is(await names(''), '321')
  t.is(await names('sort=name'), '123')
  t.is(await names('sort=audience'), '321')
  t.is(await names('token_format=opaque'), '2')
  t.is(await names(`audience=${encodeURIComponent('https://LISTED.example.com/3')}`), '1')
  t.is(await names('built_in=true'), '')
  t.is(await names('created_at[gt]=2999-01-01T00:00:00Z'), '')
  t.is(await names('page=2&limit=2&sort=name'), '3')
  t.is(await names('sort=scopes'), 400)
  const first = await admin.get('/resources?q=listed&sort=name&limit=2')
  t.is(await names(`sort=name&limit=2&cursor=${first.body.pagination.next_cursor}`), '3')
  const csv = await admin.get('/resources?q=listed&sort=name', { accept: 'text/csv' })
  t.regex(csv.body, /^id,audience,name,[^\n]*\n[^\n]*,https:\/\/listed\.example\.com\/3,Listed 1,/)
})

test('PUT sets a resource as a whole, PATCH a part of it; the audience stays', async (t) => {
  const { admin } = t.context
  const body = resource({ scopes: SCOPES, access_token_ttl: 60 })
  const made = await make(t.context, body)
  const path = `/resources/${made.body.id}`
  const patched = await admin.send('PATCH', path, {
    body: { access_token_ttl: null, name: 'Other' },
    headers: { 'if-match': made.etag },
  })
  t.like(patched.body, { name: 'Other', access_token_ttl: null, version: 2 })
  t.deepEqual(patched.body.scopes, made.body.scopes)
  const moved = await admin.send('PUT', path, { body: resource(), headers: { 'if-match': patched.etag } })
  t.is(moved.body.errors[0].pointer, '#/audience')
  const replaced = await admin.send('PUT', path, {
    body: { audience: `${body.audience}/`, name: 'Whole', signing_alg: 'ES256' },
    headers: { 'if-match': patched.etag },
  })
  t.like(replaced.body, { audience: body.audience, name: 'Whole', signing_alg: 'ES256', version: 3 })
  t.deepEqual(replaced.body.scopes, [])
  const late = await admin.send('PATCH', path, { body: { name: 'Late' }, headers: { 'if-match': made.etag } })
  t.is(`${late.status} ${problemOf(late)}`, '412 precondition-failed')
  const change = (name: string) => admin.send('PATCH', path, { body: { name }, headers: { 'if-match': replaced.etag } })
  const statuses = (await Promise.all(['A', 'B'].map(change))).map(({ status }) => status)
  t.deepEqual(statuses.toSorted(), [200, 412])
})

test('a deleted resource is gone with the access to it; of several deletions one does it, and it says who', async (t) => {
  const { admin, server } = t.context
  const made = await make(t.context, resource({ scopes: SCOPES }))
  const access = [{ resource: made.body.audience, scopes: ['notes:read'] }]
  const client = await admin.send('POST', '/clients', { body: { kind: 'service', name: 'Machine', access } })
  const path = `/resources/${made.body.id}`
  const headers = { 'if-match': made.etag }
  const replies = await Promise.all([1, 2, 3].map(() => admin.send('DELETE', path, { headers })))
  t.deepEqual(replies.map(({ status }) => status).toSorted(), [204, 404, 404])
  t.is((await admin.get(path)).status, 404)
  const seen = await admin.get(`/clients/${client.body.id}`, { 'if-none-match': client.etag })
  t.deepEqual([seen.status, seen.body.access], [200, []], 'what was read of the client counts no more')

  const events = await server.db.knex('events').where({ subject: made.body.id }).orderBy('id')
  t.deepEqual(
    events.map(({ type, actor }: Record<string, string>) => [type, actor]),
    [
      ['resource.created', admin.keyId],
      ['resource.deleted', admin.keyId],
    ],
  )
  const audit = await server.db.knex('audit_log').where({ subject_id: made.body.id }).orderBy('id')
  const won = replies.find(({ status }) => status === 204)
  const requests = [made, won].map((reply) => reply?.headers.get('x-request-id'))
  for (const [index, entry] of audit.entries()) {
    t.like(entry, { actor: admin.keyId, channel: 'api', trace_id: requests[index] })
    t.regex(entry.address, /^(127\.0\.0\.1|::1)$/)
  }
  t.is(audit.length, 2)
})

test('the management API itself can be read and nothing else', async (t) => {
  const { admin } = t.context
  const path = `/resources/${MANAGEMENT_RESOURCE_ID}`
  const read = await admin.get(path)
  t.deepEqual(Object.keys(read.body.links), ['self'])
  t.is(read.body.scopes.length, managementScopes.length)
  t.is((await admin.get('/resources?built_in=true')).body.data.length, 1)
  const headers = { 'if-match': read.etag }
  for (const [method, body] of [
    ['PUT', { name: 'Mine' }],
    ['PATCH', { scopes: [] }],
    ['DELETE', undefined],
  ] as const) {
    const reply = await admin.send(method, path, { ...(body && { body }), headers })
    t.is(`${reply.status} ${problemOf(reply)}`, '403 built-in', method)
  }
})

test('links lead to what the caller may do', async (t) => {
  const made = await make(t.context)
  const reader = await callerWithKey(t.context.server, ['resources:read'])
  t.deepEqual(Object.keys(made.body.links), ['self', 'replace', 'update', 'delete'])
  t.deepEqual(Object.keys((await reader.get(`/resources/${made.body.id}`)).body.links), ['self'])
})

test('what is wrong with a resource is told with the place where it stands', async (t) => {
  const { admin } = t.context
  const [scope] = SCOPES
  for (const [body, pointer] of [
    [{ name: 'Notes' }, '#/audience'],
    [resource({ audience: 'notes' }), '#/audience'],
    [resource({ access_token_ttl: 5 }), '#/access_token_ttl'],
    [resource({ scopes: SCOPES, self_registered_scopes: ['nonsense'] }), '#/self_registered_scopes'],
    [resource({ signing_alg: 'HS256' }), '#/signing_alg'],
    [resource({ scopes: [{ name: 'openid', description: 'Mine' }] }), '#/scopes'],
    [resource({ scopes: [scope, scope] }), '#/scopes'],
    [resource({ scopes: [{ name: 'a' }] }), '#/scopes/0/description'],
    [resource({ built_in: true }), '#/built_in'],
  ] as const) {
    const reply = await admin.send('POST', '/resources', { body })
    t.is(reply.status, 400, JSON.stringify(body))
    const pointers = reply.body.errors.map((error: { pointer: string }) => error.pointer)
    t.true(pointers.includes(pointer), JSON.stringify(reply.body.errors))
  }
})

test('every operation refuses what is wrong, as a problem', async (t) => {
  const { server, admin } = t.context
  const made = await make(t.context)
  const path = `/resources/${made.body.id}`
  const missing = `/resources/${newId('res')}`
  const change = { missing, conditional: true, scope: 'resources:write' } as const
  await refusesWhatIsWrong(t, server, [
    { method: 'GET', path: '/resources', scope: 'resources:read' },
    { method: 'POST', path: '/resources', body: resource(), scope: 'resources:write' },
    { method: 'GET', path, missing, scope: 'resources:read' },
    { method: 'PUT', path, body: { name: 'X' }, ...change },
    { method: 'PATCH', path, body: { name: 'X' }, ...change },
    { method: 'DELETE', path, ...change },
  ])
  t.deepEqual((await admin.get(path)).body, made.body, 'nothing came of it')
  await tellsMethods(t, server, {
    '/resources': 'GET, HEAD, POST, OPTIONS',
    [path]: 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS',
  })
})

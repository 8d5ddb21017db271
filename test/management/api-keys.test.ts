/** What the management API promises of API keys. */
import anyTest, { type TestFn } from 'ava'
import { newId } from '../../src/lib/ids.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import {
  callerWith,
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

const KEY = { name: 'Machine', scopes: ['users:read'] }
const ANY = { headers: { 'if-match': '*' } }

async function make({ admin }: Parts, body: object = KEY): Promise<Reply> {
  const reply = await admin.send('POST', '/api-keys', { body })
  if (reply.status !== 201) throw new Error(JSON.stringify(reply.body))
  return reply
}

async function opens({ server }: Parts, value: string): Promise<boolean> {
  return (await callerWith(server, value).get('/users?limit=1')).status === 200
}

test('a key is made with a value that is told once and works, and read without it', async (t) => {
  const { admin, server } = t.context
  const made = await make(t.context)
  const { value, ...shown } = made.body
  t.regex(value, /^grk_/)
  t.true(await opens(t.context, value))
  t.is(made.headers.get('location'), shown.links.self.href)
  t.like(shown, { ...KEY, created_by: admin.keyId, expires_at: null, revoked_at: null, previous: null, version: 1 })
  const read = await admin.get(`/api-keys/${shown.id}`)
  t.like(read.body, { id: shown.id, hint: value.slice(-4), version: 1 })

  const repeated = { body: KEY, headers: { 'idempotency-key': 'api-key' } }
  const first = await admin.send('POST', '/api-keys', repeated)
  const again = await admin.send('POST', '/api-keys', repeated)
  t.deepEqual([again.body.id, again.body.value, again.status], [first.body.id, undefined, 201])
  const { rows } = await server.db.knex.raw<{ rows: { line: string }[] }>(
    `select t::text as line from api_keys t union all select t::text from events t
     union all select t::text from audit_log t union all select t::text from idempotency_keys t`,
  )
  const list = await admin.get('/api-keys?limit=100')
  const told = JSON.stringify([rows, list.body, read.body, server.logs])
  for (const secret of [value, first.body.value, admin.value]) t.false(told.includes(secret))

  const expiring = await make(t.context, { ...KEY, expires_at: '2099-01-01T00:00:00+02:00' })
  t.is(expiring.body.expires_at, '2098-12-31T22:00:00.000Z')
  const past = await admin.send('POST', '/api-keys', { body: { ...KEY, expires_at: '2020-01-01T00:00:00Z' } })
  t.deepEqual([past.status, past.body.errors[0].pointer], [400, '#/expires_at'])
})

test('keys are listed by filters, in any order, by cursor and by number', async (t) => {
  const { admin } = t.context
  const made = []
  for (const n of [1, 2, 3]) made.push((await make(t.context, { ...KEY, name: `Listed ${n}` })).body)
  await admin.send('DELETE', `/api-keys/${made[1].id}`, ANY)
  const names = async (query: string) => {
    const { status, body } = await admin.get(`/api-keys?limit=100&${query}`)
    if (status !== 200) return status
    const found = (body.data as { name: string }[]).map(({ name }) => name)
    return found.filter((name) => name.startsWith('Listed')).map((name) => name.at(-1)).join('') // prettier-ignore
  }
  t.is(await names(''), '321')
  t.is(await names('sort=name'), '123')
  // None was used: such keys stand last, in whatever order.
  t.is(String(await names('sort=-last_used_at')).length, 3)
  t.is(await names('revoked=true'), '2')
  t.is(await names('revoked=false'), '31')
  t.is(await names('expired=true'), '')
  t.is(await names('created_at[gte]=2999-01-01T00:00:00Z'), '')
  t.is(await names('sort=value'), 400)
  const seen: string[] = []
  for (let cursor = ''; ;) {
    const { body } = await admin.get(`/api-keys?limit=2&sort=last_used_at${cursor}`)
    seen.push(...body.data.map(({ id }: { id: string }) => id))
    if (!body.pagination.has_more) break
    cursor = `&cursor=${body.pagination.next_cursor}`
  }
  t.is(new Set(seen).size, seen.length)
  for (const { id } of made) t.true(seen.includes(id))
  t.like((await admin.get('/api-keys?page=1&limit=2')).body.pagination, { page: 1, has_next: true })
  t.regex((await admin.get('/api-keys', { accept: 'text/csv' })).body, /^id,name,hint,scopes,/)
})

test('nobody hands out more than they have; what is taken away may be taken by anybody who may write keys', async (t) => {
  const { admin, server } = t.context
  const small = await callerWithKey(server, ['api-keys:read', 'api-keys:write', 'users:read'])
  const refused = (reply: Reply) => t.is(`${reply.status} ${problemOf(reply)}`, '403 privilege-raised')
  const wide = { name: 'Wide', scopes: ['users:read', 'keys:write'] }
  refused(await small.send('POST', '/api-keys', { body: wide }))
  t.is((await small.send('POST', '/api-keys', { body: KEY })).status, 201)

  const { body: strong } = await make(t.context, { ...wide, scopes: [...wide.scopes, 'clients:read'] })
  const path = `/api-keys/${strong.id}`
  refused(await small.send('POST', `${path}/rotations`, { body: { overlap_seconds: 0 } }))
  refused(await small.send('PATCH', path, { body: { scopes: [...wide.scopes, 'clients:write'] }, ...ANY }))
  refused(await small.send('PATCH', `/api-keys/${small.keyId}`, { body: { scopes: [...managementScopes] }, ...ANY }))
  t.is((await small.get(path)).body.links.rotate, undefined)
  t.deepEqual((await admin.get(path)).body.scopes.length, 3)

  const narrowed = await small.send('PATCH', path, { body: { scopes: wide.scopes }, ...ANY })
  t.deepEqual(narrowed.body.scopes, ['users:read', 'keys:write'])
  refused(await small.send('PATCH', path, { body: { scopes: [...wide.scopes, 'clients:read'] }, ...ANY }))
  t.is((await small.send('DELETE', path, ANY)).status, 204)
})

test('a key is renamed and narrowed, of two changes of what was read one is made, and it is kept who did it', async (t) => {
  const { admin, server } = t.context
  const made = await make(t.context, { ...KEY, scopes: ['users:read', 'clients:read'] })
  const path = `/api-keys/${made.body.id}`
  const headers = { 'if-match': made.etag }
  const change = (name: string) => admin.send('PATCH', path, { body: { name, scopes: ['clients:read'] }, headers })
  const replies = await Promise.all(['A', 'B'].map(change))
  t.deepEqual(replies.map(({ status }) => status).toSorted(), [200, 412])
  const won = replies.find(({ status }) => status === 200)
  t.deepEqual(won?.body.scopes, ['clients:read'])
  t.false(await opens(t.context, made.body.value), 'what was taken away is gone at once')
  const audit = await server.db.knex('audit_log').where({ subject_id: made.body.id }).orderBy('id')
  t.deepEqual(
    audit.map(({ action }: Record<string, string>) => action),
    ['api_key.create', 'api_key.update'],
  )
  const trace_id = won?.headers.get('x-request-id')
  t.like(audit[1], { actor: admin.keyId, channel: 'api', trace_id })
  t.regex(audit[1].address, /^(127\.0\.0\.1|::1)$/)
})

test('a key that was used since has another tag, and the older one is still good for a change', async (t) => {
  const { admin } = t.context
  const made = await make(t.context)
  const path = `/api-keys/${made.body.id}`
  const unchanged = () => admin.get(path, { 'if-none-match': made.etag })
  t.is((await unchanged()).status, 304, 'the secret that was shown once is no part of it')
  t.true(await opens(t.context, made.body.value))
  const used = await unchanged()
  t.is(used.status, 200)
  t.truthy(used.body.last_used_at)
  const renamed = await admin.send('PATCH', path, { body: { name: 'Used' }, headers: { 'if-match': made.etag } })
  t.is(renamed.status, 200)
})

test('a rotated key has two values until the overlap ends, and is rotated again only then', async (t) => {
  const { admin } = t.context
  const made = await make(t.context)
  const path = `/api-keys/${made.body.id}/rotations`
  const request = { body: { overlap_seconds: 600 }, headers: { 'idempotency-key': 'key-rotation' } }
  const [first, replayed] = [await admin.send('POST', path, request), await admin.send('POST', path, request)]
  t.is(first.status, 200)
  t.deepEqual([replayed.status, replayed.body.value, replayed.body.hint], [200, undefined, first.body.hint])
  t.true(await opens(t.context, made.body.value))
  t.true(await opens(t.context, first.body.value))
  t.is(first.body.previous.hint, made.body.hint)
  t.is(first.body.links.rotate, undefined)
  const soon = await admin.send('POST', path)
  t.is(`${soon.status} ${problemOf(soon)}`, '409 overlap-runs')

  const other = await make(t.context)
  const leaked = { body: { overlap_seconds: 0 } }
  const rotated = await admin.send('POST', `/api-keys/${other.body.id}/rotations`, leaked)
  t.false(await opens(t.context, other.body.value))
  t.true(await opens(t.context, rotated.body.value))
})

test('a revoked key opens nothing, stays in the list, and changes no more', async (t) => {
  const { admin, server } = t.context
  const made = await make(t.context)
  const path = `/api-keys/${made.body.id}`
  const statuses = await Promise.all([1, 2].map(async () => (await admin.send('DELETE', path, ANY)).status))
  t.deepEqual(statuses, [204, 204])
  t.false(await opens(t.context, made.body.value))
  const read = await admin.get(path)
  t.regex(read.body.revoked_at, /^20/)
  t.deepEqual(Object.keys(read.body.links), ['self'])
  for (const reply of [
    await admin.send('PATCH', path, { body: { name: 'Again' }, ...ANY }),
    await admin.send('POST', `${path}/rotations`, { body: {} }),
  ]) {
    t.is(`${reply.status} ${problemOf(reply)}`, '409 key-ended')
  }
  const revocations = await server.db.knex('events').where({ subject: made.body.id, type: 'api_key.revoked' })
  t.is(revocations.length, 1)
})

test('every operation refuses what is wrong, as a problem', async (t) => {
  const { admin, server } = t.context
  const made = await make(t.context)
  const path = `/api-keys/${made.body.id}`
  const missing = `/api-keys/${newId('apk')}`
  const change = { missing, conditional: true, scope: 'api-keys:write' } as const
  for (const [body, pointer] of [
    [{ name: 'X' }, '#/scopes'],
    [{ ...KEY, scopes: [] }, '#/scopes'],
    [{ ...KEY, scopes: ['users:fly'] }, '#/scopes/0'],
    [{ ...KEY, value: 'grk_mine' }, '#/value'],
    [{ ...KEY, expires_at: 'tomorrow' }, '#/expires_at'],
  ] as const) {
    const reply = await admin.send('POST', '/api-keys', { body })
    t.deepEqual([reply.status, reply.body.errors[0].pointer], [400, pointer])
  }
  await refusesWhatIsWrong(t, server, [
    { method: 'GET', path: '/api-keys', scope: 'api-keys:read' },
    { method: 'POST', path: '/api-keys', body: KEY, scope: 'api-keys:write' },
    { method: 'GET', path, missing, scope: 'api-keys:read' },
    { method: 'PATCH', path, body: { name: 'X' }, ...change },
    { method: 'DELETE', path, ...change },
    { method: 'POST', path: `${path}/rotations`, missing: `${missing}/rotations`, body: { overlap_seconds: 0 }, scope: 'api-keys:write' }, // prettier-ignore
  ])
  t.like((await admin.get(path)).body, { name: KEY.name, version: 1, revoked_at: null }, 'nothing came of it')
  await tellsMethods(t, server, {
    '/api-keys': 'GET, HEAD, POST, OPTIONS',
    [path]: 'GET, HEAD, PATCH, DELETE, OPTIONS',
    [`${path}/rotations`]: 'POST, OPTIONS',
  })
})

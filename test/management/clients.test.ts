/** What the management API promises of clients and their secrets. */
import anyTest, { type TestFn } from 'ava'
import { ACCOUNT_CLIENT_ID } from '../../src/registry/clients/client.ts'
import { MANAGEMENT_RESOURCE_ID } from '../../src/registry/management-scopes.ts'
import { newId } from '../../src/lib/ids.ts'
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
import { API, buildResource } from '../support/registry.ts'

interface Parts {
  server: TestServer
  admin: ApiCaller
}

const test = anyTest as TestFn<Parts>
const ends: (() => unknown)[] = []
let parts: Parts

test.before(async () => {
  const server = await startAuthServer({ teardown: (end) => void ends.unshift(end) })
  await buildResource(server.db)
  parts = { server, admin: await callerWithKey(server) }
})
test.beforeEach((t) => {
  t.context = parts
})
test.after.always(async () => {
  for (const end of ends) await end()
})

const READ = [{ resource: API, scopes: ['orders:read'] }]
const WEB = { kind: 'web', name: 'Web', redirect_uris: ['https://app.example.com/callback'] }
const SERVICE = { kind: 'service', name: 'Machine' }
const managing = (...scopes: string[]) => [{ resource: MANAGEMENT_RESOURCE_ID, scopes }]

async function make({ admin }: Parts, body: object = SERVICE): Promise<Reply> {
  const reply = await admin.send('POST', '/clients', { body })
  if (reply.status !== 201) throw new Error(JSON.stringify(reply.body))
  return reply
}

async function tokenOf({ server }: Parts, { body }: Reply, parameters: Record<string, string>): Promise<Response> {
  return fetch(`${server.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${body.id}:${body.client_secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...parameters }),
  })
}

async function traces({ server: { db } }: Parts, id: string) {
  const events = await db.knex('events').where({ subject: id }).orderBy('id').select('type', 'actor')
  const audit = await db.knex('audit_log').where({ subject_id: id }).orderBy('id')
  return {
    events: events.map(({ type, actor }: Record<string, string>) => [type, actor]),
    audit: audit as Record<string, unknown>[],
  }
}

test('a client is registered with a secret that is told once and works, and read as it was answered', async (t) => {
  const made = await make(t.context, { ...SERVICE, access: READ })
  const { client_secret: secret, ...shown } = made.body
  t.regex(secret, /^gcs_/)
  t.is(made.headers.get('location'), shown.links.self.href)
  const read = await t.context.admin.get(`/clients/${shown.id}`)
  t.is(read.status, 200)
  t.deepEqual(read.body, shown)
  t.is(read.etag, made.etag)
  t.is((await t.context.admin.get(`/clients/${shown.id}`, { 'if-none-match': read.etag })).status, 304)
  t.deepEqual(
    shown.access.map(({ audience, scopes }: Record<string, unknown>) => ({ audience, scopes })),
    [{ audience: API, scopes: ['orders:read'] }],
  )
  t.is((await tokenOf(t.context, made, { scope: 'orders:read', resource: API })).status, 200)

  const spa = await make(t.context, { ...WEB, kind: 'spa' })
  t.is(spa.body.client_secret, null)
  t.deepEqual(spa.body.allowed_origins, ['https://app.example.com'])
})

test('a client says where it is told of logouts; a replacement that says nothing takes that away', async (t) => {
  const told = {
    backchannel_logout_uri: 'https://app.example.com/logged-out',
    backchannel_logout_session_required: true,
  }
  const { id, ...made } = (await make(t.context, { ...WEB, access: READ, ...told })).body
  t.like(made, told)
  const path = `/clients/${id}`
  const send = async (method: string, body: object) =>
    t.context.admin.send(method, path, {
      body,
      headers: { 'if-match': (await t.context.admin.get(path)).etag ?? '' },
    })
  t.like((await send('PATCH', { name: 'Renamed' })).body, told)
  const bent = await send('PATCH', { backchannel_logout_uri: 'ftp://app.example.com/' })
  t.deepEqual([bent.status, bent.body.errors[0].pointer], [400, '#/backchannel_logout_uri'])
  const { kind: _kind, ...settings } = WEB
  const replaced = await send('PUT', settings)
  t.like(replaced.body, { backchannel_logout_uri: null, backchannel_logout_session_required: false })
})

test('a client can be held to proofs of its key, and let go again', async (t) => {
  const { id } = (await make(t.context, { ...SERVICE, dpop_bound_access_tokens: true, access: READ })).body
  const path = `/clients/${id}`
  t.true((await t.context.admin.get(path)).body.dpop_bound_access_tokens)
  const change = async (dpop_bound_access_tokens: boolean) =>
    t.context.admin.send('PATCH', path, {
      body: { dpop_bound_access_tokens },
      headers: { 'if-match': (await t.context.admin.get(path)).etag ?? '' },
    })
  t.false((await change(false)).body.dpop_bound_access_tokens)
  t.true((await change(true)).body.dpop_bound_access_tokens)
})

test('a service exchanges tokens of the APIs that are named; a replacement that names none takes the grant away', async (t) => {
  const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const settings = { ...SERVICE, grant_types: ['client_credentials', exchange], access: READ }
  const made = await make(t.context, { ...settings, exchange_from: [API] })
  t.deepEqual(made.body.exchange_from, [API])
  const none = await t.context.admin.send('POST', '/clients', { body: settings })
  t.is(none.status, 400)
  const headers = { 'if-match': (await t.context.admin.get(`/clients/${made.body.id}`)).etag ?? '' }
  const replaced = await t.context.admin.send('PUT', `/clients/${made.body.id}`, { body: SERVICE, headers })
  t.like(replaced.body, { grant_types: ['client_credentials'], exchange_from: [] })
})

test('a secret is in no list, no replay, no log and no row', async (t) => {
  const { admin, server } = t.context
  const headers = { 'idempotency-key': '"a-secret-client"' }
  const first = await admin.send('POST', '/clients', { body: SERVICE, headers })
  const again = await admin.send('POST', '/clients', { body: SERVICE, headers })
  t.is(again.status, 201)
  t.is(again.headers.get('idempotent-replayed'), 'true')
  t.is(again.body.id, first.body.id)
  t.is(again.body.client_secret, undefined)

  const path = `/clients/${first.body.id}/secrets`
  const rotation = { body: { overlap_seconds: 60 }, headers: { 'idempotency-key': 'rotation' } }
  const [rotated, replayed] = [await admin.send('POST', path, rotation), await admin.send('POST', path, rotation)]
  t.is(replayed.body.id, rotated.body.id)
  t.is(replayed.body.client_secret, undefined)
  const secrets = [first.body.client_secret, rotated.body.client_secret] as string[]
  const { rows } = await server.db.knex.raw<{ rows: { line: string }[] }>(
    `select t::text as line from clients t union all select t::text from client_secrets t
     union all select t::text from events t union all select t::text from audit_log t
     union all select t::text from idempotency_keys t`,
  )
  const told = JSON.stringify([
    (await admin.get('/clients?limit=100')).body,
    (await admin.get(`/clients/${first.body.id}`)).body,
    (await admin.get(path)).body,
    (await admin.get('/clients?limit=100', { accept: 'text/csv' })).body,
    server.logs,
    rows,
  ])
  t.true(told.includes(secrets[1]!.slice(-4)), 'the hint is there')
  for (const secret of [...secrets, admin.value]) t.false(told.includes(secret))
})

test('of two registrations at once with one key there is one client', async (t) => {
  const { admin } = t.context
  const name = 'Made once'
  const send = () =>
    admin.send('POST', '/clients', { body: { ...SERVICE, name }, headers: { 'idempotency-key': 'once' } })
  const replies = await Promise.all([send(), send(), send()])
  t.true(replies.every(({ status }) => status === 201 || status === 409))
  t.is((await admin.get(`/clients?q=${encodeURIComponent(name)}`)).body.data.length, 1)
  const other = await admin.send('POST', '/clients', { body: SERVICE, headers: { 'idempotency-key': 'once' } })
  t.is(`${other.status} ${problemOf(other)}`, '422 idempotency-key-reused')
})

test('clients are listed by filters, in any order, by cursor and by number, as JSON and CSV', async (t) => {
  const { admin } = t.context
  for (const n of [1, 2, 3]) {
    await make(t.context, { ...WEB, kind: n === 3 ? 'native' : 'web', name: `Listed ${n}`, redirect_uris: ['https://a.example/'], first_party: n === 1 }) // prettier-ignore
  }
  const names = async (query: string) => {
    const reply = await admin.get(`/clients?q=listed&${query}`)
    return reply.status === 200
      ? reply.body.data.map(({ name }: { name: string }) => name.at(-1)).join('')
      : reply.status
  }
  t.is(await names(''), '321')
  t.is(await names('sort=name'), '123')
  t.is(await names('kind=web&sort=-name'), '21')
  t.is(await names('first_party=true'), '1')
  t.is(await names('disabled=true'), '')
  t.is(await names('created_at[gte]=2020-01-01T00:00:00Z&created_at[lt]=2021-01-01T00:00:00Z'), '')
  t.is(await names('kind=nonsense'), 400)
  t.is(await names('sort=secret'), 400)

  const first = await admin.get('/clients?q=listed&sort=name&limit=2&include=total_count')
  t.true(first.body.pagination.has_more)
  t.is(first.body.pagination.total_items ?? first.body.pagination.total_count, 3)
  const next = await fetch(first.body.links.next, { headers: { authorization: `Bearer ${admin.value}` } })
  const { data } = (await next.json()) as { data: { name: string; access: unknown; secrets: unknown }[] }
  t.deepEqual(data.map(({ name }) => name), ['Listed 3']) // prettier-ignore
  t.true(Array.isArray(data[0]?.access) && Array.isArray(data[0]?.secrets))
  const foreign = await admin.get(`/clients?sort=-name&cursor=${first.body.pagination.next_cursor}`)
  t.is(problemOf(foreign), 'cursor-mismatch')
  const second = await admin.get('/clients?q=listed&sort=name&page=2&limit=2')
  t.like(second.body.pagination, { page: 2, limit: 2 })
  t.is(second.body.data.length, 1)

  const csv = await admin.get('/clients?q=listed&sort=name', { accept: 'text/csv' })
  t.regex(csv.body, /^id,kind,name,[^\n]*\n[^\n]*cli_[a-z2-7]{26},web,Listed 1,/)
  t.deepEqual((await admin.get('/clients?q=listed&limit=1&sort=name&fields=id,name')).body.data.map(Object.keys), [['id', 'name', 'links']]) // prettier-ignore
})

test('PUT sets a client as a whole: what is left out takes its default, and its kind stays', async (t) => {
  const { admin } = t.context
  const made = await make(t.context, { ...WEB, access: READ, post_logout_redirect_uris: ['https://app.example.com/'] })
  const path = `/clients/${made.body.id}`
  const { kind: _kind, ...body } = { ...WEB, name: 'Replaced' }
  const headers = { 'if-match': made.etag }
  const other = await admin.send('PUT', path, { body: { ...body, kind: 'spa' }, headers })
  t.is(other.body.errors[0].pointer, '#/kind')
  const replaced = await admin.send('PUT', path, { body, headers })
  t.is(replaced.status, 200)
  t.like(replaced.body, { kind: 'web', name: 'Replaced', version: 2 })
  t.deepEqual([replaced.body.access, replaced.body.post_logout_redirect_uris], [[], []])
  t.not(replaced.etag, made.etag)
  const same = await admin.send('PUT', path, { body: { ...body, kind: 'web' }, headers: { 'if-match': replaced.etag } })
  t.is(same.body.version, 2, 'a change that changes nothing is none')
  t.is(problemOf(await admin.send('PUT', path, { body, headers })), 'precondition-failed')
})

test('PATCH changes, disables and enables in one step, and each write says who, whence and in which request', async (t) => {
  const { admin } = t.context
  const made = await make(t.context, { ...SERVICE, access: managing('users:read') })
  const path = `/clients/${made.body.id}`
  const issued = await tokenOf(t.context, made, { scope: 'users:read', resource: `${t.context.server.issuer}/api` })
  const { access_token: token } = (await issued.json()) as { access_token: string }
  const service = callerWith(t.context.server, token)
  t.is((await service.get('/users')).status, 200)

  const body = { name: 'Renamed', disabled: true }
  const disabled = await admin.send('PATCH', path, { body, headers: { 'if-match': made.etag } })
  t.like(disabled.body, { name: 'Renamed', disabled: true, version: 3 })
  t.is(disabled.body.links.disable, undefined)
  t.is(disabled.body.links.enable.method, 'PATCH')
  t.is((await service.get('/users')).status, 401, 'its tokens end with it')
  t.is((await tokenOf(t.context, made, { scope: 'users:read' })).status, 401)

  const json = { 'if-match': disabled.etag, 'content-type': 'application/json' }
  const enabled = await admin.send('PATCH', path, { body: { disabled: false }, headers: json })
  t.like(enabled.body, { disabled: false, disabled_at: null })
  t.is(enabled.body.links.enable, undefined)
  t.is((await service.get('/users')).status, 401, 'nothing is revived')

  const { events, audit } = await traces(t.context, made.body.id)
  const types = ['client.created', 'client.updated', 'client.disabled', 'client.enabled']
  t.deepEqual(
    events,
    types.map((type) => [type, admin.keyId]),
  )
  t.deepEqual(
    audit.map(({ action }) => action),
    ['client.create', 'client.update', 'client.disable', 'client.enable'],
  )
  const requests = [made, disabled, disabled, enabled].map(({ headers }) => headers.get('x-request-id'))
  for (const [index, entry] of audit.entries()) {
    t.like(entry, { actor: admin.keyId, channel: 'api', trace_id: requests[index] })
    t.regex(String(entry.address), /^(127\.0\.0\.1|::1)$/)
  }
})

test('of two changes of what was read one is made, and the other is told', async (t) => {
  const { admin } = t.context
  const made = await make(t.context)
  const headers = { 'if-match': made.etag }
  const change = (name: string) => admin.send('PATCH', `/clients/${made.body.id}`, { body: { name }, headers })
  const replies = await Promise.all(['A', 'B', 'C'].map(change))
  const won = replies.filter(({ status }) => status === 200)
  t.is(won.length, 1)
  for (const lost of replies.filter((reply) => reply !== won[0])) t.is(problemOf(lost), 'precondition-failed')
  t.is((await admin.get(`/clients/${made.body.id}`)).body.name, won[0]?.body.name)
})

test('a deleted client is gone with its tokens, and of several deletions one does it', async (t) => {
  const { admin, server } = t.context
  const made = await make(t.context, { ...SERVICE, access: managing('users:read') })
  const path = `/clients/${made.body.id}`
  const issued = await tokenOf(t.context, made, { scope: 'users:read', resource: `${server.issuer}/api` })
  const { access_token: token } = (await issued.json()) as { access_token: string }
  const headers = { 'if-match': made.etag }
  const replies = await Promise.all([1, 2, 3].map(() => admin.send('DELETE', path, { headers })))
  t.deepEqual(replies.map(({ status }) => status).toSorted(), [204, 404, 404])
  t.is((await admin.get(path)).status, 404)
  t.is((await callerWith(server, token).get('/users')).status, 401)
  t.is((await tokenOf(t.context, made, { scope: 'users:read' })).status, 401)
  const { events } = await traces(t.context, made.body.id)
  t.deepEqual(events, [['client.created', admin.keyId], ['client.deleted', admin.keyId]]) // prettier-ignore
})

test('secrets are rotated with an overlap and ended one by one; the last one stays', async (t) => {
  const { admin } = t.context
  const made = await make(t.context, { ...SERVICE, access: READ })
  const path = `/clients/${made.body.id}/secrets`
  const works = async (secret: string) =>
    (await tokenOf(t.context, { ...made, body: { id: made.body.id, client_secret: secret } }, { scope: 'orders:read', resource: API })).ok // prettier-ignore
  const rotated = await admin.send('POST', path, { body: { overlap_seconds: 600 } })
  t.is(rotated.status, 201)
  t.true(await works(made.body.client_secret))
  t.true(await works(rotated.body.client_secret))
  const list = await admin.get(path)
  t.deepEqual(list.body.data.map(({ id }: { id: string }) => id), [made.body.secrets[0].id, rotated.body.id]) // prettier-ignore
  t.is(
    (await admin.get(`/clients/${made.body.id}`, { 'if-none-match': made.etag })).status,
    200,
    'it shows its secrets',
  )
  const page = await admin.get(`${path}?limit=1`)
  t.is((await admin.get(`${path}?limit=1&cursor=${page.body.pagination.next_cursor}`)).body.data[0].id, rotated.body.id)

  const [old, fresh] = list.body.data.map(({ links }: { links: { delete: { href: string } } }) => links.delete.href)
  t.is((await admin.send('DELETE', `${path}/${made.body.secrets[0].id}`)).status, 204)
  t.true(old.endsWith(`${path}/${made.body.secrets[0].id}`))
  t.true(fresh.endsWith(`${path}/${rotated.body.id}`))
  t.false(await works(made.body.client_secret))
  const last = await admin.send('DELETE', `${path}/${rotated.body.id}`)
  t.is(`${last.status} ${problemOf(last)}`, '409 last-secret')
  t.true(await works(rotated.body.client_secret))
  const plain = await admin.send('POST', path)
  t.is(plain.status, 201, 'without a body the overlap is a day')
  t.is((await admin.get(path)).body.data.length, 2)

  const spa = await make(t.context, { ...WEB, kind: 'spa' })
  const refused = await admin.send('POST', `/clients/${spa.body.id}/secrets`, { body: {} })
  t.is(`${refused.status} ${problemOf(refused)}`, '409 no-secret')
  t.is(spa.body.links.secrets, undefined)
})

test('nobody gives, takes over or ends a client that can do more with the management API than they', async (t) => {
  const { admin, server } = t.context
  const small = await callerWithKey(server, ['clients:read', 'clients:write', 'users:read'])
  const refused = (reply: Reply) => t.is(`${reply.status} ${problemOf(reply)}`, '403 privilege-raised')
  const before = (await admin.get('/clients?include=total_count&limit=1')).body.pagination
  const body = { ...SERVICE, access: managing('users:read', 'users:write') }
  const creation = await small.send('POST', '/clients', { body })
  refused(creation)
  t.regex(creation.body.detail, /lacks users:write/)
  t.deepEqual((await admin.get('/clients?include=total_count&limit=1')).body.pagination.total_count, before.total_count)

  const within = await small.send('POST', '/clients', { body: { ...SERVICE, access: managing('users:read') } })
  t.is(within.status, 201)
  const widen = { access: managing('users:read', 'keys:write') }
  refused(await small.send('PATCH', `/clients/${within.body.id}`, { body: widen, headers: { 'if-match': '*' } }))

  const { body: strong } = await make(t.context, body)
  const path = `/clients/${strong.id}`
  const headers = { 'if-match': '*' }
  refused(await small.send('PATCH', path, { body: { name: 'Mine' }, headers }))
  refused(await small.send('PATCH', path, { body: { access: [] }, headers }))
  refused(await small.send('PATCH', path, { body: { disabled: true }, headers }))
  refused(await small.send('PUT', path, { body: { name: 'Mine' }, headers }))
  refused(await small.send('POST', `${path}/secrets`, { body: { overlap_seconds: 0 } }))
  refused(await small.send('DELETE', `${path}/secrets/${strong.secrets[0].id}`))
  refused(await small.send('DELETE', path, { headers }))
  const { client_secret: _told, links, ...unchanged } = strong
  const seen = await small.get(path)
  t.like(seen.body, unchanged)
  t.deepEqual(Object.keys(seen.body.links), ['self', 'secrets'])
  t.deepEqual(Object.keys(links), ['self', 'secrets', 'rotate_secret', 'replace', 'update', 'disable', 'delete'])
})

test('a client that is given more while a weaker caller changes it is judged as it then is', async (t) => {
  const { admin, server } = t.context
  const small = await callerWithKey(server, ['clients:read', 'clients:write'])
  for (let round = 0; round < 5; round += 1) {
    const { body } = await make(t.context)
    const path = `/clients/${body.id}`
    const headers = { 'if-match': '*' }
    const [given, rotated] = await Promise.all([
      admin.send('PATCH', path, { body: { access: managing('keys:write') }, headers }),
      small.send('POST', `${path}/secrets`, { body: { overlap_seconds: 0 } }),
    ])
    t.is(given.status, 200)
    const order = (await traces(t.context, body.id)).events.map(([type]) => type)
    if (rotated.status === 201) t.true(order.indexOf('client.secret_rotated') < order.indexOf('client.updated'))
    else t.is(problemOf(rotated), 'privilege-raised')
  }
})

test('the built-in client can be read and nothing else', async (t) => {
  const { admin } = t.context
  const path = `/clients/${ACCOUNT_CLIENT_ID}`
  const read = await admin.get(path)
  t.deepEqual(Object.keys(read.body.links), ['self'])
  const headers = { 'if-match': read.etag }
  for (const [method, body] of [
    ['PUT', { name: 'Mine', redirect_uris: ['https://evil.example/'] }],
    ['PATCH', { name: 'Mine' }],
    ['PATCH', { disabled: true }],
    ['DELETE', undefined],
  ] as const) {
    const reply = await admin.send(method, path, { ...(body && { body }), headers })
    t.is(`${reply.status} ${problemOf(reply)}`, '403 built-in', method)
  }
})

test('what is wrong with a client is told with the place where it stands', async (t) => {
  const { admin } = t.context
  for (const [body, pointer] of [
    [{ ...WEB, redirect_uris: ['http://app.example.com/'] }, '#/redirect_uris'],
    [{ ...WEB, redirect_uris: [5] }, '#/redirect_uris/0'],
    [{ ...WEB, access: [{ resource: API, scopes: ['orders:fly'] }] }, '#/access'],
    [{ ...WEB, access: [{ resource: API, scopes: [] }] }, '#/access/0/scopes'],
    [{ ...WEB, kind: 'tv' }, '#/kind'],
    [{ kind: 'web' }, '#/name'],
    [{ ...WEB, name: 'a\u0000b' }, '#/name'],
    [{ ...WEB, id: 'cli_mine' }, '#/id'],
    [{ ...SERVICE, grant_types: ['authorization_code'] }, '#/grant_types'],
  ] as const) {
    const reply = await admin.send('POST', '/clients', { body })
    t.is(reply.status, 400, JSON.stringify(body))
    t.true(
      reply.body.errors.some((error: { pointer: string }) => error.pointer === pointer),
      JSON.stringify(reply.body.errors),
    )
  }
})

test('every operation refuses what is wrong, as a problem', async (t) => {
  const { server } = t.context
  const { body: client } = await make(t.context, WEB)
  const rotated = await t.context.admin.send('POST', `/clients/${client.id}/secrets`)
  const path = `/clients/${client.id}`
  const missing = `/clients/${newId('cli')}`
  const secret = `${path}/secrets/${rotated.body.id}`
  const { kind: _kind, ...settings } = WEB
  await refusesWhatIsWrong(t, server, [
    { method: 'GET', path: '/clients', scope: 'clients:read' },
    { method: 'POST', path: '/clients', body: WEB, scope: 'clients:write' },
    { method: 'GET', path, missing, scope: 'clients:read' },
    { method: 'PUT', path, missing, body: settings, conditional: true, scope: 'clients:write' },
    { method: 'PATCH', path, missing, body: { name: 'X' }, conditional: true, scope: 'clients:write' },
    { method: 'DELETE', path, missing, conditional: true, scope: 'clients:write' },
    { method: 'GET', path: `${path}/secrets`, missing: `${missing}/secrets`, scope: 'clients:read' },
    { method: 'POST', path: `${path}/secrets`, missing: `${missing}/secrets`, body: { overlap_seconds: 0 }, scope: 'clients:write' }, // prettier-ignore
    { method: 'DELETE', path: secret, missing: `${path}/secrets/${newId('sec')}`, scope: 'clients:write' },
  ])
  const after = (await t.context.admin.get(path)).body
  t.like(after, { name: client.name, version: 2 }, 'nothing came of it')
  await tellsMethods(t, server, {
    '/clients': 'GET, HEAD, POST, OPTIONS',
    [path]: 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS',
    [`${path}/secrets`]: 'GET, HEAD, POST, OPTIONS',
    [secret]: 'DELETE, OPTIONS',
  })
})

/** Accounts in the management API: made, read, replaced, changed and deleted, by those who may. */
import anyTest, { type TestFn } from 'ava'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { findCredentials } from '../../src/registry/users/queries.ts'
import { hasher, waitingForLocks } from '../registry/people.ts'
import { ifMatch, startManagement, type Caller, type Management, type Reply } from '../support/management.ts'
import { buildClient, buildUser, PASSWORD } from '../support/registry.ts'
import { redeem, Visitor } from '../support/visitor.ts'

interface Parts extends Management {
  /** Has every scope of users and nothing else. */
  clerk: Caller
  /** Has every scope there is for what stands here. */
  admin: Caller
}

const test = anyTest as TestFn<Parts>
const ends: (() => unknown)[] = []

const NEW_PASSWORD = 'saddle thirteen envelope plywood'

test.before(async (t) => {
  const management = await startManagement({ teardown: (end) => void ends.unshift(end) })
  t.context = {
    ...management,
    clerk: await management.withKey('users:read', 'users:write'),
    admin: await management.withKey(...managementScopes),
  }
})

test.after.always(async () => {
  for (const end of ends) await end()
})

let count = 0
const freshName = () => `someone${(count += 1)}`

/** A user made through the API. */
async function make(as: Caller, given: object = {}): Promise<Reply> {
  return as('POST', '/users', { body: { username: freshName(), password: PASSWORD, ...given } })
}

function problemOf({ status, body }: Reply): string {
  return `${status} ${String(body.type).split('#')[1]}`
}

function pointers({ body }: Reply): unknown {
  return (body.errors as { pointer?: string; parameter?: string }[]).map(
    ({ pointer, parameter }) => pointer ?? parameter,
  )
}

test('a user is made, and read as it was made', async (t) => {
  const { clerk, server } = t.context
  const given = {
    username: 'Ada.Lovelace',
    email: 'ADA@example.com',
    email_verified: true,
    name: 'Ada',
    roles: ['staff'],
  }
  const made = await clerk('POST', '/users', { body: { ...given, password: PASSWORD } })
  t.is(made.status, 201)
  const { id } = made.body
  t.is(new URL(made.headers.get('location') ?? '', server.issuer).pathname, `/api/v1/users/${id}`)
  t.like(made.body, {
    username: 'ada.lovelace',
    email: 'ada@example.com',
    email_verified: true,
    name: 'Ada',
    roles: ['staff'],
    disabled: false,
    disabled_at: null,
    version: 1,
  })
  const read = await clerk('GET', `/users/${id}`)
  t.deepEqual([read.status, read.body], [200, made.body])
  t.is(read.headers.get('etag'), made.headers.get('etag'))
  const { passwordHash } = (await findCredentials(server.db.pool, 'ada.lovelace'))!
  t.true((await hasher.verify(passwordHash, PASSWORD)).valid)
  t.notRegex(JSON.stringify([made.body, read.body]), /argon2|hash|otters/)
})

test('a request to make a user that is sent twice makes one', async (t) => {
  const { clerk, server } = t.context
  const sending = {
    body: { username: freshName(), password: PASSWORD },
    headers: { 'idempotency-key': '"once-please"' },
  }
  const [first, second] = [await clerk('POST', '/users', sending), await clerk('POST', '/users', sending)]
  t.deepEqual([first.status, second.status], [201, 201])
  t.is(first.body.id, second.body.id)
  t.is((await server.db.knex('users').where({ username: sending.body.username })).length, 1)
})

test('what can not be a user is refused, with the place of each fault', async (t) => {
  const { clerk } = t.context
  const refused = async (body: object) => {
    const reply = await clerk('POST', '/users', { body })
    return [problemOf(reply), pointers(reply)]
  }
  const good = { username: 'nobody', password: PASSWORD }
  t.deepEqual(await refused({ ...good, username: 'no body' }), ['400 invalid-request', ['#/username']])
  t.deepEqual(await refused({ ...good, email: 'nowhere' }), ['400 invalid-request', ['#/email']])
  t.deepEqual(await refused({ ...good, name: 'a\u202eb' }), ['400 invalid-request', ['#/name']])
  t.deepEqual(await refused({ ...good, roles: ['not a role'] }), ['400 invalid-request', ['#/roles']])
  t.deepEqual(await refused({ ...good, password: 'short' }), ['400 invalid-request', ['#/password']])
  t.deepEqual(await refused({ ...good, nickname: 'x', id: 'usr_1' }), ['400 invalid-request', ['#/nickname', '#/id']])
  t.deepEqual(await refused({ username: 'nobody' }), ['400 invalid-request', ['#/password']])
  t.is((await clerk('GET', '/users?username=nobody')).body.data.length, 0)
})

test('a username or address that somebody has is refused, and says which', async (t) => {
  const { clerk } = t.context
  const { body: ada } = await make(clerk, { email: `${freshName()}@example.com` })
  t.is(problemOf(await make(clerk, { username: ada.username.toUpperCase() })), '409 username-taken')
  t.is(problemOf(await make(clerk, { email: ada.email })), '409 email-taken')
  const other = await make(clerk)
  const sending = { body: { username: ada.username }, headers: ifMatch(other) }
  t.is(problemOf(await clerk('PATCH', `/users/${other.body.id}`, sending)), '409 username-taken')
})

test('replacing a user clears what is left out, except whether the account is shut', async (t) => {
  const { clerk } = t.context
  const made = await make(clerk, {
    email: `${freshName()}@example.com`,
    email_verified: true,
    name: 'X',
    roles: ['staff'],
  })
  const path = `/users/${made.body.id}`
  const shut = await clerk('PATCH', path, { body: { disabled: true }, headers: ifMatch(made) })
  const username = freshName()
  const replaced = await clerk('PUT', path, { body: { username }, headers: ifMatch(shut) })
  t.is(replaced.status, 200)
  t.like(replaced.body, { username, email: null, email_verified: false, name: null, disabled: true, version: 3 })
  t.deepEqual(replaced.body.roles, [])

  const address = `${freshName()}@example.com`
  const opened = await clerk('PUT', path, { body: { username: address, disabled: false }, headers: ifMatch(replaced) })
  t.like(opened.body, { username: address, email: address, disabled: false, disabled_at: null })
})

test('a patch changes what it names, and null clears', async (t) => {
  const { clerk } = t.context
  const made = await make(clerk, { name: 'Before', email: `${freshName()}@example.com`, roles: ['staff'] })
  const path = `/users/${made.body.id}`
  const named = await clerk('PATCH', path, { body: { name: 'After' }, headers: ifMatch(made) })
  t.like(named.body, { name: 'After', email: made.body.email, version: 2 })
  t.not(named.headers.get('etag'), made.headers.get('etag'))
  const cleared = await clerk('PATCH', path, { body: { name: null, email: null, roles: [] }, headers: ifMatch(named) })
  t.like(cleared.body, { name: null, email: null, username: made.body.username })
  t.deepEqual(cleared.body.roles, [])
  const same = await clerk('PATCH', path, { body: {}, headers: ifMatch(cleared) })
  t.deepEqual([same.status, same.body], [200, cleared.body])
  for (const body of [{ username: null }, { roles: null }, { disabled: 'yes' }, { password: NEW_PASSWORD }]) {
    const reply = await clerk('PATCH', path, { body, headers: ifMatch(same) })
    t.deepEqual([problemOf(reply), pointers(reply)], ['400 invalid-request', [`#/${Object.keys(body)[0]}`]])
  }
})

test('an account that is shut offers to be opened, and the other way round', async (t) => {
  const { clerk, withKey } = t.context
  const made = await make(clerk)
  const path = `/users/${made.body.id}`
  const offers = ({ body }: Reply) => Object.keys(body.links).filter((name) => /able|update|delete|password/.test(name))
  t.deepEqual(offers(made), ['update', 'password', 'disable', 'delete'])
  t.deepEqual(made.body.links.disable, { href: made.body.links.self.href, method: 'PATCH' })
  const shut = await clerk('PATCH', path, { body: { disabled: true }, headers: ifMatch(made) })
  t.deepEqual(offers(shut), ['update', 'password', 'enable', 'delete'])
  t.true(Date.parse(shut.body.disabled_at) > 0)
  const reader = await withKey('users:read')
  const seen = await reader('GET', path)
  t.deepEqual(Object.keys(seen.body.links), ['self', 'sessions', 'consents', 'token_families'])
})

test('of two who change what both have read, one is told to read again', async (t) => {
  const { clerk } = t.context
  const made = await make(clerk)
  const path = `/users/${made.body.id}`
  const names = ['One', 'Two', 'Three', 'Four']
  const replies = await Promise.all(
    names.map((name) => clerk('PATCH', path, { body: { name }, headers: ifMatch(made) })),
  )
  t.deepEqual(replies.map(({ status }) => status).toSorted(), [200, 412, 412, 412])
  const winner = replies.find(({ status }) => status === 200)!
  t.is((await clerk('GET', path)).body.name, winner.body.name)
  for (const [method, body] of [
    ['PUT', { username: freshName() }],
    ['DELETE', undefined],
  ] as const) {
    t.is(problemOf(await clerk(method, path, { body, headers: ifMatch(made) })), '412 precondition-failed')
  }
})

test('changes without a precondition are refused, and change nothing', async (t) => {
  const { clerk } = t.context
  const made = await make(clerk)
  const path = `/users/${made.body.id}`
  for (const [method, body] of [
    ['PUT', { username: freshName() }],
    ['PATCH', { name: 'X' }],
    ['DELETE', undefined],
  ] as const) {
    t.is(problemOf(await clerk(method, path, { body })), '428 precondition-required')
  }
  t.deepEqual((await clerk('GET', path)).body, made.body)
  t.is((await clerk('PATCH', path, { body: { name: 'X' }, headers: { 'if-match': '*' } })).status, 200)
})

test('deleting a user erases whoever it was', async (t) => {
  const { clerk, server } = t.context
  const made = await make(clerk, { name: 'Erasmus Montanus' })
  const path = `/users/${made.body.id}`
  const gone = await clerk('DELETE', path, { headers: ifMatch(made) })
  t.deepEqual([gone.status, gone.body], [204, ''])
  t.is((await clerk('GET', path)).status, 404)
  t.is((await clerk('DELETE', path, { headers: ifMatch(made) })).status, 404)
  const kept = await server.db.knex('audit_log').where({ user_id: made.body.id })
  t.is(kept.length, 2)
  t.false(JSON.stringify(kept).includes('Erasmus'))
})

test('a new password counts at once, and a weak one never', async (t) => {
  const { clerk, server } = t.context
  const made = await make(clerk)
  const path = `/users/${made.body.id}/password`
  const weak = await clerk('PUT', path, { body: { password: `${made.body.username} ${made.body.username}` } })
  t.deepEqual([problemOf(weak), pointers(weak)], ['400 invalid-request', ['#/password']])
  t.is((await clerk('PUT', path, { body: { password: NEW_PASSWORD } })).status, 204)
  const { passwordHash } = (await findCredentials(server.db.pool, made.body.username))!
  t.true((await hasher.verify(passwordHash, NEW_PASSWORD)).valid)
  t.true(Date.parse((await clerk('GET', `/users/${made.body.id}`)).body.password_changed_at) > 0)
})

const NOBODY = '/users/usr_aaaaaaaaaaaaaaaaaaaaaaaaaa'

test('nobody is there under the id of nobody', async (t) => {
  const { clerk } = t.context
  const headers = { 'if-match': '*' }
  const parts = ['/sessions', '/consents', '/token-families']
  const tries: [string, string, unknown?][] = [
    ...[NOBODY, '/users/someone', '/users/%F0%9F%A6%A6'].flatMap((path): [string, string, unknown?][] => [
      ['GET', path],
      ['PUT', path, { username: 'x' }],
      ['PATCH', path, { name: 'x' }],
      ['DELETE', path],
      ['PUT', `${path}/password`, { password: NEW_PASSWORD }],
      ['DELETE', `${path}/sessions`],
    ]),
    ...parts.flatMap((part): [string, string][] => [
      ['GET', NOBODY + part],
      ['GET', `${NOBODY}${part}/x`],
      ['DELETE', `${NOBODY}${part}/x`],
    ]),
  ]
  for (const [method, path, body] of tries) {
    t.is((await clerk(method, path, { body, headers })).status, 404, `${method} ${path}`)
  }
})

test('without a credential nothing is told, and without the scope nothing is done', async (t) => {
  const { clerk, withKey, withToken } = t.context
  const made = await make(clerk)
  const path = `/users/${made.body.id}`
  const headers = ifMatch(made)
  const writes: [string, string, unknown?][] = [
    ['POST', '/users', { username: freshName(), password: PASSWORD }],
    ['PUT', path, { username: freshName() }],
    ['PATCH', path, { name: 'X' }],
    ['DELETE', path],
    ['PUT', `${path}/password`, { password: NEW_PASSWORD }],
    ['DELETE', `${path}/sessions`],
    ['DELETE', `${path}/sessions/x`],
    ['DELETE', `${path}/consents/x`],
    ['DELETE', `${path}/token-families/x`],
  ]
  const reads = ['/users', path, `${path}/sessions`, `${path}/consents`, `${path}/token-families`]
  const reader = await withKey('users:read', 'clients:write')
  const stranger = await withKey('clients:read')
  const nobody = withToken(undefined)
  for (const [method, target, body] of writes) {
    t.is((await reader(method, target, { body, headers })).status, 403, `${method} ${target}`)
    t.is((await nobody(method, target, { body, headers })).status, 401, `${method} ${target}`)
  }
  for (const target of reads) {
    t.is((await stranger('GET', target)).status, 403, target)
    t.is((await nobody('GET', target)).status, 401, target)
    t.is((await reader('GET', target)).status, 200, target)
  }
  t.deepEqual((await clerk('GET', path)).body, made.body)
})

test('an account that may more here than the caller is not theirs to change', async (t) => {
  const { clerk, admin } = t.context
  const boss = await make(admin, { roles: ['grantry-admin'], email: `${freshName()}@example.com` })
  t.is(boss.status, 201)
  const path = `/users/${boss.body.id}`
  const headers = ifMatch(boss)
  const tries: [string, string, unknown?][] = [
    ['PUT', path, { username: boss.body.username, roles: boss.body.roles }],
    ['PATCH', path, { username: freshName() }],
    ['PATCH', path, { email: 'mine@example.com' }],
    ['PATCH', path, { roles: [] }],
    ['PATCH', path, { disabled: true }],
    ['DELETE', path],
    ['PUT', `${path}/password`, { password: NEW_PASSWORD }],
    ['DELETE', `${path}/sessions`],
    ['DELETE', `${path}/sessions/x`],
    ['DELETE', `${path}/consents/cli_aaaaaaaaaaaaaaaaaaaaaaaaaa`],
    ['DELETE', `${path}/token-families/x`],
  ]
  for (const [method, target, body] of tries) {
    const sending = { body, ...(target === path && { headers }) }
    t.is(problemOf(await clerk(method, target, sending)), '403 privilege-raised', `${method} ${target}`)
  }
  const seen = await clerk('GET', path)
  t.deepEqual(Object.keys(seen.body.links), ['self', 'sessions', 'consents', 'token_families'])
  t.deepEqual((await admin('GET', path)).body, boss.body)
  t.is((await admin('PATCH', path, { body: { roles: [] }, headers })).status, 200)
})

test('nobody gives a role that may more than they may', async (t) => {
  const { clerk } = t.context
  for (const role of ['grantry-admin', 'GRANTRY-ADMIN', ' grantry-viewer ', 'ｇｒａｎｔｒｙ-client-admin']) {
    t.is(problemOf(await make(clerk, { roles: ['staff', role] })), '403 privilege-raised', role)
    const made = await make(clerk)
    const sending = { body: { roles: [role] }, headers: ifMatch(made) }
    t.is(problemOf(await clerk('PATCH', `/users/${made.body.id}`, sending)), '403 privilege-raised', role)
    const whole = { body: { username: freshName(), roles: [role] }, headers: ifMatch(made) }
    t.is(problemOf(await clerk('PUT', `/users/${made.body.id}`, whole)), '403 privilege-raised', role)
  }
  t.is((await make(clerk, { roles: ['grantry-user-admin', 'admin'] })).status, 201)
})

test('roles that are given while a request is under way count for it', async (t) => {
  const { clerk, server } = t.context
  const { knex } = server.db
  const made = await make(clerk)
  const path = `/users/${made.body.id}`
  const promotion = await knex.transaction()
  await promotion('users')
    .where({ id: made.body.id })
    .update({ roles: ['grantry-admin'] })
  const tries = [
    clerk('PUT', `${path}/password`, { body: { password: NEW_PASSWORD } }),
    clerk('PATCH', path, { body: { email: 'mine@example.com' }, headers: { 'if-match': '*' } }),
    clerk('DELETE', path, { headers: { 'if-match': '*' } }),
  ]
  await waitingForLocks(knex, tries.length)
  await promotion.commit()
  for (const reply of await Promise.all(tries)) t.is(problemOf(reply), '403 privilege-raised')
})

test('people do not shut, delete or demote their own account', async (t) => {
  const { server, withToken } = t.context
  const api = `${server.issuer}/api`
  const scopes = ['users:read', 'users:write']
  const client = await buildClient(server.db, { access: [{ resource: api, scopes }] })
  const person = await buildUser(server.db, { roles: ['grantry-user-admin'] })
  const answer = await new Visitor(server.issuer).authorize(client, person, { scope: scopes.join(' '), resource: api })
  const self = withToken((await redeem(server.issuer, client, answer)).body.access_token)
  const path = `/users/${person.id}`
  const read = await self('GET', path)
  const headers = ifMatch(read)
  t.deepEqual([read.body.links.disable, read.body.links.delete], [undefined, undefined])
  for (const body of [{ disabled: true }, { roles: [] }]) {
    t.is(problemOf(await self('PATCH', path, { body, headers })), '403 own-account')
  }
  t.is(problemOf(await self('DELETE', path, { headers })), '403 own-account')
  const named = await self('PATCH', path, { body: { name: 'Me', roles: ['grantry-user-admin', 'staff'] }, headers })
  t.is(named.body.name, 'Me')
})

test('a list is filtered, sorted, counted, and told as a table', async (t) => {
  const { clerk } = t.context
  const role = 'listed'
  const names = ['charlie', 'alpha', 'bravo'].map((name) => `${name}-${freshName()}`)
  const made = []
  for (const username of names)
    made.push((await make(clerk, { username, roles: [role, 'x'], name: `=${username}` })).body)
  const list = async (query: string) => {
    const { body } = await clerk('GET', `/users?role=${role}&${query}`)
    return body.data.map(({ username }: { username: string }) => names.indexOf(username))
  }
  t.deepEqual(await list(''), [2, 1, 0])
  t.deepEqual(await list('sort=created_at'), [0, 1, 2])
  t.deepEqual(await list('sort=username'), [1, 2, 0])
  t.deepEqual(await list(`username=${names[1]!.toUpperCase()}`), [1])
  t.deepEqual(await list('q=BRAVO'), [2])
  t.deepEqual(await list('disabled=true'), [])
  t.deepEqual(await list('sort=created_at&disabled=false&page=2&limit=2'), [2])
  const [from, until] = [made[1].created_at, made[2].created_at]
  const bounds = (low: string, high: string) =>
    list(`sort=created_at&created_at[${low}]=${from}&created_at[${high}]=${until}`)
  t.deepEqual(await bounds('gte', 'lte'), [1, 2])
  t.deepEqual(await bounds('gt', 'lte'), [2])
  t.deepEqual(await bounds('gte', 'lt'), [1])

  const { body: page } = await clerk('GET', `/users?role=${role}&page=1&limit=2`)
  t.like(page.pagination, { total_items: 3, total_pages: 2, has_next: true, has_prev: false })
  const { body: some } = await clerk('GET', `/users?role=${role}&fields=username&include=total_count`)
  t.deepEqual(Object.keys(some.data[0]), ['id', 'username', 'links'])
  const table = await clerk('GET', `/users?role=${role}&sort=created_at`, { headers: { accept: 'text/csv' } })
  const lines = String(table.body).split('\r\n')
  t.is(lines[0], 'id,username,email,name,roles,disabled_at,created_at')
  t.is(lines[1], `${made[0].id},${names[0]},,'=${names[0]},listed x,,${made[0].created_at}`)
})

test('a filter that can not be meant is refused by name', async (t) => {
  const { clerk } = t.context
  for (const query of [
    'disabled=maybe',
    'nickname=x',
    'sort=password_hash',
    'q=',
    'created_at[gte]=yesterday',
    'created_at[gte]=0000-01-01T00:00:00Z',
    'created_at[lt]=9999-12-31T23:00:00-14:00',
    'created_at[near]=2030-01-01T00:00:00Z',
    `email=${'x'.repeat(300)}`,
    'role=%01',
  ]) {
    const reply = await clerk('GET', `/users?${query}`)
    t.deepEqual([problemOf(reply), pointers(reply)], ['400 invalid-request', [query.split('=')[0]]], query)
  }
})

test('paging while others come and go tells everyone once', async (t) => {
  const { clerk, server } = t.context
  const { knex } = server.db
  const insert = (from: number, to: number) =>
    knex.raw(
      `insert into users (id, username, roles, created_at)
       select 'usr_' || lpad(translate(n::text, '0189', 'wxyz'), 26, 'p'), 'paged' || n, array['paged'], now() + n * interval '1 ms'
       from generate_series(?::int, ?::int) n`,
      [from, to],
    )
  await insert(100, 124)
  const seen: string[] = []
  for (let cursor = '', round = 0; ; round += 1) {
    const { body } = await clerk('GET', `/users?role=paged&sort=-created_at&limit=4&cursor=${cursor}`)
    seen.push(...body.data.map(({ username }: { username: string }) => username))
    if (!body.pagination.has_more) break
    cursor = body.pagination.next_cursor
    // Someone comes before the page that was read, and the last one who was told goes.
    await insert(200 + round, 200 + round)
    await knex('users')
      .where({ username: seen.at(-1) })
      .delete()
  }
  t.deepEqual(
    seen,
    Array.from({ length: 25 }, (_, n) => `paged${124 - n}`),
  )
})

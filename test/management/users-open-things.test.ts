/** What a user has open, in the management API: sessions, consents and token families, seen and ended. */
import anyTest, { type TestFn } from 'ava'
import { digestSecret } from '../../src/lib/secret.ts'
import { ifMatch, startManagement, type Caller, type Management } from '../support/management.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, Visitor } from '../support/visitor.ts'

interface Parts extends Management {
  clerk: Caller
  web: TestClient
  phone: TestClient
}

const test = anyTest as TestFn<Parts>
const ends: (() => unknown)[] = []

test.before(async (t) => {
  const management = await startManagement({ teardown: (end) => void ends.unshift(end) })
  const { db } = management.server
  await buildResource(db)
  t.context = {
    ...management,
    clerk: await management.withKey('users:read', 'users:write', 'clients:read'),
    web: await buildClient(db, { name: 'The web app' }),
    phone: await buildClient(db, { kind: 'native', redirectUris: ['com.example.app:/callback'], access: [] }),
  }
})

test.after.always(async () => {
  for (const end of ends) await end()
})

type Person = Awaited<ReturnType<typeof buildUser>>

/** Signs in and takes tokens home. */
async function open({ server: { issuer } }: Parts, person: Person, client: TestClient, visitor = new Visitor(issuer)) {
  const isPhone = client.client_secret === undefined
  const options = isPhone ? {} : { scope: 'openid orders:read offline_access', resource: API }
  const { body } = await redeem(issuer, client, await visitor.authorize(client, person, options))
  const renewed = await refresh(issuer, client, body.refresh_token)
  if (renewed.status !== 200) throw new Error(`no token: ${JSON.stringify([body, renewed.body])}`)
  let token = renewed.body.refresh_token ?? body.refresh_token
  return {
    visitor,
    isSignedIn: async () => !(await visitor.open('/account')).html.includes('name="password"'),
    hasTokens: async () => {
      const again = await refresh(issuer, client, token)
      token = again.body.refresh_token ?? token
      return again.status === 200
    },
  }
}

test('sessions of a person are listed, and no cookie is among what is told', async (t) => {
  const { clerk, web, server } = t.context
  const person = await buildUser(server.db)
  const other = await buildUser(server.db)
  const { visitor } = await open(t.context, person, web)
  await open(t.context, person, web)
  await open(t.context, other, web)
  const list = await clerk('GET', `/users/${person.id}/sessions`)
  t.is(list.body.data.length, 2)
  const [session] = list.body.data
  t.is(new URL(session.links.self.href).pathname, `/api/v1/users/${person.id}/sessions/${session.id}`)
  t.deepEqual(session.links.delete, { href: session.links.self.href, method: 'DELETE' })
  t.deepEqual((await clerk('GET', `/users/${person.id}/sessions/${session.id}`)).body, session)
  for (const [name, { value }] of visitor.cookies) t.false(JSON.stringify(list.body).includes(value), name)
  // What opens a session is looked up by its digest: an id that had its digest there would sign in whoever reads it.
  const digests = list.body.data.map(({ id }: { id: string }) => digestSecret(id))
  const opened = server.db.knex('sessions').whereIn('id_digest', digests).orWhereIn('previous_id_digest', digests)
  t.deepEqual(await opened, [])
  t.is(
    (await server.db.knex('sessions').whereIn('id_digest', [digestSecret(visitor.cookies.get('session')!.value)]))
      .length,
    1,
  )
  t.is((await clerk('GET', `/users/${other.id}/sessions/${session.id}`)).status, 404)
  t.is((await clerk('DELETE', `/users/${other.id}/sessions/${session.id}`)).status, 404)
})

test('a session that is ended is dead, with the web apps signed in through it, and the others live', async (t) => {
  const { clerk, web, phone, server } = t.context
  const person = await buildUser(server.db)
  const path = `/users/${person.id}/sessions`
  const here = await open(t.context, person, web)
  const onPhone = await open(t.context, person, phone, here.visitor)
  const [{ id }] = (await clerk('GET', path)).body.data
  const there = await open(t.context, person, web)
  t.deepEqual([await here.isSignedIn(), await there.isSignedIn()], [true, true])

  t.is((await clerk('DELETE', `${path}/${id}`)).status, 204)
  t.deepEqual([await here.isSignedIn(), await there.isSignedIn()], [false, true])
  t.deepEqual([await here.hasTokens(), await there.hasTokens(), await onPhone.hasTokens()], [false, true, true])
  t.is((await clerk('DELETE', `${path}/${id}`)).status, 404)
  t.is((await clerk('GET', path)).body.data.length, 1)

  t.is((await clerk('DELETE', path)).status, 204)
  t.deepEqual([await there.isSignedIn(), await there.hasTokens(), await onPhone.hasTokens()], [false, false, false])
  t.deepEqual((await clerk('GET', path)).body.data, [])
  const [entry] = await server.db.knex('audit_log').where({ action: 'session.end', subject_id: id })
  t.like(entry, { channel: 'api', user_id: person.id })
  t.regex(entry.actor, /^apk_/)
})

test('shutting an account ends what it has open, a new password too, and neither comes back', async (t) => {
  const { clerk, web, server } = t.context
  const person = await buildUser(server.db)
  const path = `/users/${person.id}`
  const first = await open(t.context, person, web)
  const shut = await clerk('PATCH', path, { body: { disabled: true }, headers: ifMatch(await clerk('GET', path)) })
  t.is(shut.status, 200)
  t.deepEqual([await first.isSignedIn(), await first.hasTokens()], [false, false])
  await clerk('PATCH', path, { body: { disabled: false }, headers: ifMatch(shut) })
  t.deepEqual([await first.isSignedIn(), await first.hasTokens()], [false, false])

  const second = await open(t.context, person, web)
  const password = 'saddle thirteen envelope plywood'
  t.is((await clerk('PUT', `${path}/password`, { body: { password } })).status, 204)
  t.deepEqual([await second.isSignedIn(), await second.hasTokens()], [false, false])
  t.true(await (await open(t.context, { ...person, password }, web)).isSignedIn())
})

test('a consent is one for each app, and what it gave ends when it is withdrawn', async (t) => {
  const { clerk, web, phone, server } = t.context
  const person = await buildUser(server.db)
  const path = `/users/${person.id}/consents`
  const here = await open(t.context, person, web)
  const onPhone = await open(t.context, person, phone)
  const list = await clerk('GET', `${path}?include=total_count`)
  t.is(list.body.pagination.total_items, 2)
  const consent = list.body.data.find(({ id }: { id: string }) => id === web.client_id)
  t.like(consent, { client_id: web.client_id, client_name: 'The web app', expires_at: null })
  t.deepEqual(consent.resources, { [API]: ['orders:read'] })
  t.true(consent.openid_scopes.includes('openid'))
  t.deepEqual(Object.keys(consent.links), ['self', 'user', 'client', 'delete'])
  t.deepEqual((await clerk('GET', `${path}/${web.client_id}`)).body, consent)

  t.is((await clerk('DELETE', `${path}/${web.client_id}`)).status, 204)
  t.deepEqual([await here.hasTokens(), await onPhone.hasTokens()], [false, true])
  for (const method of ['GET', 'DELETE']) t.is((await clerk(method, `${path}/${web.client_id}`)).status, 404, method)
  t.is((await clerk('GET', path)).body.data.length, 1)
})

test('pages of consents pass over none and repeat none', async (t) => {
  const { clerk, server } = t.context
  const { knex } = server.db
  const person = await buildUser(server.db)
  const clients = await Promise.all(Array.from({ length: 5 }, () => buildClient(server.db)))
  await knex('consents').insert(
    clients.map(({ client_id }, n) => ({
      id: `con_${'a'.repeat(25)}${'abcde'[n]}`,
      user_id: person.id,
      client_id,
      scopes: ['openid'],
      // Two of each moment.
      granted_at: new Date(Date.UTC(2026, 0, 1 + Math.floor(n / 2))),
    })),
  )
  const seen: string[] = []
  for (let cursor = ''; ;) {
    const { body } = await clerk('GET', `/users/${person.id}/consents?limit=2&cursor=${cursor}`)
    seen.push(...body.data.map(({ id }: { id: string }) => id))
    if (!body.pagination.has_more) break
    cursor = body.pagination.next_cursor
  }
  t.deepEqual(seen.toSorted(), clients.map(({ client_id }) => client_id).toSorted())
  t.is(seen[0], clients[4]?.client_id)
})

test('a token family that is revoked ends alone', async (t) => {
  const { clerk, web, phone, server } = t.context
  const person = await buildUser(server.db)
  const other = await buildUser(server.db)
  const path = `/users/${person.id}/token-families`
  const here = await open(t.context, person, web)
  const onPhone = await open(t.context, person, phone)
  t.is((await clerk('GET', path)).body.data.length, 2)
  const [family, ...more] = (await clerk('GET', `${path}?client_id=${web.client_id}`)).body.data
  t.deepEqual(more, [])
  t.like(family, { client_id: web.client_id, client_name: 'The web app' })
  t.deepEqual(family.resources, { [API]: ['orders:read'] })
  t.true(Date.parse(family.created_at) <= Date.parse(family.last_refreshed_at))
  t.true(Date.parse(family.last_refreshed_at) < Date.parse(family.expires_at))
  const sessions = (await clerk('GET', `/users/${person.id}/sessions`)).body.data.map(({ id }: { id: string }) => id)
  t.true(sessions.includes(family.session_id))
  t.deepEqual((await clerk('GET', `${path}/${family.id}`)).body, family)
  t.is((await clerk('DELETE', `/users/${other.id}/token-families/${family.id}`)).status, 404)

  t.is((await clerk('DELETE', `${path}/${family.id}`)).status, 204)
  t.deepEqual([await here.hasTokens(), await onPhone.hasTokens()], [false, true])
  t.true(await here.isSignedIn())
  for (const method of ['GET', 'DELETE']) t.is((await clerk(method, `${path}/${family.id}`)).status, 404, method)
  const [event] = await server.db.knex('events').where({ type: 'grant.revoked', subject: family.id })
  t.like(event, { user_id: person.id, client_id: web.client_id })
})

test('deleting a user leaves nothing open', async (t) => {
  const { clerk, web, server } = t.context
  const person = await buildUser(server.db)
  const path = `/users/${person.id}`
  const here = await open(t.context, person, web)
  t.is((await clerk('DELETE', path, { headers: ifMatch(await clerk('GET', path)) })).status, 204)
  t.deepEqual([await here.isSignedIn(), await here.hasTokens()], [false, false])
  for (const table of ['sessions', 'grants', 'consents']) {
    t.deepEqual(await server.db.knex(table).where({ user_id: person.id }), [], table)
  }
})

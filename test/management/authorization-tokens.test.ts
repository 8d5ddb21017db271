/** Which scopes of the management API reach a token: those of the client's registration that the person's roles allow. */
import anyTest, { type TestFn } from 'ava'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { updateUser } from '../../src/registry/users/update.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, textOf, token, Visitor } from '../support/visitor.ts'

const SCOPES = ['users:read', 'users:write', 'clients:read', 'keys:write']

interface Parts {
  server: TestServer
  api: string
  web: TestClient
  firstParty: TestClient
  service: TestClient
}

const test = anyTest as TestFn<Parts>
const ends: (() => unknown)[] = []

test.before(async (t) => {
  const server = await startAuthServer({ teardown: (end) => void ends.unshift(end) })
  const api = `${server.issuer}/api`
  await buildResource(server.db)
  const access = [
    { resource: api, scopes: SCOPES },
    { resource: API, scopes: ['orders:read'] },
  ]
  t.context = {
    server,
    api,
    web: await buildClient(server.db, { access }),
    firstParty: await buildClient(server.db, { access, firstParty: true }),
    service: await buildClient(server.db, { kind: 'service', access: [{ resource: api, scopes: ['users:read'] }] }),
  }
})

test.after.always(async () => {
  for (const end of ends) await end()
})

async function person({ server }: Parts, roles: string[]) {
  return buildUser(server.db, { roles })
}

async function demote({ server }: Parts, userId: string, roles: string[]) {
  await updateUser(server.db.knex, { userId, changes: { roles }, actor: 'test' })
}

test('a person is asked for, and grants, only what their roles allow', async (t) => {
  const { server, api, web } = t.context
  const viewer = await person(t.context, ['grantry-viewer', 'orders-admin'])
  const visitor = new Visitor(server.issuer)
  const { url } = visitor.request_uri(web, { scope: `openid ${SCOPES.join(' ')}`, resource: api })
  const page = await visitor.signIn(await visitor.open(url), viewer)
  const text = textOf(page.html)
  t.true(text.includes('See all users of this server'), text)
  t.true(text.includes('See all apps registered here'))
  for (const hidden of ['Create, change, lock out', 'users:write', 'keys:write', 'Replace and revoke signing keys']) {
    t.false(page.html.includes(hidden), hidden)
  }
  const answer = await visitor.authorize(web, viewer, { scope: `openid ${SCOPES.join(' ')}`, resource: api })
  const { body } = await redeem(server.issuer, web, answer)
  t.is(body.scope, 'users:read clients:read')
  const consents = await server.db.knex('consents').where({ user_id: viewer.id }).pluck<string[][]>('scopes')
  t.false(JSON.stringify(consents).includes('users:write'))
})

test('an app of the operator that skips consent gets no more than the roles allow', async (t) => {
  const { server, api, firstParty } = t.context
  const admin = await person(t.context, ['grantry-user-admin'])
  const options = { scope: SCOPES.join(' '), resource: api }
  const answer = await new Visitor(server.issuer).authorize(firstParty, admin, options)
  const { body } = await redeem(server.issuer, firstParty, answer)
  t.is(body.scope, 'users:read users:write')
})

test('whose roles allow nothing of it is not let in, and the client is told why', async (t) => {
  const { server, api, web, firstParty } = t.context
  const nobody = await person(t.context, ['orders-admin'])
  for (const client of [web, firstParty]) {
    const options = { scope: `openid ${SCOPES.join(' ')}`, resource: api }
    const answer = await new Visitor(server.issuer).authorize(client, nobody, options)
    t.is(answer.code, undefined)
    t.is(answer.error, 'access_denied')
    t.regex(answer.parameters.get('error_description') ?? '', /roles of this user allow none/)
  }
  t.deepEqual(await server.db.knex('grants').where({ user_id: nobody.id }), [])
  const other = await new Visitor(server.issuer).authorize(web, nobody, { scope: 'orders:read', resource: API })
  t.is((await redeem(server.issuer, web, other)).body.scope, 'orders:read', 'other APIs are none of its business')
})

test('another person may take over where the roles of the one who is signed in allow nothing', async (t) => {
  const { server, api, firstParty } = t.context
  const [nobody, admin] = [await person(t.context, []), await person(t.context, ['grantry-admin'])]
  const visitor = new Visitor(server.issuer)
  await visitor.authorize(firstParty, nobody, { scope: 'openid' })
  const options = { scope: SCOPES.join(' '), resource: api, prompt: 'login' }
  const { url, verifier } = visitor.request_uri(firstParty, options)
  // The session changes hands by a form that browsers with script send by themselves.
  const handOver = await visitor.signIn(await visitor.open(url), admin)
  const end = new URL((await visitor.submit(handOver, /\/logout\/confirm$/)).url)
  const code = end.searchParams.get('code') ?? ''
  const { redirect_uri } = firstParty
  const parameters = { grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier }
  t.is((await token(server.issuer, firstParty, parameters)).body.scope, SCOPES.join(' '))
})

test('roles that are taken away shrink the next token, and what comes back comes back', async (t) => {
  const { server, api, web } = t.context
  const admin = await person(t.context, ['grantry-admin'])
  const options = { scope: SCOPES.join(' '), resource: api }
  const answer = await new Visitor(server.issuer).authorize(web, admin, options)
  const first = await redeem(server.issuer, web, answer)
  t.is(first.body.scope, SCOPES.join(' '))

  await demote(t.context, admin.id, ['grantry-viewer'])
  const second = await refresh(server.issuer, web, first.body.refresh_token)
  t.is(second.body.scope, 'users:read clients:read')

  await demote(t.context, admin.id, [])
  for (let time = 0; time < 2; time += 1) {
    const refused = await refresh(server.issuer, web, second.body.refresh_token)
    t.is(refused.status, 400)
    t.is(refused.body.error, 'invalid_grant')
    t.regex(refused.body.error_description ?? '', /roles of this user allow none/)
  }

  await demote(t.context, admin.id, ['grantry-user-admin'])
  const third = await refresh(server.issuer, web, second.body.refresh_token)
  t.is(third.body.scope, 'users:read users:write', 'the refusal has not used up the refresh token')
})

test('a replayed refresh token is found out whatever the roles are now', async (t) => {
  const { server, api, web } = t.context
  const admin = await person(t.context, ['grantry-admin'])
  const options = { scope: SCOPES.join(' '), resource: api }
  const answer = await new Visitor(server.issuer).authorize(web, admin, options)
  const { body } = await redeem(server.issuer, web, answer)
  await refresh(server.issuer, web, body.refresh_token)
  await server.db.knex('refresh_tokens').update({ consumed_at: server.db.knex.raw(`consumed_at - interval '1 hour'`) })
  await demote(t.context, admin.id, [])
  t.is((await refresh(server.issuer, web, body.refresh_token)).body.error, 'invalid_grant')
  t.deepEqual(await server.db.knex('grants').where({ user_id: admin.id }), [], 'the family is gone')
})

test('a code that was issued before the roles went is worth nothing', async (t) => {
  const { server, api, web } = t.context
  const admin = await person(t.context, ['grantry-admin'])
  const options = { scope: SCOPES.join(' '), resource: api }
  const answer = await new Visitor(server.issuer).authorize(web, admin, options)
  await demote(t.context, admin.id, ['something-else'])
  const { status, body } = await redeem(server.issuer, web, answer)
  t.is(status, 400)
  t.is(body.error, 'invalid_grant')
  t.is(body.access_token, undefined)
})

test('a service gets what it is registered for, and an app with users nothing without one', async (t) => {
  const { server, api, service } = t.context
  const machine = await token(server.issuer, service, { grant_type: 'client_credentials' })
  t.is(machine.body.scope, 'users:read')
  t.false(machine.body.access_token?.includes('.'), 'the token is opaque')

  const grantTypes = ['authorization_code', 'client_credentials'] as const
  const access = [{ resource: api, scopes: [...managementScopes] }]
  const web = await buildClient(server.db, { grantTypes: [...grantTypes], openidScopes: ['openid'], access })
  for (const scope of [undefined, 'users:write']) {
    const refused = await token(server.issuer, web, { grant_type: 'client_credentials', resource: api, scope })
    t.is(refused.body.error, 'invalid_target')
    t.regex(refused.body.error_description ?? '', /only a service client/)
  }
})

test('a client that registered itself gets no token for the management API, whatever it is registered for', async (t) => {
  const { server, api } = t.context
  const access = [{ resource: api, scopes: ['users:read'] }]
  const [web, service] = [
    await buildClient(server.db, { access }),
    await buildClient(server.db, { kind: 'service', access }),
  ]
  await server.db.knex('clients').whereIn('id', [web.client_id, service.client_id]).update({ self_registered: true })
  const admin = await person(t.context, ['grantry-admin'])
  const asking = new Visitor(server.issuer).authorize(web, admin, { scope: 'users:read', resource: api })
  await t.throwsAsync(
    asking,
    { message: /invalid_target/ },
    'told on a page: nobody is sent to a client that nobody knows',
  )
  t.is((await token(server.issuer, service, { grant_type: 'client_credentials' })).body.error, 'invalid_request')
})

test('a client asks for no management scope beyond its registration', async (t) => {
  const { server, api, service, web } = t.context
  const more = await token(server.issuer, service, { grant_type: 'client_credentials', scope: 'users:write' })
  t.is(more.body.error, 'invalid_scope')
  const admin = await person(t.context, ['grantry-admin'])
  const answer = await new Visitor(server.issuer).authorize(web, admin, { scope: 'api-keys:write', resource: api })
  t.is(answer.error, 'invalid_scope')
  const other = await buildClient(server.db)
  t.is(
    (await new Visitor(server.issuer).authorize(other, admin, { scope: 'users:read', resource: api })).error,
    'invalid_target',
  )
})

test('access that is taken from a client is gone from its next token', async (t) => {
  const { server, api } = t.context
  const client = await buildClient(server.db, { access: [{ resource: api, scopes: ['users:read', 'users:write'] }] })
  const admin = await person(t.context, ['grantry-admin'])
  const options = { scope: 'users:read users:write', resource: api }
  const first = await redeem(server.issuer, client, await new Visitor(server.issuer).authorize(client, admin, options))
  const access = [{ resource: api, scopes: ['users:read'] }]
  await updateClient(server.db.knex, client.client_id, { access }, { actor: 'test' })
  const second = await refresh(server.issuer, client, first.body.refresh_token)
  t.is(second.body.scope, 'users:read')
})

/** Who may call the management API: what each credential opens at the moment of the request. */
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import anyTest, { type TestFn } from 'ava'
import Koa from 'koa'
import { Problem, renderProblems } from '../../src/http/problem.ts'
import { trace } from '../../src/http/trace.ts'
import { newSecret } from '../../src/lib/secret.ts'
import { createManagementAuthenticator, requireCovers } from '../../src/management/principal.ts'
import { resourceMetadata } from '../../src/management/resource-metadata.ts'
import { createAccessTokenLookup } from '../../src/oidc/access-token-lookup.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { revokeApiKey } from '../../src/registry/api-keys/revoke.ts'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { findClient } from '../../src/registry/clients/queries.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { withdrawConsent } from '../../src/registry/consents/withdraw.ts'
import { managementScopes, managementScopesOfClient } from '../../src/registry/management-scopes.ts'
import { scopesOfRoles } from '../../src/registry/management-roles.ts'
import { disableUser } from '../../src/registry/users/disable.ts'
import { updateUser } from '../../src/registry/users/update.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, token, Visitor } from '../support/visitor.ts'

interface Parts {
  server: TestServer
  url: string
  api: string
  web: TestClient
}

interface Reply {
  status: number
  challenge: string
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

const test = anyTest as TestFn<Parts>
const ends: (() => unknown)[] = []

test.before(async (t) => {
  const server = await startAuthServer({ teardown: (end) => void ends.unshift(end) })
  const { issuer, db } = server
  const log = createLogger({ level: 'silent' })
  const findAccessToken = createAccessTokenLookup({ pool: db.pool, issuer })
  const authenticate = createManagementAuthenticator({ pool: db.pool, issuer, findAccessToken })
  const app = new Koa()
  app.use(trace(log))
  app.use(renderProblems({ log, typeBase: 'https://example.com/problems#' }))
  app.use(resourceMetadata({ issuer }))
  app.use(async (ctx) => {
    const principal = await authenticate(ctx)
    ctx.body = principal ? { ...principal, scopes: [...principal.scopes] } : { id: null }
  })
  const listener = app.listen(0, '127.0.0.1')
  ends.unshift(() => listener.close())
  const api = `${issuer}/api`
  await buildResource(db)
  await buildResource(db, { audience: 'https://opaque.example.com', tokenFormat: 'opaque' })
  t.context = {
    server,
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    api,
    web: await buildClient(db, { access: [{ resource: api, scopes: [...managementScopes] }] }),
  }
})

test.after.always(async () => {
  for (const end of ends) await end()
})

/** One request with exactly these header lines. */
function call({ url }: Parts, headers: Record<string, string | string[]> = {}, path = '/'): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const req = request(url + path, { headers }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      res.on('end', () => {
        const challenge = res.headers['www-authenticate'] ?? ''
        resolve({ status: res.statusCode ?? 0, challenge, body: JSON.parse(text) })
      })
    })
    req.on('error', reject)
    req.end()
  })
}

const bearer = (value: string | undefined) => ({ Authorization: `Bearer ${value}` })

async function signIn(
  { server, api }: Parts,
  client: TestClient,
  roles: string[],
  scope = 'users:read users:write clients:read',
) {
  const person = await buildUser(server.db, { roles })
  const visitor = new Visitor(server.issuer)
  const answer = await visitor.authorize(client, person, { scope, resource: api })
  const { body } = await redeem(server.issuer, client, answer)
  return { person, visitor, value: body.access_token ?? '', body }
}

test('without a credential there is nobody, and what a query says is no credential', async (t) => {
  const { value } = await createApiKey(t.context.server.db.knex, { name: 'x', scopes: ['users:read'], actor: 'test' })
  t.is((await call(t.context)).body.id, null)
  for (const name of ['access_token', 'api_key', 'x-api-key', 'authorization']) {
    t.is((await call(t.context, {}, `/?${name}=${value}`)).body.id, null, name)
  }
})

test('an API key opens in either header, with its scopes', async (t) => {
  const scopes = ['users:read', 'clients:write']
  const { apiKey, value } = await createApiKey(t.context.server.db.knex, { name: 'x', scopes, actor: 'test' })
  for (const headers of [bearer(value), { 'X-API-Key': value }, { authorization: `bEARER  ${value}` }]) {
    const { status, body } = await call(t.context, headers)
    t.is(status, 200)
    t.like(body, { id: apiKey.id, kind: 'api-key', createdVia: 'api-key' })
    t.deepEqual(body.scopes, scopes)
    t.is(body.userId ?? body.clientId, undefined)
  }
})

test('a token acts for its user and client with what the roles allow at this moment', async (t) => {
  const { server, web } = t.context
  const { person, value } = await signIn(t.context, web, ['grantry-user-admin', 'grantry-client-admin'])
  const seen = async () => (await call(t.context, bearer(value))).body
  t.like(await seen(), { id: person.id, kind: 'user', userId: person.id, clientId: web.client_id })
  t.is((await seen()).createdVia, 'access-token')
  t.deepEqual((await seen()).scopes.toSorted(), ['clients:read', 'users:read', 'users:write'])

  const become = (roles: string[]) =>
    updateUser(server.db.knex, { userId: person.id, changes: { roles }, actor: 'test' })
  await become(['grantry-viewer'])
  t.deepEqual((await seen()).scopes.toSorted(), ['clients:read', 'users:read'])
  await become([])
  t.deepEqual((await seen()).scopes, [])
  await become(['grantry-admin'])
  t.is((await seen()).scopes.length, 3, 'never more than the token was issued with')
})

test('a service acts for itself with what it is registered for at this moment', async (t) => {
  const { server, api } = t.context
  const { db, issuer } = server
  const access = (scopes: string[]) => [{ resource: api, scopes }]
  const service = await buildClient(db, { kind: 'service', access: access(['users:read', 'keys:read']) })
  const value = (await token(issuer, service, { grant_type: 'client_credentials' })).body.access_token
  const { body } = await call(t.context, bearer(value))
  t.like(body, { id: service.client_id, kind: 'client', clientId: service.client_id })
  t.deepEqual(body.scopes.toSorted(), ['keys:read', 'users:read'])
  await updateClient(db.knex, service.client_id, { access: access(['keys:read', 'users:write']) }, { actor: 'test' })
  t.deepEqual((await call(t.context, bearer(value))).body.scopes, ['keys:read'])
})

test('whatever does not count answers the same', async (t) => {
  const { server, web, api } = t.context
  const { db, issuer } = server
  const live = await signIn(t.context, web, ['grantry-admin'])
  const keys = await Promise.all(
    [1, 2, 3].map(() => createApiKey(db.knex, { name: 'x', scopes: ['users:read'], actor: 'test' })),
  )
  const [revoked, expired, good] = keys
  await revokeApiKey(db.knex, { apiKeyId: revoked?.apiKey.id ?? '', actor: 'test' })
  await db
    .knex('api_keys')
    .where({ id: expired?.apiKey.id })
    .update({ expires_at: db.knex.raw(`now() - interval '1 second'`) })
  const orders = await buildClient(db, { kind: 'service' })
  const opaque = await buildClient(db, {
    kind: 'service',
    access: [{ resource: 'https://opaque.example.com', scopes: ['orders:read'] }],
  })
  const foreign = await Promise.all(
    [orders, opaque].map((client) => token(issuer, client, { grant_type: 'client_credentials' })),
  )
  const visitor = new Visitor(issuer)
  const code = await visitor.authorize(web, live.person, { scope: 'users:read', resource: api })
  const userinfo = await redeem(issuer, web, await visitor.authorize(web, live.person, { scope: 'openid' }))

  const bad: Record<string, string>[] = [
    ...[revoked, expired].flatMap((key) => [bearer(key?.value), { 'X-API-Key': key?.value ?? '' }]),
    { 'X-API-Key': newSecret('grk').value },
    { 'X-API-Key': live.value },
    { 'X-API-Key': '' },
    bearer('x'.repeat(43)),
    bearer('x'.repeat(5000)),
    bearer(code.code),
    bearer(live.body.refresh_token),
    bearer(web.client_secret),
    bearer(userinfo.body.access_token),
    ...foreign.map(({ body }) => bearer(body.access_token)),
    { authorization: `Basic ${btoa(`${web.client_id}:${web.client_secret}`)}` },
    { authorization: good?.value ?? '' },
    { authorization: `Bearer ${good?.value} ${good?.value}` },
    { authorization: 'Bearer' },
  ]
  const answers = await Promise.all(bad.map((headers) => call(t.context, headers)))
  const [first] = answers
  t.like(first, { status: 401 })
  t.regex(first?.challenge ?? '', /^Bearer realm="[^"]+\/api", .*error="invalid_token"/)
  t.true(first?.challenge.includes(`resource_metadata="${issuer}/.well-known/oauth-protected-resource/api"`))
  for (const [index, { status, challenge, body }] of answers.entries()) {
    const { trace_id: _first, ...expected } = first?.body ?? {}
    const { trace_id: _this, ...given } = body
    t.deepEqual({ status, challenge, given }, { status: 401, challenge: first?.challenge, given: expected }, `${index}`)
  }
  t.is((await call(t.context, bearer(good?.value))).status, 200)
})

test('two credentials at once are refused, whichever of them is good', async (t) => {
  const { value } = await createApiKey(t.context.server.db.knex, { name: 'x', scopes: ['users:read'], actor: 'test' })
  const twice: Record<string, string | string[]>[] = [
    { Authorization: `Bearer ${value}`, 'X-API-Key': value },
    { Authorization: 'Basic eDp5', 'X-API-Key': value },
    { Authorization: [`Bearer ${value}`, `Bearer ${value}`] },
    { Authorization: [`Bearer ${value}`, 'Bearer other'] },
    { 'X-API-Key': [value, value] },
  ]
  for (const headers of twice) {
    const { status, challenge, body } = await call(t.context, headers)
    t.is(status, 400, JSON.stringify(headers))
    t.regex(challenge, /error="invalid_request"/)
    t.false(JSON.stringify(body).includes(value))
  }
})

test('a token dies with its grant, its session, its user, its client and its time', async (t) => {
  const { server } = t.context
  const { knex } = server.db
  const status = async (value: string) => (await call(t.context, bearer(value))).status
  const own = () => buildClient(server.db, { access: [{ resource: t.context.api, scopes: ['users:read'] }] })
  const ending: Record<string, (it: { userId: string; clientId: string; visitor: Visitor }) => Promise<unknown>> = {
    'the consent is withdrawn': (it) => withdrawConsent(knex, { ...it, actor: 'test' }),
    'the user is disabled': ({ userId }) => disableUser(knex, { userId, actor: 'test' }),
    'the client is disabled': ({ clientId }) => disableClient(knex, clientId, { actor: 'test' }),
    'the client is deleted': ({ clientId }) => deleteClient(knex, clientId, { actor: 'test' }),
    'the session ends': async ({ visitor }) =>
      visitor.submit(await visitor.open('/logout'), /\/logout\/confirm$/, { logout: 'yes' }),
    'the session is over': ({ userId }) =>
      knex('sessions')
        .where({ user_id: userId })
        .update({ expires_at: knex.raw(`now() - interval '1 second'`) }),
    'the grant is over': ({ userId }) =>
      knex('grants')
        .where({ user_id: userId })
        .update({ expires_at: knex.raw(`now() - interval '1 second'`) }),
    'its time is over': ({ clientId }) =>
      knex('artifacts')
        .where({ client_id: clientId })
        .update({ expires_at: knex.raw(`now() - interval '1 second'`) }),
    'the client turns out to have registered itself': ({ clientId }) =>
      knex('clients').where({ id: clientId }).update({ self_registered: true }),
  }
  const outcomes = Object.entries(ending).map(async ([name, end]) => {
    const client = await own()
    const { person, visitor, value } = await signIn(t.context, client, ['grantry-admin'], 'users:read')
    t.is(await status(value), 200, name)
    await end({ userId: person.id, clientId: client.client_id, visitor })
    t.is(await status(value), 401, name)
  })
  await Promise.all(outcomes)

  const client = await own()
  const { value } = await signIn(t.context, client, ['grantry-admin'], 'users:read')
  await disableClient(knex, client.client_id, { actor: 'test' })
  await enableClient(knex, client.client_id, { actor: 'test' })
  t.is(await status(value), 401, 'enabling revives nothing')
})

test('a revoked token is dead for the next request', async (t) => {
  const { server } = t.context
  const client = await buildClient(server.db, { access: [{ resource: t.context.api, scopes: ['users:read'] }] })
  const { value } = await signIn(t.context, client, ['grantry-admin'], 'users:read')
  t.is((await call(t.context, bearer(value))).status, 200)
  await fetch(`${server.issuer}/revoke`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}` },
    body: new URLSearchParams({ token: value }),
  })
  t.is((await call(t.context, bearer(value))).status, 401)
})

test('the metadata of the API says where its tokens come from', async (t) => {
  const { server, url } = t.context
  const path = '/.well-known/oauth-protected-resource/api'
  const { status, body } = await call(t.context, {}, path)
  t.is(status, 200)
  t.like(body, { resource: `${server.issuer}/api`, bearer_methods_supported: ['header'] })
  t.deepEqual(body.authorization_servers, [server.issuer])
  t.deepEqual(body.scopes_supported, managementScopes)
  t.is((await fetch(url + path, { method: 'POST' })).status, 405)
})

test('a caller hands out nothing that it lacks', (t) => {
  const caller = { scopes: new Set(['users:read', 'users:write']) }
  t.notThrows(() => requireCovers(caller, []))
  t.notThrows(() => requireCovers(caller, ['users:write', 'users:read', 'users:read']))
  for (const principal of [caller, undefined]) {
    const error = t.throws(() => requireCovers(principal, scopesOfRoles(['grantry-admin'])), { instanceOf: Problem })
    t.is(error?.status, 403)
    t.is(error?.code, 'privilege-raised')
    t.regex(error?.details.detail ?? '', /lacks .*clients:write/)
  }
  t.notRegex(t.throws(() => requireCovers(caller, ['users:read', 'keys:read']))?.message ?? '', /users/)
})

test('roles of other APIs, and names that every object has, give nothing', (t) => {
  for (const role of ['admin', 'orders-admin', 'constructor', '__proto__', 'grantry', 'Grantry-Admin', '']) {
    t.is(scopesOfRoles([role]).size, 0, role)
  }
  t.deepEqual([...scopesOfRoles(['grantry-admin'])], [...managementScopes])
  t.true([...scopesOfRoles(['grantry-viewer'])].every((scope) => scope.endsWith(':read')))
  t.is(scopesOfRoles(['grantry-viewer', 'grantry-user-admin']).has('users:write'), true)
})

test('what a client may ask of other APIs does not count as management', async (t) => {
  const { client_id } = await buildClient(t.context.server.db, {
    access: [
      { resource: API, scopes: ['orders:read'] },
      { resource: t.context.api, scopes: ['users:read'] },
    ],
  })
  const client = await findClient(t.context.server.db.knex, client_id)
  t.deepEqual(client && managementScopesOfClient(client), ['users:read'])
})

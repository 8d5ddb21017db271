/** Introspection (RFC 7662) and revocation (RFC 7009) of access tokens that are JWTs, by their clients and by APIs. */
import test from 'ava'
import { createHmac } from 'node:crypto'
import * as oauth from 'oauth4webapi'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { endSession } from '../../src/registry/sessions/end.ts'
import { deleteUser } from '../../src/registry/users/delete.ts'
import { disableUser } from '../../src/registry/users/disable.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'

const OPAQUE = 'https://opaque.example.com'
const INACTIVE = { active: false }
const actor = 'test'

const stops: (() => unknown)[] = []
let server: TestServer
let other: TestServer
/** Stands for both APIs. */
let api: TestClient
let stranger: TestClient

test.before(async () => {
  const file: Teardown = { teardown: (stop) => void stops.push(stop) }
  server = await startAuthServer(file, { MASTER_KEY: Buffer.alloc(32, 7).toString('base64') })
  const environment = { DATABASE_URL: server.databaseUrl, ISSUER: server.issuer }
  other = await startAuthServer(file, { ...environment, MASTER_KEY: Buffer.alloc(32, 7).toString('base64') })
  await buildResource(server.db)
  await buildResource(server.db, {
    audience: OPAQUE,
    tokenFormat: 'opaque',
    scopes: [{ name: 'secrets:read', description: 'Read', descriptionDe: null }],
  })
  api = await buildClient(server.db, { kind: 'service' })
  stranger = await buildClient(server.db, { kind: 'service' })
  for (const audience of [API, OPAQUE]) {
    await updateResource(server.db.knex, audience, { introspectionClients: [api.client_id] }, { actor })
  }
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

interface Told {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

async function ask(endpoint: 'introspect' | 'revoke', client: TestClient, value = '', at = server): Promise<Told> {
  const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams({ token: value })
  if (client.client_secret) headers.authorization = `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`
  else body.set('client_id', client.client_id)
  const response = await fetch(`${at.issuer}/${endpoint}`, { method: 'POST', headers, body })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : {} }
}

const introspect = (client: TestClient, value?: string, at?: TestServer) => ask('introspect', client, value, at)

async function signIn(scope = 'openid orders:read', client?: TestClient) {
  const [person, app] = await Promise.all([
    buildUser(server.db),
    client ?? buildClient(server.db, { firstParty: true, access: everything }),
  ])
  const answer = await new Visitor(server.issuer).authorize(app, person, {
    scope,
    prompt: 'consent',
    resource: scope.includes('secrets') ? OPAQUE : API,
  })
  const { body } = await redeem(server.issuer, app, answer)
  return { person, app, access: body.access_token ?? '', refreshToken: body.refresh_token }
}

const everything = [
  { resource: API, scopes: ['orders:read'] },
  { resource: OPAQUE, scopes: ['secrets:read'] },
]

async function serviceToken(resource = API) {
  const service = await buildClient(server.db, { kind: 'service', access: everything })
  const { body } = await token(server.issuer, service, { grant_type: 'client_credentials', resource })
  return { service, access: body.access_token ?? '' }
}

test('a JWT of a person is told to its client and to the API that it is for, and to nobody else', async (t) => {
  const { person, app, access } = await signIn()
  for (const client of [app, api]) {
    const { status, headers, body } = await introspect(client, access)
    t.is(status, 200)
    t.is(headers.get('cache-control'), 'no-store')
    t.regex(headers.get('content-type') ?? '', /^application\/json/)
    t.like(body, {
      active: true,
      iss: server.issuer,
      sub: person.id,
      aud: API,
      client_id: app.client_id,
      scope: 'orders:read',
      token_type: 'Bearer',
    })
    for (const name of ['exp', 'iat', 'jti']) t.truthy(body[name], name)
    t.false('username' in body)
  }
  t.deepEqual((await introspect(stranger, access)).body, INACTIVE)
})

test('a JWT of a service names it as subject; so does an opaque token', async (t) => {
  for (const resource of [API, OPAQUE]) {
    const { service, access } = await serviceToken(resource)
    for (const client of [service, api]) {
      const { client_id } = service
      t.like((await introspect(client, access)).body, { active: true, sub: client_id, client_id, aud: resource })
    }
    t.deepEqual((await introspect(stranger, access)).body, INACTIVE, resource)
  }
})

test('an opaque token is told to the API that it is for; a refresh token never is', async (t) => {
  const { person, access, refreshToken } = await signIn('openid secrets:read')
  t.like((await introspect(api, access)).body, { active: true, sub: person.id, aud: OPAQUE, scope: 'secrets:read' })
  t.deepEqual((await introspect(stranger, access)).body, INACTIVE)
  t.deepEqual((await introspect(api, refreshToken)).body, INACTIVE)
})

test('a client that no longer stands for the API learns nothing more', async (t) => {
  const audience = 'https://former.example.com'
  const scopes = [{ name: 'former:read', description: 'Read', descriptionDe: null }]
  const introspectionClients = [stranger.client_id]
  await buildResource(server.db, { audience, scopes, introspectionClients })
  const service = await buildClient(server.db, {
    kind: 'service',
    access: [{ resource: audience, scopes: ['former:read'] }],
  })
  const { body } = await token(server.issuer, service, { grant_type: 'client_credentials' })
  t.like((await introspect(stranger, body.access_token)).body, { active: true })
  await updateResource(server.db.knex, audience, { introspectionClients: [] }, { actor })
  t.deepEqual((await introspect(stranger, body.access_token)).body, INACTIVE)
})

const ends: [string, (about: { person: { id: string }; app: TestClient; access: string }) => Promise<unknown>][] = [
  ['the user is disabled', ({ person }) => disableUser(server.db.knex, { userId: person.id, actor })],
  ['the user is deleted', ({ person }) => deleteUser(server.db.knex, { userId: person.id, actor })],
  ['the client is disabled', ({ app }) => disableClient(server.db.knex, app.client_id, { actor })],
  ['the client is deleted', ({ app }) => deleteClient(server.db.knex, app.client_id, { actor })],
  ['the grant is revoked', ({ app }) => server.db.knex('grants').where({ client_id: app.client_id }).delete()],
  [
    'the session is ended',
    async ({ person }) => {
      const { uid } = await server.db.knex('sessions').where({ user_id: person.id }).first<{ uid: string }>('uid')
      await endSession(server.db.knex, { userId: person.id, uid, actor })
    },
  ],
  [
    'the session expires',
    ({ person }) =>
      server.db
        .knex('sessions')
        .where({ user_id: person.id })
        .update({ expires_at: new Date(0) }),
  ],
]

for (const [what, end] of ends) {
  test(`when ${what}, JWT and opaque tokens are inactive on every instance at once`, async (t) => {
    for (const scope of ['openid orders:read', 'openid secrets:read']) {
      const about = await signIn(scope)
      t.like((await introspect(api, about.access, other)).body, { active: true })
      await end(about)
      for (const at of [server, other]) {
        const { status, body } = await introspect(api, about.access, at)
        t.is(status, 200)
        t.deepEqual(body, INACTIVE)
      }
    }
  })
}

test('when the grant expires, its JWTs do', async (t) => {
  const { app, access } = await signIn()
  await server.db
    .knex('grants')
    .where({ client_id: app.client_id })
    .update({ expires_at: new Date(0) })
  t.deepEqual((await introspect(api, access)).body, INACTIVE)
})

test('access that may outlive the session does, a native app’s and offline access', async (t) => {
  const native = await buildClient(server.db, { kind: 'native', redirectUris: ['https://app.example.com/callback'] })
  for (const about of [await signIn('openid offline_access orders:read'), await signIn('orders:read', native)]) {
    await server.db.knex('sessions').where({ user_id: about.person.id }).delete()
    t.like((await introspect(api, about.access)).body, { active: true }, about.app.client_id)
  }
})

test('what a service got before it was disabled stays inactive when it is enabled again', async (t) => {
  const { service, access } = await serviceToken()
  await disableClient(server.db.knex, service.client_id, { actor })
  t.deepEqual((await introspect(api, access)).body, INACTIVE)
  await enableClient(server.db.knex, service.client_id, { actor })
  t.deepEqual((await introspect(api, access, other)).body, INACTIVE)
})

test('revoking a JWT of a person ends its family on every instance', async (t) => {
  const { app, access, refreshToken } = await signIn()
  const { status, body } = await ask('revoke', app, access)
  t.deepEqual([status, body], [200, {}])
  t.deepEqual((await introspect(api, access, other)).body, INACTIVE)
  t.is((await refresh(server.issuer, app, refreshToken)).body.error, 'invalid_grant')
  t.is((await ask('revoke', app, access)).status, 200, 'a second time is no error')
  const told = await server.db.knex('events').where({ client_id: app.client_id }).pluck('type')
  t.is(told.filter((type) => type === 'grant.revoked').length, 1)
  t.true(told.includes('token.revoked'))
})

test('revoking a JWT of a service ends that one, once, and no other', async (t) => {
  const { service, access } = await serviceToken()
  const second = (await token(server.issuer, service, { grant_type: 'client_credentials', resource: API })).body
  await Promise.all([ask('revoke', service, access), ask('revoke', service, access, other)])
  t.deepEqual((await introspect(api, access, other)).body, INACTIVE)
  t.like((await introspect(api, second.access_token)).body, { active: true })
  const told = { client_id: service.client_id, type: 'token.revoked' }
  t.is((await server.db.knex('events').where(told)).length, 1)
})

test('a JWT is revoked by its own client alone, not by an API that may introspect it', async (t) => {
  const { access } = await signIn()
  for (const client of [api, stranger]) t.is((await ask('revoke', client, access)).status, 200)
  t.like((await introspect(api, access)).body, { active: true })
})

test('neither tells anything to a client that does not prove itself', async (t) => {
  const { app, access } = await signIn()
  for (const endpoint of ['introspect', 'revoke'] as const) {
    for (const secret of ['wrong', undefined]) {
      const { status, body } = await ask(endpoint, { ...app, client_secret: secret }, access)
      t.is(status, 401)
      t.is(body.error, 'invalid_client')
      t.false('active' in body)
    }
  }
  t.like((await introspect(app, access)).body, { active: true })
})

test('a client that takes pages gets the same JSON', async (t) => {
  const { app, access } = await signIn()
  const response = await fetch(`${server.issuer}/introspect`, {
    method: 'POST',
    headers: { accept: 'text/html', authorization: `Basic ${btoa(`${app.client_id}:${app.client_secret}`)}` },
    body: new URLSearchParams({ token: access }),
  })
  t.like(await response.json(), { active: true })
})

test('forged, foreign, foreign-typed, changed and over-long tokens are inactive', async (t) => {
  const { app, access } = await signIn()
  const [header = '', payload = '', signature = ''] = access.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const protectedHeader = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }
  const [jwk] = ((await (await fetch(`${server.issuer}/jwks`)).json()) as { keys: { n?: string }[] }).keys
  const hs256 = `${encode({ ...protectedHeader, alg: 'HS256' })}.${payload}`
  const idToken = await idTokenOf()
  const forged = [
    `${header}.${encode({ ...claims, sub: 'usr_someone' })}.${signature}`,
    `${encode({ alg: 'none', typ: 'at+jwt' })}.${payload}.`,
    `${hs256}.${createHmac('sha256', JSON.stringify(jwk)).update(hs256).digest('base64url')}`,
    `${header}.${payload}.`,
    `${header}.${payload}.${signature}.`,
    `${header}..${signature}`,
    `${access}${'A'.repeat(20_000)}`,
    `${encode({ alg: 'RS256', x: 'y'.repeat(9000) })}.${payload}.${signature}`,
    idToken,
    'a.b.c',
    '\0',
    '🦦',
  ]
  for (const value of forged) {
    const { status, body } = await introspect(app, value)
    t.is(status, 200, value.slice(0, 80))
    t.deepEqual(body, INACTIVE, value.slice(0, 80))
    t.is((await ask('revoke', app, value)).status, 200)
  }
  t.like((await introspect(app, access)).body, { active: true })

  async function idTokenOf(): Promise<string> {
    const answer = await new Visitor(server.issuer).authorize(app, await buildUser(server.db), {
      scope: 'openid orders:read',
      resource: API,
    })
    return (await redeem(server.issuer, app, answer)).body.id_token ?? ''
  }
})

test('oauth4webapi introspects and revokes what discovery points to', async (t) => {
  const { app, access } = await signIn()
  const issuer = new URL(server.issuer)
  const http = { [oauth.allowInsecureRequests]: true }
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http))
  const ask = async ({ client_id, client_secret = '' }: TestClient) => {
    const auth = oauth.ClientSecretBasic(client_secret)
    const response = await oauth.introspectionRequest(as, { client_id }, auth, access, http)
    return oauth.processIntrospectionResponse(as, { client_id }, response)
  }
  t.like(await ask(api), { active: true, client_id: app.client_id })
  const auth = oauth.ClientSecretBasic(app.client_secret ?? '')
  const revoked = await oauth.revocationRequest(as, { client_id: app.client_id }, auth, access, http)
  await t.notThrowsAsync(oauth.processRevocationResponse(revoked))
  t.deepEqual({ ...(await ask(api)) }, INACTIVE)
})

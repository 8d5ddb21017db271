import test from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'

/** Posts a token to /introspect or /revoke as this client. */
async function ask(issuer: string, endpoint: 'introspect' | 'revoke', client: TestClient, value = '') {
  const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams({ token: value })
  if (client.client_secret) headers.authorization = `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`
  else body.set('client_id', client.client_id)
  const response = await fetch(`${issuer}/${endpoint}`, { method: 'POST', headers, body })
  const text = await response.text()
  return { status: response.status, body: (text ? JSON.parse(text) : {}) as Record<string, unknown> }
}

async function signedIn(
  t: Teardown,
): Promise<{ server: TestServer; client: TestClient; access: string; refreshToken: string }> {
  const server = await startAuthServer(t)
  await buildResource(server.db)
  const [person, client] = await Promise.all([buildUser(server.db), buildClient(server.db)])
  const answer = await new Visitor(server.issuer).authorize(client, person, { scope: 'openid' })
  const { body } = await redeem(server.issuer, client, answer)
  return { server, client, access: body.access_token ?? '', refreshToken: body.refresh_token ?? '' }
}

test('a live token introspects active to its own client, and inactive to any other', async (t) => {
  const { server, client, access, refreshToken } = await signedIn(t)
  const stranger = await buildClient(server.db)
  for (const value of [access, refreshToken]) {
    t.like((await ask(server.issuer, 'introspect', client, value)).body, { active: true, client_id: client.client_id })
    t.deepEqual((await ask(server.issuer, 'introspect', stranger, value)).body, { active: false })
  }
  t.deepEqual((await ask(server.issuer, 'introspect', client, 'no-such-token')).body, { active: false })
})

test('a consumed refresh token introspects inactive from its first use, inside the window too', async (t) => {
  const { server, client, refreshToken } = await signedIn(t)
  const successor = (await refresh(server.issuer, client, refreshToken)).body.refresh_token
  t.deepEqual((await ask(server.issuer, 'introspect', client, refreshToken)).body, { active: false })
  t.like((await ask(server.issuer, 'introspect', client, successor)).body, { active: true })
  t.is(
    (await refresh(server.issuer, client, refreshToken)).body.refresh_token,
    successor,
    'introspection harmed nothing',
  )
})

test('revoking a refresh token ends its family', async (t) => {
  const { server, client, access, refreshToken } = await signedIn(t)
  t.is((await ask(server.issuer, 'revoke', client, refreshToken)).status, 200)
  t.is((await refresh(server.issuer, client, refreshToken)).body.error, 'invalid_grant')
  t.deepEqual((await ask(server.issuer, 'introspect', client, access)).body, { active: false })
  t.is((await server.db.knex('events').where({ type: 'grant.revoked' })).length, 1)
})

test('a client can not revoke the token of another', async (t) => {
  const { server, client, access, refreshToken } = await signedIn(t)
  const stranger = await buildClient(server.db)
  for (const value of [access, refreshToken]) t.is((await ask(server.issuer, 'revoke', stranger, value)).status, 200)
  t.is((await refresh(server.issuer, client, refreshToken)).status, 200)
})

test('introspection and revocation demand client authentication', async (t) => {
  const { server, client, access } = await signedIn(t)
  for (const endpoint of ['introspect', 'revoke'] as const) {
    const { status, body } = await ask(server.issuer, endpoint, { ...client, client_secret: 'wrong' }, access)
    t.is(status, 401)
    t.is(body.error, 'invalid_client')
  }
})

test('an opaque token of a service can be introspected and revoked by the service', async (t) => {
  const server = await startAuthServer(t)
  await buildResource(server.db, { tokenFormat: 'opaque' })
  const service = await buildClient(server.db, { kind: 'service' })
  const { body } = await token(server.issuer, service, { grant_type: 'client_credentials', scope: 'orders:read' })
  t.like((await ask(server.issuer, 'introspect', service, body.access_token)).body, {
    active: true,
    aud: API,
    scope: 'orders:read',
  })
  await ask(server.issuer, 'revoke', service, body.access_token)
  t.deepEqual((await ask(server.issuer, 'introspect', service, body.access_token)).body, { active: false })
})

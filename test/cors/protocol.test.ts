/** Whose scripts may read what, at every endpoint: registered, foreign and null origins, before and after the preflight. */
import anyTest, { type TestFn } from 'ava'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, Visitor } from '../support/visitor.ts'

const OURS = 'https://app.example.com'
const OTHER = 'https://other.example.com'
const CONSOLE = 'https://console.example.com'
/** Registered by nobody, or no origin at all. */
const FOREIGN = [
  'https://evil.example',
  'null',
  `${OURS}.evil.example`,
  `${OURS}:8443`,
  `${OURS}/`,
  'http://app.example.com',
  'HTTPS://APP.EXAMPLE.COM',
  'https://app.example.com, https://evil.example',
  '*',
]
const DOCUMENTS = [
  '/jwks',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
  '/.well-known/oauth-protected-resource/api',
]
const SCRIPTED: Record<string, string> = { '/token': 'POST', '/revoke': 'POST', '/userinfo': 'GET, HEAD, POST' }
const NEVER = ['/introspect', '/device_authorization']
const PAGES = [
  '/authorize',
  '/authorize/x',
  '/interaction/x',
  '/account',
  '/logout',
  '/logout/confirm',
  '/device',
  '/device/x',
  '/problems',
  '/',
]

interface Parts {
  server: TestServer
  spa: TestClient
  value: string
  apiKey: string
}

const test = anyTest as TestFn<Parts>
const ends: (() => unknown)[] = []

test.before(async (t) => {
  const server = await startAuthServer({ teardown: (end) => void ends.unshift(end) })
  const { db, issuer } = server
  await buildResource(db)
  const spa = await buildClient(db, { kind: 'spa', redirectUris: [`${OURS}/callback`] })
  await buildClient(db, { kind: 'spa', redirectUris: [`${OTHER}/callback`] })
  const access = [{ resource: `${issuer}/api`, scopes: ['users:read'] }]
  await buildClient(db, { kind: 'spa', redirectUris: [`${CONSOLE}/callback`], access })
  const gone = await buildClient(db, { kind: 'spa', redirectUris: ['https://evil.example/callback'] })
  await db.knex('clients').where({ id: gone.client_id }).update({ disabled_at: db.knex.fn.now() })
  const person = await buildUser(db)
  const { body } = await redeem(issuer, spa, await new Visitor(issuer).authorize(spa, person, { scope: 'openid' }))
  const { value } = await createApiKey(db.knex, { name: 'x', scopes: ['users:read'], actor: 'test' })
  t.context = { server, spa, value: body.access_token ?? '', apiKey: value }
})

test.after.always(async () => {
  for (const end of ends) await end()
})

function preflight({ server }: Parts, path: string, origin: string, method = 'POST'): Promise<Response> {
  const headers = {
    origin,
    'access-control-request-method': method,
    'access-control-request-headers': 'authorization, content-type, x-evil',
  }
  return fetch(server.issuer + path, { method: 'OPTIONS', headers, redirect: 'manual' })
}

const corsOf = ({ headers }: Response) => [...headers.keys()].filter((name) => name.startsWith('access-control-'))
const allowed = ({ headers }: Response) => headers.get('access-control-allow-origin')
const variesByOrigin = ({ headers }: Response) => /\borigin\b/i.test(headers.get('vary') ?? '')

function form({ server, spa }: Parts, path: string, origin?: string): Promise<Response> {
  const fields = { grant_type: 'refresh_token', refresh_token: 'x', token: 'x', client_id: spa.client_id }
  const headers: Record<string, string> = origin === undefined ? {} : { origin }
  return fetch(server.issuer + path, { method: 'POST', headers, body: new URLSearchParams(fields) })
}

for (const [path, methods] of Object.entries(SCRIPTED)) {
  test(`${path}: a preflight from a registered origin is promised what the endpoint has`, async (t) => {
    for (const origin of [OURS, OTHER, CONSOLE]) {
      const answer = await preflight(t.context, path, origin)
      t.is(answer.status, 204)
      t.is(allowed(answer), origin)
      t.is(answer.headers.get('access-control-allow-methods'), methods)
      t.is(answer.headers.get('access-control-max-age'), '7200')
      const names = answer.headers.get('access-control-allow-headers') ?? ''
      t.regex(names, /Authorization, Content-Type, DPoP/)
      t.notRegex(names, /x-evil|\*/i)
      t.is(answer.headers.get('access-control-allow-credentials'), null)
      t.true(variesByOrigin(answer))
    }
  })

  test(`${path}: a preflight from any other origin is promised nothing`, async (t) => {
    for (const origin of FOREIGN) {
      const answer = await preflight(t.context, path, origin)
      t.is(answer.status, 204, origin)
      t.deepEqual(corsOf(answer), [], origin)
      t.true(variesByOrigin(answer))
    }
  })
}

test('scripts read the token and revocation endpoints at origins of their own client, refusals included', async (t) => {
  for (const path of ['/token', '/revoke']) {
    const answer = await form(t.context, path, OURS)
    t.is(allowed(answer), OURS, path)
    t.is(answer.status, path === '/token' ? 400 : 200)
    const exposed = answer.headers.get('access-control-expose-headers') ?? ''
    for (const name of ['WWW-Authenticate', 'DPoP-Nonce', 'Retry-After', 'RateLimit']) t.true(exposed.includes(name))
    t.true(variesByOrigin(answer))
  }
})

test('an origin of another client, of nobody, or of any frame reads nothing and is refused', async (t) => {
  for (const path of ['/token', '/revoke', '/introspect']) {
    for (const origin of [OTHER, ...FOREIGN]) {
      const answer = await form(t.context, path, origin)
      t.is(allowed(answer), null, `${path} ${origin}`)
      t.is(answer.status, 400, `${path} ${origin}`)
      t.is(((await answer.json()) as { error: string }).error, 'invalid_request')
      t.true(variesByOrigin(answer))
      t.is(answer.headers.get('access-control-allow-credentials'), null)
    }
  }
})

test('userinfo is read at origins of the client that the token was issued to', async (t) => {
  const { server, value } = t.context
  const ask = (origin: string, token: string) =>
    fetch(`${server.issuer}/userinfo`, { headers: { origin, authorization: `Bearer ${token}` } })
  const good = await ask(OURS, value)
  t.deepEqual([good.status, allowed(good)], [200, OURS])
  for (const origin of [OTHER, ...FOREIGN]) {
    const answer = await ask(origin, value)
    t.deepEqual([answer.status, allowed(answer)], [400, null], origin)
    t.is(allowed(await ask(origin, 'nonsense')), origin === OTHER ? OTHER : null, 'nobody is known yet')
  }
})

test('without an origin nothing is said of origins, but that the answer depends on them', async (t) => {
  for (const path of ['/token', '/revoke']) {
    const answer = await form(t.context, path)
    t.is(allowed(answer), null, path)
    t.true(variesByOrigin(answer), path)
  }
  const { server, value } = t.context
  const answer = await fetch(`${server.issuer}/userinfo`, { headers: { authorization: `Bearer ${value}` } })
  t.is(answer.status, 200)
  t.is(allowed(answer), null)
})

test('public documents are read by anyone, without credentials, and by no frame without an origin', async (t) => {
  const { server } = t.context
  for (const path of DOCUMENTS) {
    for (const origin of [OURS, 'https://evil.example', 'null']) {
      const expected = origin === 'null' ? null : '*'
      for (const method of ['GET', 'HEAD']) {
        const answer = await fetch(server.issuer + path, { method, headers: { origin } })
        t.deepEqual([answer.status, allowed(answer)], [200, expected], `${method} ${path} ${origin}`)
        t.is(answer.headers.get('access-control-allow-credentials'), null)
        t.true(variesByOrigin(answer))
      }
      const before = await preflight(t.context, path, origin, 'GET')
      t.deepEqual([before.status, allowed(before)], [204, expected])
      t.is(before.headers.get('access-control-allow-methods'), expected && 'GET, HEAD')
    }
  }
})

test('what is for servers and for people is read by no script', async (t) => {
  for (const path of [...NEVER, ...PAGES]) {
    for (const origin of [OURS, CONSOLE, t.context.server.issuer, 'null']) {
      t.deepEqual(corsOf(await preflight(t.context, path, origin, 'GET')), [], path)
      const answer = await fetch(t.context.server.issuer + path, { headers: { origin }, redirect: 'manual' })
      t.is(allowed(answer), null, `${path} ${origin}`)
    }
  }
})

test('the management API is read at the issuer and at origins of clients that may ask for tokens for it', async (t) => {
  const { server, apiKey } = t.context
  const path = '/api/v1/users'
  for (const origin of [CONSOLE, server.issuer]) {
    const before = await preflight(t.context, path, origin, 'PATCH')
    t.deepEqual([before.status, allowed(before)], [204, origin])
    t.is(before.headers.get('access-control-allow-methods'), 'GET, HEAD, POST, PUT, PATCH, DELETE')
    t.regex(
      before.headers.get('access-control-allow-headers') ?? '',
      /Idempotency-Key.*If-Match.*API-Version.*X-API-Key/,
    )
    for (const headers of [{ origin }, { origin, 'x-api-key': apiKey }]) {
      const answer = await fetch(server.issuer + path, { headers })
      t.is(answer.status, 'x-api-key' in headers ? 200 : 401)
      t.is(allowed(answer), origin)
      t.regex(answer.headers.get('access-control-expose-headers') ?? '', /ETag.*Link.*RateLimit.*WWW-Authenticate/)
      t.is(answer.headers.get('access-control-allow-credentials'), null)
    }
  }
  for (const origin of [OURS, ...FOREIGN]) {
    const before = await preflight(t.context, path, origin, 'PATCH')
    t.is(before.status, 204)
    t.deepEqual(corsOf(before), [], origin)
    const answer = await fetch(server.issuer + path, { headers: { origin, 'x-api-key': apiKey } })
    t.is(allowed(answer), null, origin)
    t.true(variesByOrigin(answer))
  }
})

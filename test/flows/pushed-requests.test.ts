/** Pushed authorization requests (RFC 9126), by two client libraries and by hand, over two instances. */
import test from 'ava'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { buildClient, buildResource, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { redeem, Visitor, type Answer } from '../support/visitor.ts'

const stops: (() => unknown)[] = []
let server: TestServer
let other: TestServer

test.before(async () => {
  const file: Teardown = { teardown: (stop) => void stops.push(stop) }
  const MASTER_KEY = Buffer.alloc(32, 7).toString('base64')
  server = await startAuthServer(file, { MASTER_KEY })
  other = await startAuthServer(file, { MASTER_KEY, DATABASE_URL: server.databaseUrl, ISSUER: server.issuer })
  await buildResource(server.db)
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

interface Pushed {
  status: number
  headers: Headers
  body: { request_uri?: string; expires_in?: number; error?: string; error_description?: string }
}

async function post(client: TestClient, form: URLSearchParams, headers: Record<string, string> = {}): Promise<Pushed> {
  const all = { ...headers }
  if (client.client_secret) all.authorization = `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`
  const response = await fetch(`${server.issuer}/par`, { method: 'POST', headers: all, body: form })
  return { status: response.status, headers: response.headers, body: (await response.json()) as Pushed['body'] }
}

/** Pushes the request of a well-behaved client. */
async function push(client: TestClient, more: Record<string, string | undefined> = {}) {
  const { url, verifier, state } = new Visitor(server.issuer).request_uri(client, { parameters: more })
  const form = new URLSearchParams(url.split('?')[1])
  const pushed = await post(client, form)
  const query = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.body.request_uri ?? '' })
  return { ...pushed, verifier, state, url: `/authorize?${query}` }
}

/** Where the browser of somebody who is signed in ends. */
async function follow(visitor: Visitor, url: string): Promise<{ status: number; url: URL; html: string }> {
  const page = await visitor.open(url)
  return { status: page.status, url: new URL(page.url), html: page.html }
}

async function signedIn(client: TestClient): Promise<Visitor> {
  const visitor = new Visitor(server.issuer)
  await visitor.authorize(client, await buildUser(server.db))
  return visitor
}

const firstParty = { firstParty: true }

for (const [library, begin] of Object.entries({ 'openid-client': withOpenidClient, oauth4webapi: withOauth4webapi })) {
  for (const kind of ['web', 'spa'] as const) {
    test(`${library}: a ${kind} client that must push its requests does, and gets its tokens`, async (t) => {
      const client = await buildClient(server.db, { ...firstParty, kind, requirePar: true })
      const visitor = new Visitor(server.issuer)
      const { url, finish } = await begin(client)
      t.deepEqual([...new URL(url).searchParams.keys()].toSorted(), ['client_id', 'request_uri'])
      let page = await visitor.open(url)
      page = await visitor.signIn(page, await buildUser(server.db))
      t.truthy(await finish(new URL(page.url)))
    })
  }
}

test('a request is answered once, with everything that was pushed and nothing that was not', async (t) => {
  const client = await buildClient(server.db, firstParty)
  const visitor = await signedIn(client)
  const { status, headers, body, url, verifier, state } = await push(client)
  t.is(status, 201)
  t.is(headers.get('cache-control'), 'no-store')
  t.regex(body.request_uri ?? '', /^urn:ietf:params:oauth:request_uri:[\w-]{43}$/)
  t.is(body.expires_in, 60)

  const forged = `${url}&redirect_uri=${encodeURIComponent('https://evil.example.com')}&state=forged&scope=openid%20email`
  const first = await follow(visitor, forged)
  t.is(first.url.origin + first.url.pathname, REDIRECT)
  t.is(first.url.searchParams.get('state'), state)
  const answer = { url: first.url, code: first.url.searchParams.get('code') ?? '', verifier } as Answer
  t.is((await redeem(server.issuer, client, answer)).body.scope, 'openid')

  const second = await follow(visitor, url)
  t.is(second.url.searchParams.get('code'), null)
  t.regex(second.url.searchParams.get('error') ?? second.html, /invalid_request_uri/)
})

test('of many that complete one request at once, on two instances, one gets a code', async (t) => {
  const client = await buildClient(server.db, firstParty)
  const visitors = await Promise.all(Array.from({ length: 6 }, () => signedIn(client)))
  const { url } = await push(client)
  const ends = await Promise.all(
    visitors.map((visitor, index) => {
      const cookie = [...visitor.cookies].map(([name, { value }]) => `${name}=${value}`).join('; ')
      const at = index % 2 ? other : server
      return fetch(`${at.issuer}${url}`, { redirect: 'manual', headers: { cookie } })
    }),
  )
  const codes = ends.filter((end) => end.headers.get('location')?.includes('code='))
  t.is(codes.length, 1)
})

test('two sign-ins that one request began give one code, however late the second is', async (t) => {
  const client = await buildClient(server.db, firstParty)
  const { url } = await push(client)
  const people = await Promise.all([1, 2].map(() => buildUser(server.db)))
  const tabs = await Promise.all(
    people.map(async (person) => {
      const visitor = new Visitor(server.issuer)
      return { visitor, person, page: await visitor.open(url) }
    }),
  )
  const ends: URL[] = []
  for (const { visitor, page, person } of tabs) {
    const end = await visitor.signIn(page, person)
    ends.push(new URL(end.url))
    // The minute in which it could begin anything is over.
    await server.db
      .knex('artifacts')
      .where({ model: 'PushedAuthorizationRequest', client_id: client.client_id })
      .delete()
  }
  t.truthy(ends[0]?.searchParams.get('code'))
  t.is(ends[1]?.searchParams.get('code') ?? null, null)
})

test('a request is its client’s alone, and of no use after a minute', async (t) => {
  const [client, stranger] = await Promise.all([buildClient(server.db, firstParty), buildClient(server.db, firstParty)])
  const visitor = await signedIn(client)
  const { url } = await push(client)
  const stolen = await follow(visitor, url.replace(client.client_id, stranger.client_id))
  t.is(stolen.url.searchParams.get('code'), null)

  const late = await push(client)
  const row = server.db.knex('artifacts').where({ model: 'PushedAuthorizationRequest', client_id: client.client_id })
  await row.update({
    payload: server.db.knex.raw(
      `jsonb_set(payload::jsonb, '{exp}', to_jsonb(extract(epoch from now())::int - 60))::json`,
    ),
  })
  t.regex((await follow(visitor, late.url)).html + late.url, /request_uri/)
  t.is((await follow(visitor, late.url)).url.searchParams.get('code'), null)
  t.is((await follow(visitor, `${url}x`)).url.searchParams.get('code'), null)
})

test('nothing stored opens a request: not the row, not after its client is gone', async (t) => {
  const client = await buildClient(server.db, firstParty)
  const { body } = await push(client)
  const id = body.request_uri?.split(':').at(-1) ?? ''
  const where = { client_id: client.client_id, model: 'PushedAuthorizationRequest' }
  const [row] = await server.db.knex('artifacts').where(where)
  t.false(JSON.stringify(row).includes(id))
  await deleteClient(server.db.knex, client.client_id, { actor: 'test' })
  t.deepEqual(await server.db.knex('artifacts').where(where), [])
})

test('a client that must push is refused without, and others are not', async (t) => {
  const client = await buildClient(server.db, { ...firstParty, requirePar: true })
  const visitor = new Visitor(server.issuer)
  const { url } = visitor.request_uri(client)
  const { url: end, html } = await follow(visitor, url)
  t.is(end.searchParams.get('code'), null)
  t.regex(end.searchParams.get('error') ?? html, /invalid_request/)
})

test('what can’t be answered is refused when it is pushed', async (t) => {
  const client = await buildClient(server.db)
  const wrong: [Record<string, string | undefined>, string][] = [
    [{ redirect_uri: 'https://evil.example.com' }, 'invalid_request'],
    [{ code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ scope: 'openid orders:nonsense' }, 'invalid_scope'],
    [{ resource: 'https://elsewhere.example.com' }, 'invalid_target'],
    [{ request_uri: 'https://app.example.com/request.jwt' }, 'request_uri_not_supported'],
    [{ request: 'eyJhbGciOiJub25lIn0.e30.' }, 'invalid_request_object'],
  ]
  for (const [more, error] of wrong) {
    const { status, body } = await push(client, more)
    t.is(status, 400, JSON.stringify(more))
    t.is(body.error, error, JSON.stringify(more))
  }
})

test('a request object by reference is refused at the authorization endpoint, too', async (t) => {
  const client = await buildClient(server.db)
  const visitor = new Visitor(server.issuer)
  const { url } = visitor.request_uri(client, { parameters: { request_uri: 'https://app.example.com/request.jwt' } })
  t.regex((await follow(visitor, url)).url.searchParams.get('error') ?? '', /request_uri_not_supported/)
})

test('a confidential client must prove itself, and a body names a parameter once', async (t) => {
  const client = await buildClient(server.db)
  for (const client_secret of ['wrong', undefined]) {
    const { status, body } = await push({ ...client, client_secret })
    t.is(status, 401)
    t.is(body.error, 'invalid_client')
  }
  const { url } = new Visitor(server.issuer).request_uri(client)
  const form = new URLSearchParams(url.split('?')[1])
  form.append('state', 'another')
  t.is((await post(client, form)).body.error, 'invalid_request')
})

test('scripts of a single-page app may push from its own origin alone', async (t) => {
  const spa = await buildClient(server.db, { kind: 'spa' })
  const another = await buildClient(server.db, { kind: 'spa', redirectUris: ['https://another.example.com/callback'] })
  const { url } = new Visitor(server.issuer).request_uri(spa)
  const form = new URLSearchParams(url.split('?')[1])
  const origin = 'https://app.example.com'
  const good = await post(spa, form, { origin })
  t.is(good.status, 201)
  t.is(good.headers.get('access-control-allow-origin'), origin)
  const foreign = await post(spa, form, { origin: new URL(another.redirect_uri).origin })
  t.is(foreign.status, 400)
  t.is(foreign.headers.get('access-control-allow-origin'), null)
})

async function withOpenidClient(client: TestClient) {
  const config = await oidc.discovery(
    new URL(server.issuer),
    client.client_id,
    undefined,
    client.client_secret ? oidc.ClientSecretBasic(client.client_secret) : oidc.None(),
    { execute: [oidc.allowInsecureRequests] },
  )
  const verifier = oidc.randomPKCECodeVerifier()
  const expectedState = oidc.randomState()
  const url = await oidc.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: client.redirect_uri,
    scope: 'openid',
    state: expectedState,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const checks = { pkceCodeVerifier: verifier, expectedState }
  const finish = async (callback: URL) => (await oidc.authorizationCodeGrant(config, callback, checks)).access_token
  return { url: url.href, finish }
}

async function withOauth4webapi({ client_id, client_secret, redirect_uri }: TestClient) {
  const http = { [oauth.allowInsecureRequests]: true }
  const issuer = new URL(server.issuer)
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http))
  const auth = client_secret ? oauth.ClientSecretBasic(client_secret) : oauth.None()
  const client = { client_id }
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const parameters = {
    response_type: 'code',
    redirect_uri,
    scope: 'openid',
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }
  const pushed = await oauth.pushedAuthorizationRequest(as, client, auth, parameters, http)
  const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, pushed)
  const url = `${as.authorization_endpoint}?${new URLSearchParams({ client_id, request_uri })}`
  const finish = async (callback: URL) => {
    const answer = oauth.validateAuthResponse(as, client, callback, state)
    const response = await oauth.authorizationCodeGrantRequest(as, client, auth, answer, redirect_uri, verifier, http)
    return (await oauth.processAuthorizationCodeResponse(as, client, response)).access_token
  }
  return { url, finish }
}

/** Signed request objects (RFC 9101): by two client libraries, and by hand where no library would go. */
import { randomUUID } from 'node:crypto'
import test from 'ava'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import type { ClientKeys } from '../../src/registry/clients/client-keys.ts'
import type { NewClient } from '../../src/registry/clients/create.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { handmade } from '../support/dpop.ts'
import { buildClient, buildResource, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { Visitor } from '../support/visitor.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const insecure = { [oauth.allowInsecureRequests]: true } as const
const stops: (() => unknown)[] = []
let server: TestServer
let issuer: string
/** Of somebody who is signed in. */
let browser: Visitor

test.before(async () => {
  server = await startAuthServer({ teardown: (stop) => void stops.push(stop) })
  issuer = server.issuer
  await buildResource(server.db)
  browser = new Visitor(issuer)
  await browser.authorize(await buildClient(server.db, { firstParty: true }), await buildUser(server.db))
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

interface Signer extends TestClient {
  alg: string
  privateKey: CryptoKey
  publicJwk: JWK & { kid: string }
}

async function signer(alg = 'ES256', overrides: Partial<NewClient> = {}): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const publicJwk = { ...(await exportJWK(publicKey)), kid: randomUUID() }
  const keys = { jwks: { keys: [publicJwk] } as ClientKeys, tokenEndpointAuthMethod: 'private_key_jwt' } as const
  const client = await buildClient(server.db, { firstParty: true, ...keys, ...overrides })
  return { ...client, alg, privateKey, publicJwk }
}

const now = () => Math.floor(Date.now() / 1000)

/** What a well-behaved client asks for; undefined takes away. */
function claimsOf({ client_id }: TestClient, changes: Record<string, unknown> = {}): Record<string, unknown> {
  const { url } = browser.request_uri({ client_id, client_secret: undefined, redirect_uri: REDIRECT })
  const query = new URLSearchParams(url.split('?')[1])
  const claims = { ...Object.fromEntries(query), client_id, iss: client_id, aud: issuer, exp: now() + 60, ...changes }
  return JSON.parse(JSON.stringify(claims)) as Record<string, unknown>
}

function objectOf(who: Signer, changes: Record<string, unknown> = {}, header: Record<string, unknown> = {}) {
  const heads = { alg: who.alg, kid: who.publicJwk.kid, typ: 'oauth-authz-req+jwt', ...header }
  return new SignJWT(claimsOf(who, changes)).setProtectedHeader(heads).sign(who.privateKey)
}

/** Where the request ends: the parameters that reach the client, or undefined where it ends on a page of ours. */
async function outcome(parameters: Record<string, string>): Promise<{ answer?: URLSearchParams; html: string }> {
  const page = await browser.open(`/authorize?${new URLSearchParams(parameters)}`)
  const end = new URL(page.url)
  return end.origin === issuer ? { html: page.html } : { answer: end.searchParams, html: page.html }
}

async function push(who: Signer, request: string, more: Record<string, string> = {}) {
  const claims = { iss: who.client_id, sub: who.client_id, aud: issuer, jti: randomUUID(), exp: now() + 60 }
  const header = { alg: who.alg, kid: who.publicJwk.kid }
  const client_assertion = await new SignJWT(claims).setProtectedHeader(header).sign(who.privateKey)
  const body = new URLSearchParams({ request, client_assertion_type: JWT_BEARER, client_assertion, ...more })
  const response = await fetch(`${issuer}/par`, { method: 'POST', body })
  return { status: response.status, body: (await response.json()) as { request_uri?: string; error?: string } }
}

async function discover(): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure))
}

for (const alg of ['ES256', 'Ed25519', 'PS256']) {
  test(`oauth4webapi sends a request signed with ${alg}, in the address and pushed`, async (t) => {
    const who = await signer(alg)
    const as = await discover()
    t.true(as.request_object_signing_alg_values_supported?.includes(alg))
    const client = { client_id: who.client_id }
    const auth = oauth.PrivateKeyJwt({ key: who.privateKey, kid: who.publicJwk.kid })
    for (const way of ['in the address', 'pushed']) {
      const verifier = oauth.generateRandomCodeVerifier()
      const state = oauth.generateRandomState()
      const parameters = {
        response_type: 'code',
        redirect_uri: REDIRECT,
        scope: 'openid',
        state,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }
      const key = { key: who.privateKey, kid: who.publicJwk.kid }
      const request = await oauth.issueRequestObject(as, client, parameters, key)
      const query = new URLSearchParams(client)
      if (way === 'pushed') {
        const response = await oauth.pushedAuthorizationRequest(as, client, auth, { request }, insecure)
        const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, response)
        query.set('request_uri', request_uri)
      } else {
        query.set('request', request)
      }
      const end = new URL((await browser.open(`/authorize?${query}`)).url)
      const answer = oauth.validateAuthResponse(as, client, end, state)
      const grant = oauth.authorizationCodeGrantRequest(as, client, auth, answer, REDIRECT, verifier, insecure)
      t.truthy((await oauth.processAuthorizationCodeResponse(as, client, await grant)).access_token, way)
    }
  })
}

test('openid-client sends a signed request and gets its tokens', async (t) => {
  const who = await signer()
  const auth = oidc.PrivateKeyJwt(who.privateKey)
  const execute = [oidc.allowInsecureRequests]
  const config = await oidc.discovery(new URL(issuer), who.client_id, undefined, auth, { execute })
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  const parameters = {
    redirect_uri: REDIRECT,
    scope: 'openid',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  }
  const url = await oidc.buildAuthorizationUrlWithJAR(config, parameters, who.privateKey)
  const end = new URL((await browser.open(url.href)).url)
  t.truthy((await oidc.authorizationCodeGrant(config, end, { pkceCodeVerifier })).access_token)
})

test('what stands beside a request object does not count, whatever it is', async (t) => {
  const who = await signer()
  const request = await objectOf(who, { state: 'inside', nonce: undefined })
  const beside = {
    scope: 'openid email',
    state: 'outside',
    nonce: 'outside',
    prompt: 'none login',
    max_age: 'x',
    redirect_uri: 'https://evil.example.com/',
    code_challenge: 'x'.repeat(43),
  }
  const { answer } = await outcome({ client_id: who.client_id, request, ...beside })
  t.truthy(answer?.get('code'))
  t.is(answer?.get('state'), 'inside')

  const pushed = await push(who, request, beside)
  t.is(pushed.status, 201)
  const { client_id } = who
  const later = await outcome({ client_id, request_uri: pushed.body.request_uri ?? '', ...beside })
  t.is(later.answer?.get('state'), 'inside')
})

test('a parameter that PKCE or the profile needs can not be brought along beside it', async (t) => {
  const who = await signer()
  const request = await objectOf(who, { code_challenge: undefined })
  const { answer } = await outcome({ client_id: who.client_id, request, code_challenge: 'x'.repeat(43) })
  t.is(answer?.get('error'), 'invalid_request')
  t.false(answer?.has('code'))
})

const refused: [string, (who: Signer) => Promise<string> | string][] = [
  ['no signature', (who) => handmade({ alg: 'none' }, claimsOf(who))],
  [
    'the public key as a shared secret',
    (who) => {
      const secret = Buffer.from(JSON.stringify(who.publicJwk))
      return new SignJWT(claimsOf(who)).setProtectedHeader({ alg: 'HS256' }).sign(secret)
    },
  ],
  [
    'the key of another client',
    async (who) => objectOf({ ...(await signer()), client_id: who.client_id } as Signer, {}),
  ],
  [
    'the key of another client under its kid',
    async (who) => objectOf({ ...who, privateKey: (await signer()).privateKey }),
  ],
  ['the whole of another client', async () => objectOf(await signer())],
  ['another client_id', (who) => objectOf(who, { client_id: 'cli_someone' })],
  ['no client_id', (who) => objectOf(who, { client_id: undefined })],
  ['another issuer', (who) => objectOf(who, { iss: 'cli_someone' })],
  ['another audience', (who) => objectOf(who, { aud: 'https://other.example.com' })],
  ['the issuer among other audiences', (who) => objectOf(who, { aud: [issuer, 'https://other.example.com'] })],
  ['no audience', (who) => objectOf(who, { aud: undefined })],
  ['an end that is over', (who) => objectOf(who, { exp: now() - 60 })],
  ['an end too far ahead', (who) => objectOf(who, { exp: now() + 400 })],
  ['no end', (who) => objectOf(who, { exp: undefined })],
  ['a beginning to come', (who) => objectOf(who, { nbf: now() + 120 })],
  ['a subject, as an assertion has', (who) => objectOf(who, { sub: who.client_id })],
  ['a type of another purpose', (who) => objectOf(who, {}, { typ: 'client-authentication+jwt' })],
  ['another request in it', (who) => objectOf(who, { request: 'x' })],
  ['a reference in it', (who) => objectOf(who, { request_uri: 'https://app.example.com/request.jwt' })],
  [
    'a changed claim',
    async (who) => {
      const [header, , signature] = (await objectOf(who)).split('.')
      const claims = Buffer.from(JSON.stringify(claimsOf(who, { scope: 'openid email' }))).toString('base64url')
      return `${header}.${claims}.${signature}`
    },
  ],
  ['nothing that could be read', () => 'x.y.z'],
  ['five parts, as if encrypted', () => 'a.b.c.d.e'],
]
for (const [what, make] of refused) {
  test(`a request object is refused with ${what}`, async (t) => {
    const who = await signer()
    const request = await make(who)
    const beside = { client_id: who.client_id, redirect_uri: REDIRECT, response_type: 'code', state: 's' }
    const { answer } = await outcome({ ...beside, request })
    t.is(answer?.get('error'), 'invalid_request_object')
    t.false(answer?.has('code'))
    const pushed = await push(who, request)
    t.is(pushed.status, 400)
    t.is(pushed.body.error, 'invalid_request_object')
  })
}

test('a client without keys can sign nothing, with its secret neither', async (t) => {
  const client = await buildClient(server.db, { firstParty: true })
  const secret = Buffer.from(client.client_secret ?? '')
  const signed = await new SignJWT(claimsOf(client)).setProtectedHeader({ alg: 'HS256' }).sign(secret)
  const own = await objectOf({ ...(await signer()), client_id: client.client_id } as Signer)
  const beside = { client_id: client.client_id, redirect_uri: REDIRECT, response_type: 'code' }
  for (const request of [signed, own]) {
    t.is((await outcome({ ...beside, request })).answer?.get('error'), 'invalid_request_object')
  }
})

test('one that is pushed is answered once, and one in the address gives codes that are bound as ever', async (t) => {
  const who = await signer()
  const request = await objectOf(who)
  const { client_id } = who
  const { body } = await push(who, request)
  const first = await outcome({ client_id, request_uri: body.request_uri ?? '' })
  t.truthy(first.answer?.get('code'))
  const second = await outcome({ client_id, request_uri: body.request_uri ?? '' })
  t.is(second.answer?.get('code') ?? null, null)
  // RFC 9101 leaves replays to the client: each code is for the one verifier that the object's challenge was made of.
  const again = await Promise.all([1, 2].map(() => outcome({ client_id, request })))
  t.is(new Set(again.map(({ answer }) => answer?.get('code'))).size, 2)
})

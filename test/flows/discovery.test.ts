/**
 * Discovery equals behaviour. Every value that the metadata document advertises (RFC 8414, OpenID Connect Discovery §3) is
 * proved here by doing it; a member or value without a proof fails the test, and so does a proof of what is not advertised.
 */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import {
  calculateJwkThumbprint,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  SignJWT,
  type CryptoKey,
} from 'jose'
import * as oauth from 'oauth4webapi'
import { EXCHANGE_GRANT } from '../../src/registry/clients/client.ts'
import type { ClientKeys } from '../../src/registry/clients/client-keys.ts'
import type { NewClient } from '../../src/registry/clients/create.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { approve, askForCode, buildDeviceClient, poll } from '../support/device.ts'
import { startDocumentHost, type DocumentHost } from '../support/document-host.ts'
import { handmade, newProofKey, proofOf } from '../support/dpop.ts'
import { API, buildClient, buildResource, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { redeem, refresh, token, Visitor, type AuthorizationOptions, type TokenResponse } from '../support/visitor.ts'

type Test = ExecutionContext
type Proof = (t: Test, advertised: unknown) => Promise<unknown>

const insecure = { [oauth.allowInsecureRequests]: true } as const
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const NEXT_API = 'https://stock.example.com'
const ORDERS = [{ resource: API, scopes: ['orders:read'] }]
const STOCK = [{ resource: NEXT_API, scopes: ['stock:read'] }]
const SIGNED_OUT = 'https://app.example.com/signed-out'

const stops: (() => unknown)[] = []
let server: TestServer
let issuer: string
let host: DocumentHost
let advertised: Record<string, unknown>
let person: Awaited<ReturnType<typeof buildUser>>
/** The browser of that person, who is signed in. */
let browser: Visitor
/** Confidential, of the operator's own: asks nobody. */
let web: TestClient
let spa: TestClient
let service: TestClient

test.before(async () => {
  server = await startAuthServer({ teardown: (stop) => void stops.push(stop) }, { RATE_LIMIT_TOKEN: 'off' })
  issuer = server.issuer
  host = await startDocumentHost()
  stops.push(() => host.close())
  await buildResource(server.db, { selfRegisteredScopes: ['orders:read'] })
  const scopes = [{ name: 'stock:read', description: 'See what is there', descriptionDe: null }]
  await buildResource(server.db, { audience: NEXT_API, name: 'Stock', scopes })
  person = await buildUser(server.db, { name: 'Ada', email: 'ada@example.com' })
  web = await buildClient(server.db, { firstParty: true, postLogoutRedirectUris: [SIGNED_OUT] })
  spa = await buildClient(server.db, { firstParty: true, kind: 'spa' })
  service = await buildClient(server.db, { kind: 'service' })
  browser = new Visitor(issuer)
  // For everything at once: no test widens what the others share.
  const scope = 'openid profile email offline_access orders:read orders:write'
  await browser.authorize(web, person, { scope, resource: API })
  await browser.authorize(spa, person)
  advertised = await readDocument('openid-configuration')
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

async function readDocument(name: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${issuer}/.well-known/${name}`)
  return (await response.json()) as Record<string, unknown>
}

/** For a browser of its own: who signs in six times at the same moment is told to wait. */
const stranger = () => buildUser(server.db)

/** One value after the other: those that are advertised, and no others. */
function eachOf(proofs: Record<string, (t: Test) => Promise<unknown>>): Proof {
  return async (t, values) => {
    t.deepEqual([...(values as string[])].toSorted(), Object.keys(proofs).toSorted())
    for (const prove of Object.values(proofs)) await prove(t)
  }
}

const eachTo = (names: readonly string[], prove: (t: Test, name: string) => Promise<unknown>): Proof =>
  eachOf(Object.fromEntries(names.map((name) => [name, (t: Test) => prove(t, name)])))

/** That the document gives this address for it, and that it answers so. */
const at =
  (path: string, prove: (t: Test, url: string) => Promise<unknown>): Proof =>
  async (t, url) => {
    t.is(url, issuer + path)
    await prove(t, url as string)
  }

async function tokens(options: AuthorizationOptions = {}, client = web): Promise<TokenResponse['body']> {
  const answer = await browser.authorize(client, person, options)
  const { status, body } = await redeem(issuer, client, answer)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body
}

/** What reaches the client of an authorization request: in the query, or in the fragment. */
async function answerTo(parameters: Record<string, string | undefined>, client = web): Promise<URLSearchParams> {
  const { url } = browser.request_uri(client, { parameters })
  const end = new URL((await browser.open(url)).url)
  return end.hash ? new URLSearchParams(end.hash.slice(1)) : end.searchParams
}

interface Posted {
  status: number
  headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

async function post(url: string, form: Record<string, string>, headers: Record<string, string> = {}): Promise<Posted> {
  const response = await fetch(url, { method: 'POST', headers, body: new URLSearchParams(form) })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : {} }
}

const basic = ({ client_id, client_secret }: TestClient) => ({
  authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}`,
})

// — clients with keys —

interface Signer extends TestClient {
  alg: string
  privateKey: CryptoKey
  kid: string
}

async function buildSigner(alg = 'ES256', overrides: Partial<NewClient> = {}): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  const jwks = { keys: [{ ...jwk, kid }] } as ClientKeys
  return { ...(await buildClient(server.db, { kind: 'service', jwks, ...overrides })), alg, privateKey, kid }
}

const assertionClaims = ({ client_id }: { client_id: string }) => ({
  iss: client_id,
  sub: client_id,
  aud: issuer,
  jti: randomUUID(),
  iat: Math.floor(Date.now() / 1000),
  exp: Math.floor(Date.now() / 1000) + 60,
})

const byAssertion = (client_assertion: string) => ({ client_assertion_type: JWT_BEARER, client_assertion })

async function assertionOf(signer: Signer, privateKey = signer.privateKey) {
  const header = { alg: signer.alg, kid: signer.kid, typ: 'client-authentication+jwt' }
  return byAssertion(await new SignJWT(assertionClaims(signer)).setProtectedHeader(header).sign(privateKey))
}

interface Attempt {
  form: Record<string, string>
  headers?: Record<string, string>
}

/** By method: a client that proves itself as it should, and one that doesn't. */
const PROVEN: Record<string, () => Promise<{ good: Attempt; bad: Attempt }>> = {
  async client_secret_basic() {
    return { good: { form: {}, headers: basic(service) }, bad: { form: { client_id: service.client_id } } }
  },
  async client_secret_post() {
    const client = await buildClient(server.db, { kind: 'service', tokenEndpointAuthMethod: 'client_secret_post' })
    const { client_id, client_secret = '' } = client
    return { good: { form: { client_id, client_secret } }, bad: { form: { client_id, client_secret: 'gcs_wrong' } } }
  },
  async private_key_jwt() {
    const [signer, thief] = await Promise.all([buildSigner(), buildSigner()])
    return {
      good: { form: await assertionOf(signer) },
      bad: { form: await assertionOf(signer, thief.privateKey) },
    }
  },
  async none() {
    return { good: { form: { client_id: spa.client_id } }, bad: { form: { client_id: web.client_id } } }
  },
}

/** RFC 7009 and RFC 7662: with a token that nobody knows, whoever proves itself is told so, and nobody else anything. */
const provenAt = (endpoint: string) =>
  eachTo(Object.keys(PROVEN), async (t, method) => {
    const { good, bad } = await PROVEN[method]!()
    const ask = ({ form, headers }: Attempt) => post(issuer + endpoint, { token: 'x', ...form }, headers)
    t.is((await ask(good)).status, 200, `${method} at ${endpoint}`)
    t.is((await ask(bad)).status, 401, `${method} at ${endpoint}`)
  })

const ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA', 'PS256', 'RS256']
const signedAt = (endpoint: string) =>
  eachTo(ALGORITHMS, async (t, alg) => {
    const signer = await buildSigner(alg)
    const form = endpoint === '/token' ? { grant_type: 'client_credentials' } : { token: 'x' }
    t.is((await post(issuer + endpoint, { ...form, ...(await assertionOf(signer)) })).status, 200, alg)
  })

/** With the nonce that the server asks for in its first answer (RFC 9449 §8). */
async function withProof(alg: string, form: Record<string, string>, client: TestClient): Promise<Posted> {
  const key = await newProofKey(alg)
  const htu = `${issuer}/token`
  const ask = async (nonce?: string) =>
    post(htu, form, { ...basic(client), dpop: await proofOf(key, { htu, ...(nonce && { nonce }) }) })
  return ask((await ask()).headers.get('dpop-nonce') ?? '')
}

// — the proofs —

const PROOFS: Record<string, Proof> = {
  async issuer(t, value) {
    t.is(value, issuer)
    t.is(decodeJwt((await tokens()).id_token ?? '').iss, issuer)
  },
  authorization_endpoint: at('/authorize', async (t, url) => {
    const { url: query } = new Visitor(issuer).request_uri(web)
    t.regex((await new Visitor(issuer).open(url + query.slice('/authorize'.length))).html, /name="password"/)
    t.is((await fetch(url, { method: 'POST' })).status, 405)
  }),
  token_endpoint: at('/token', async (t, url) => {
    t.is((await post(url, { grant_type: 'client_credentials' }, basic(service))).status, 200)
    t.is((await fetch(url)).status, 405)
  }),
  userinfo_endpoint: at('/userinfo', async (t, url) => {
    const headers = { authorization: `Bearer ${(await tokens()).access_token}` }
    for (const method of ['GET', 'POST']) {
      t.like(await (await fetch(url, { method, headers })).json(), { sub: person.id }, method)
    }
    t.is((await fetch(url)).status, 401)
  }),
  jwks_uri: at('/jwks', async (t, url) => {
    const { keys } = (await (await fetch(url)).json()) as { keys: Record<string, unknown>[] }
    for (const key of keys) {
      t.truthy(key.kid)
      for (const secret of ['d', 'p', 'q', 'k']) t.false(secret in key)
    }
    const options = { issuer, audience: web.client_id }
    await jwtVerify((await tokens()).id_token ?? '', createRemoteJWKSet(new URL(url)), options)
  }),
  end_session_endpoint: at('/logout', async (t, url) => {
    const visitor = new Visitor(issuer)
    const { body } = await redeem(issuer, web, await visitor.authorize(web, await stranger()))
    const query = new URLSearchParams({
      id_token_hint: body.id_token ?? '',
      post_logout_redirect_uri: SIGNED_OUT,
      state: 's',
    })
    const question = await visitor.open(`${url}?${query}`)
    t.is((await visitor.submit(question, /\/logout\/confirm$/, { logout: 'yes' })).url, `${SIGNED_OUT}?state=s`)
    t.regex((await visitor.open(visitor.request_uri(web).url)).html, /name="password"/)
  }),
  introspection_endpoint: at('/introspect', async (t, url) => {
    const { access_token = '' } = await tokens({ scope: 'openid orders:read', resource: API })
    t.like((await post(url, { token: access_token }, basic(web))).body, { active: true, sub: person.id })
    t.deepEqual((await post(url, { token: access_token }, basic(service))).body, { active: false })
  }),
  revocation_endpoint: at('/revoke', async (t, url) => {
    const app = await buildClient(server.db, { firstParty: true })
    const { access_token = '', refresh_token } = await tokens({}, app)
    t.is((await post(url, { token: refresh_token ?? '' }, basic(app))).status, 200)
    t.is((await refresh(issuer, app, refresh_token)).body.error, 'invalid_grant')
    t.deepEqual((await post(`${issuer}/introspect`, { token: access_token }, basic(app))).body, { active: false })
  }),
  pushed_authorization_request_endpoint: at('/par', async (t, url) => {
    const form = Object.fromEntries(new URLSearchParams(browser.request_uri(web).url.split('?')[1]))
    const { status, body } = await post(url, form, basic(web))
    t.is(status, 201)
    const query = new URLSearchParams({ client_id: web.client_id, request_uri: body.request_uri })
    t.truthy(new URL((await browser.open(`/authorize?${query}`)).url).searchParams.get('code'))
  }),
  device_authorization_endpoint: at('/device_authorization', async (t) => {
    const { status, body } = await askForCode(issuer, await buildDeviceClient(server.db))
    t.is(status, 200)
    t.is((await fetch(body.verification_uri)).status, 200)
  }),
  registration_endpoint: at('/register', async (t, url) => {
    const redirect_uri = 'http://127.0.0.1:5432/callback'
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: [redirect_uri], token_endpoint_auth_method: 'none' }),
    })
    t.is(response.status, 201)
    const { client_id } = (await response.json()) as { client_id: string }
    const client = { client_id, client_secret: undefined, redirect_uri }
    const answer = await new Visitor(issuer).authorize(client, await stranger())
    t.is((await redeem(issuer, client, answer)).status, 200)
  }),
  async client_id_metadata_document_supported(t, value) {
    t.true(value)
    const client_id = host.document('/notes.json')
    const client = { client_id, client_secret: undefined, redirect_uri: 'http://127.0.0.1:41234/callback' }
    const answer = await new Visitor(issuer).authorize(client, await stranger(), {
      scope: 'orders:read',
      resource: API,
    })
    const { code, verifier } = answer
    const { redirect_uri } = client
    const form = { grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier, resource: API }
    const { status, body } = await token(issuer, client, form)
    t.is(status, 200, JSON.stringify(body))
    t.is(decodeJwt(body.access_token ?? '').client_id, client_id)
  },

  async backchannel_logout_supported(t, value) {
    t.true(value)
    const { token } = await toldOfTheEnd()
    t.is(decodeProtectedHeader(token).typ, 'logout+jwt')
    t.like(decodeJwt(token), { iss: issuer, sub: person.id })
  },
  async backchannel_logout_session_supported(t, value) {
    t.true(value)
    const { token, sid } = await toldOfTheEnd()
    t.truthy(sid)
    t.is(decodeJwt(token).sid, sid)
  },

  grant_types_supported: eachOf({
    async authorization_code(t) {
      t.truthy((await tokens()).access_token)
    },
    async refresh_token(t) {
      t.truthy((await refresh(issuer, web, (await tokens()).refresh_token)).body.access_token)
    },
    async client_credentials(t) {
      t.truthy((await token(issuer, service, { grant_type: 'client_credentials' })).body.access_token)
    },
    async 'urn:ietf:params:oauth:grant-type:device_code'(t) {
      const client = await buildDeviceClient(server.db)
      const { body } = await askForCode(issuer, client)
      await approve(new Visitor(issuer), await stranger(), body.user_code)
      t.truthy((await poll(issuer, client, body.device_code)).body.access_token)
    },
    async 'urn:ietf:params:oauth:grant-type:token-exchange'(t) {
      const front = await buildClient(server.db, { firstParty: true, access: [...ORDERS, ...STOCK] })
      const behind = await buildClient(server.db, {
        kind: 'service',
        grantTypes: [EXCHANGE_GRANT],
        access: STOCK,
        exchangeFrom: [API],
      })
      const asked = { scope: 'orders:read stock:read', resource: [API, NEXT_API] }
      const { code, verifier } = await browser.authorize(front, person, asked)
      const form = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier }
      const { body } = await token(issuer, front, { ...form, resource: API })
      const exchanged = await token(issuer, behind, {
        grant_type: EXCHANGE_GRANT,
        subject_token: body.access_token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        resource: NEXT_API,
      })
      t.is(exchanged.status, 200, JSON.stringify(exchanged.body))
      t.like(decodeJwt(exchanged.body.access_token ?? ''), { sub: person.id, aud: NEXT_API, scope: 'stock:read' })
    },
  }),
  response_types_supported: eachOf({
    async code(t) {
      const answer = await answerTo({ response_type: 'code' })
      t.truthy(answer.get('code'))
      for (const name of ['access_token', 'id_token']) t.false(answer.has(name))
    },
  }),
  response_modes_supported: eachOf({
    async query(t) {
      const { url } = browser.request_uri(web, { parameters: { response_mode: 'query' } })
      t.truthy(new URL((await browser.open(url)).url).searchParams.get('code'))
    },
    async fragment(t) {
      const { url } = browser.request_uri(web, { parameters: { response_mode: 'fragment' } })
      t.regex(new URL((await browser.open(url)).url).hash, /[#&]code=/)
    },
    async form_post(t) {
      const { url } = browser.request_uri(web, { parameters: { response_mode: 'form_post' } })
      t.regex(
        (await browser.open(url)).html,
        /<form method="post" action="https:\/\/app[\s\S]*name="code" value="[\w-]+"/,
      )
    },
    async jwt(t) {
      t.truthy((await signedAnswer('jwt')).get('code'))
    },
    async 'query.jwt'(t) {
      t.truthy((await signedAnswer('query.jwt')).get('code'))
    },
    async 'fragment.jwt'(t) {
      t.truthy((await signedAnswer('fragment.jwt')).get('code'))
    },
    async 'form_post.jwt'(t) {
      t.truthy((await signedAnswer('form_post.jwt')).get('code'))
    },
  }),
  async authorization_response_iss_parameter_supported(t, value) {
    t.true(value)
    t.is((await answerTo({})).get('iss'), issuer)
    const refused = await answerTo({ prompt: 'none', scope: 'openid nonsense' })
    t.truthy(refused.get('error'))
    t.is(refused.get('iss'), issuer)
  },
  code_challenge_methods_supported: eachOf({
    async S256(t) {
      const answer = await browser.authorize(web, person)
      t.is((await redeem(issuer, web, { ...answer, verifier: 'x'.repeat(43) })).body.error, 'invalid_grant')
      t.is((await redeem(issuer, web, answer)).status, 200)
    },
  }),
  prompt_values_supported: eachOf({
    async none(t) {
      t.truthy((await answerTo({ prompt: 'none' })).get('code'))
      const { url } = new Visitor(issuer).request_uri(web, { prompt: 'none' })
      t.is(new URL((await new Visitor(issuer).open(url)).url).searchParams.get('error'), 'login_required')
    },
    async login(t) {
      t.regex((await browser.open(browser.request_uri(web, { prompt: 'login' }).url)).html, /name="password"/)
    },
    async consent(t) {
      t.regex((await browser.open(browser.request_uri(web, { prompt: 'consent' }).url)).html, /value="allow"/)
    },
  }),
  acr_values_supported: eachTo(['urn:grantry:acr:password'], async (t, acr_values) => {
    const { id_token = '' } = await tokens({ parameters: { acr_values } })
    t.is(decodeJwt(id_token).acr, acr_values)
  }),

  scopes_supported: eachOf({
    async openid(t) {
      t.is(decodeJwt((await tokens({ scope: 'openid' })).id_token ?? '').sub, person.id)
      t.is((await tokens({ scope: 'orders:read', resource: API })).id_token, undefined)
    },
    async profile(t) {
      t.like(await about('openid profile'), { name: 'Ada', preferred_username: person.username })
    },
    async email(t) {
      t.like(await about('openid email'), { email: 'ada@example.com', email_verified: false })
      t.false('email' in (await about('openid profile')))
    },
    async offline_access(t) {
      // It outlives the session in which it was granted.
      const visitor = new Visitor(issuer)
      const scope = 'openid offline_access'
      const { body } = await redeem(
        issuer,
        web,
        await visitor.authorize(web, await stranger(), { scope, prompt: 'consent' }),
      )
      const query = new URLSearchParams({ id_token_hint: body.id_token ?? '' })
      await visitor.submit(await visitor.open(`/logout?${query}`), /\/logout\/confirm$/, { logout: 'yes' })
      t.is((await refresh(issuer, web, body.refresh_token)).status, 200)
    },
  }),
  async claims_supported(t, value) {
    const parameters = { max_age: '3600', acr_values: 'urn:grantry:acr:password' }
    const everything = { scope: 'openid profile email', parameters }
    const app = await buildClient(server.db, { firstParty: true, ...toldAt('/claims') })
    const { id_token = '', access_token } = await tokens(everything, app)
    const told = { ...decodeJwt(id_token), ...(await userinfo(access_token)) }
    for (const claim of value as string[]) t.true(claim in told, claim)
    const ofTheToken = ['aud', 'exp', 'iat', 'at_hash', 'nonce', 'amr']
    for (const claim of Object.keys(told)) t.true([...(value as string[]), ...ofTheToken].includes(claim), claim)
  },
  claim_types_supported: eachOf({
    async normal(t) {
      const told = await about('openid profile email')
      for (const name of ['_claim_names', '_claim_sources']) t.false(name in told)
    },
  }),
  async claims_parameter_supported(t, value) {
    t.false(value)
    const claims = JSON.stringify({ id_token: { email: { essential: true } }, userinfo: { email: null } })
    const { id_token = '', access_token } = await tokens({ parameters: { claims } })
    t.false('email' in { ...decodeJwt(id_token), ...(await userinfo(access_token)) })
  },
  subject_types_supported: eachOf({
    async public(t) {
      const subjects = await Promise.all([web, spa].map(async (client) => (await tokens({}, client)).id_token ?? ''))
      t.deepEqual(
        subjects.map((value) => decodeJwt(value).sub),
        [person.id, person.id],
      )
    },
  }),

  token_endpoint_auth_methods_supported: eachTo(Object.keys(PROVEN), async (t, method) => {
    const { good, bad } = await PROVEN[method]!()
    const form = { grant_type: 'client_credentials' }
    if (method === 'none') {
      t.truthy((await tokens({}, spa)).access_token)
    } else {
      t.is((await post(`${issuer}/token`, { ...form, ...good.form }, good.headers)).status, 200, method)
    }
    t.is((await post(`${issuer}/token`, { ...form, ...bad.form }, bad.headers)).status, 401, method)
  }),
  introspection_endpoint_auth_methods_supported: provenAt('/introspect'),
  revocation_endpoint_auth_methods_supported: provenAt('/revoke'),
  token_endpoint_auth_signing_alg_values_supported: signedAt('/token'),
  introspection_endpoint_auth_signing_alg_values_supported: signedAt('/introspect'),
  revocation_endpoint_auth_signing_alg_values_supported: signedAt('/revoke'),
  dpop_signing_alg_values_supported: eachTo(['ES256', 'Ed25519', 'EdDSA'], async (t, alg) => {
    const { status, body } = await withProof(alg, { grant_type: 'client_credentials' }, service)
    t.is(status, 200, alg)
    t.is(body.token_type, 'DPoP')
    t.truthy(decodeJwt<{ cnf: { jkt?: string } }>(body.access_token).cnf.jkt)
  }),
  id_token_signing_alg_values_supported: eachOf({
    async RS256(t) {
      t.is(decodeProtectedHeader((await tokens()).id_token ?? '').alg, 'RS256')
    },
    async ES256(t) {
      t.is(decodeProtectedHeader(await idTokenOfFapi2()).alg, 'ES256')
    },
  }),

  authorization_signing_alg_values_supported: eachOf({
    async RS256(t) {
      t.is((await signedAnswer('jwt')).get('iss'), issuer)
    },
    async ES256(t) {
      t.truthy(await idTokenOfFapi2())
    },
  }),
  async request_parameter_supported(t, value) {
    t.true(value)
    t.truthy((await answerToSigned('ES256')).get('code'))
  },
  request_object_signing_alg_values_supported: eachTo(['ES256', 'Ed25519', 'PS256'], async (t, alg) => {
    t.truthy((await answerToSigned(alg)).get('code'), alg)
  }),
  async request_uri_parameter_supported(t, value) {
    t.false(value)
    const answer = await answerTo({ request_uri: host.put('/request.jwt', { body: 'x' }) })
    t.is(answer.get('error'), 'request_uri_not_supported')
    t.is(host.requests('/request.jwt').length, 0)
  },
}

async function userinfo(accessToken = ''): Promise<Record<string, unknown>> {
  const response = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${accessToken}` } })
  return (await response.json()) as Record<string, unknown>
}

const about = async (scope: string) => userinfo((await tokens({ scope })).access_token)

/** Of a client that is told of the end of sessions. */
const toldAt = (path: string) => ({
  allowPrivate: true,
  backchannelLogoutUri: host.put(path, {}),
  backchannelLogoutSessionRequired: true,
})

/** What an app was told by its sign-in, and what it is told when the person signs out. */
async function toldOfTheEnd(): Promise<{ sid: unknown; token: string }> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const listener = createServer((request, response) => {
    void text(request).then((body) => {
      resolve(new URLSearchParams(body).get('logout_token') ?? '')
      response.end()
    })
  })
  await new Promise<void>((listening) => void listener.listen(0, '127.0.0.1', listening))
  stops.push(() => listener.close())
  const backchannelLogoutUri = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`
  const app = await buildClient(server.db, { firstParty: true, ...toldAt('/unused'), backchannelLogoutUri })
  const visitor = new Visitor(issuer)
  const { body } = await redeem(issuer, app, await visitor.authorize(app, person))
  await visitor.submit(await visitor.open('/logout'), /\/logout\/confirm$/, { logout: 'yes' })
  return { sid: decodeJwt(body.id_token ?? '').sid, token: await promise }
}

/** To a request object (RFC 9101) by a client of its own. */
async function answerToSigned(alg: string): Promise<URLSearchParams> {
  const signer = await buildSigner(alg, {
    kind: 'web',
    firstParty: true,
    tokenEndpointAuthMethod: 'private_key_jwt',
  })
  const { client_id, kid, privateKey } = signer
  const claims = Object.fromEntries(new URLSearchParams(browser.request_uri(signer).url.split('?')[1]))
  const { iat, exp } = assertionClaims(signer)
  const signed = new SignJWT({ ...claims, iss: client_id, aud: issuer, iat, exp })
  const request = await signed.setProtectedHeader({ alg, kid, typ: 'oauth-authz-req+jwt' }).sign(privateKey)
  return new URL((await browser.open(`/authorize?${new URLSearchParams({ client_id, request })}`)).url).searchParams
}

async function discover(): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure))
}

/** What the library finds in a signed answer (JARM) to a request of this mode: it is for this client, by this issuer. */
async function signedAnswer(response_mode: string): Promise<URLSearchParams> {
  const { url, state } = browser.request_uri(web, { parameters: { response_mode } })
  const page = await browser.open(url)
  const end = new URL(page.url)
  const ways: Record<string, () => URLSearchParams> = {
    jwt: () => end.searchParams,
    'query.jwt': () => end.searchParams,
    'fragment.jwt': () => new URLSearchParams(end.hash.slice(1)),
    'form_post.jwt': () =>
      new URLSearchParams({ response: /name="response" value="([^"]*)"/.exec(page.html)?.[1] ?? '' }),
  }
  const given = ways[response_mode]?.()
  if (!given) throw new Error(`nobody knows the mode ${response_mode}`)
  const client: oauth.Client = { client_id: web.client_id }
  return oauth.validateJwtAuthResponse(await discover(), client, given, state, insecure)
}

/**
 * All that the profile asks at once, and a signed answer: pushed request, assertion, proof. The library verifies answer and
 * ID token by the algorithm that it was told, ES256.
 */
async function idTokenOfFapi2(): Promise<string> {
  const signer = await buildSigner('ES256', { kind: 'web', firstParty: true, profile: 'fapi2' })
  const as = await discover()
  const client: oauth.Client = {
    client_id: signer.client_id,
    id_token_signed_response_alg: 'ES256',
    authorization_signed_response_alg: 'ES256',
  }
  const auth = oauth.PrivateKeyJwt({ key: signer.privateKey, kid: signer.kid })
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const verifier = oauth.generateRandomCodeVerifier()
  const parameters = {
    response_type: 'code',
    response_mode: 'jwt',
    redirect_uri: REDIRECT,
    scope: 'openid',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }
  const push = async () => {
    const response = await oauth.pushedAuthorizationRequest(as, client, auth, parameters, { ...insecure, DPoP })
    return oauth.processPushedAuthorizationResponse(as, client, response)
  }
  const { request_uri } = await push().catch(push)
  const query = new URLSearchParams({ client_id: client.client_id, request_uri })
  const end = new URL((await browser.open(`/authorize?${query}`)).url)
  const answer = await oauth.validateJwtAuthResponse(as, client, end, oauth.expectNoState, insecure)
  const trade = async () => {
    const options = { ...insecure, DPoP }
    const response = await oauth.authorizationCodeGrantRequest(as, client, auth, answer, REDIRECT, verifier, options)
    return oauth.processAuthorizationCodeResponse(as, client, response)
  }
  return (await trade().catch(trade)).id_token ?? ''
}

test('nothing is advertised that is not proved here, and both documents say the same', async (t) => {
  t.deepEqual(Object.keys(advertised).toSorted(), Object.keys(PROOFS).toSorted())
  t.deepEqual(await readDocument('oauth-authorization-server'), advertised)
})

for (const [member, prove] of Object.entries(PROOFS)) {
  test(`discovery equals behaviour: ${member}`, async (t) => void (await prove(t, advertised[member])))
}

// — what is refused, whatever anybody advertises —

const refusedAtTheFront: [string, Record<string, string | undefined>, string][] = [
  ...['token', 'id_token', 'id_token token', 'code id_token', 'code token', 'code id_token token', 'none'].map(
    (response_type): [string, Record<string, string>, string] => [
      `response_type ${response_type}`,
      { response_type, nonce: 'n' },
      'unsupported_response_type',
    ],
  ),
  ['PKCE plain', { code_challenge_method: 'plain' }, 'invalid_request'],
  ['no PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
  ['a request by reference', { request_uri: 'https://app.example.com/request.jwt' }, 'request_uri_not_supported'],
]
for (const [what, parameters, error] of refusedAtTheFront) {
  test(`refused for good at the authorization endpoint: ${what}`, async (t) => {
    for (const client of [web, spa]) {
      const answer = await answerTo(parameters, client)
      t.is(answer.get('error'), error)
      for (const name of ['code', 'access_token', 'id_token']) t.false(answer.has(name))
    }
  })
}

const refusedAtTheToken: [string, () => Promise<Posted>, number, string][] = [
  ...['password', 'implicit'].map((grant_type): [string, () => Promise<Posted>, number, string] => [
    `grant ${grant_type}`,
    () => {
      const { username, password } = person
      return post(`${issuer}/token`, { grant_type, username, password, scope: 'openid' }, basic(web))
    },
    400,
    'unsupported_grant_type',
  ]),
  [
    'an assertion with alg none',
    () => asking(handmade({ alg: 'none' }, assertionClaims(service))),
    401,
    'invalid_client',
  ],
  [
    'client_secret_jwt: an assertion with HS256 by the client’s own secret',
    async () => {
      const secret = Buffer.from(service.client_secret ?? '')
      const signed = new SignJWT(assertionClaims(service)).setProtectedHeader({ alg: 'HS256' }).sign(secret)
      return asking(await signed)
    },
    401,
    'invalid_client',
  ],
  [
    'a proof with alg none',
    () => {
      const proof = handmade({ alg: 'none', typ: 'dpop+jwt' }, { htm: 'POST', htu: `${issuer}/token`, jti: 'x' })
      return post(`${issuer}/token`, { grant_type: 'client_credentials' }, { ...basic(service), dpop: proof })
    },
    400,
    'invalid_dpop_proof',
  ],
]
for (const [what, attempt, status, error] of refusedAtTheToken) {
  test(`refused for good at the token endpoint: ${what}`, async (t) => {
    const answer = await attempt()
    t.is(answer.status, status, JSON.stringify(answer.body))
    t.is(answer.body.error, error)
  })
}

const asking = (assertion: string) =>
  post(`${issuer}/token`, { grant_type: 'client_credentials', ...byAssertion(assertion) })

test('refused for good at registration: client_secret_jwt, HS256, implicit and password', async (t) => {
  const wrong: Record<string, unknown>[] = [
    { token_endpoint_auth_method: 'client_secret_jwt' },
    { id_token_signed_response_alg: 'HS256' },
    { id_token_signed_response_alg: 'none' },
    { response_types: ['token'] },
  ]
  for (const metadata of wrong) {
    const response = await fetch(`${issuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: ['http://127.0.0.1:1/'], ...metadata }),
    })
    const body = (await response.json()) as Record<string, unknown>
    const granted = Object.entries(metadata).every(
      ([name, value]) => JSON.stringify(body[name]) === JSON.stringify(value),
    )
    t.false(response.status === 201 && granted, JSON.stringify(body))
  }
})

test('refused for good: a bearer token in the query', async (t) => {
  const { access_token = '' } = await tokens()
  for (const path of ['/userinfo', '/api/v1/users']) {
    const response = await fetch(`${issuer}${path}?access_token=${access_token}`)
    t.true([400, 401].includes(response.status), `${path}: ${response.status}`)
    t.false((await response.text()).includes(person.id))
  }
})

test('a confidential client without a stored method can not get in without its secret', async (t) => {
  // Made without naming one: it has a secret, and the secret is asked for.
  const client = await buildClient(server.db, { firstParty: true })
  const { code, verifier } = await browser.authorize(client, person)
  const form = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier }
  const bare = await token(issuer, { ...client, client_secret: undefined }, form)
  t.is(bare.status, 401)
  t.is((await token(issuer, client, form)).status, 200)
  // And there is no row without one: the library's default for a client that says nothing is never what decides.
  const emptied = server.db.knex('clients').where({ id: client.client_id }).update({ token_endpoint_auth_method: null })
  await t.throwsAsync(emptied, { message: /not-null/ })
})

test('a client with scope openid gets no resource scope', async (t) => {
  const plain = await buildClient(server.db, { firstParty: true, openidScopes: ['openid'], access: [] })
  t.is((await answerTo({ scope: 'openid orders:read' }, plain)).get('error'), 'invalid_scope')
  t.is((await answerTo({ scope: 'openid', resource: API }, plain)).get('error'), 'invalid_target')
  t.is((await answerTo({ scope: 'openid profile' }, plain)).get('error'), 'invalid_scope')
  const { access_token = '', scope, refresh_token } = await tokens({ scope: 'openid' }, plain)
  t.is(scope, 'openid')
  t.false(access_token.includes('.'), 'for userinfo alone')
  const wider = await refresh(issuer, plain, refresh_token, { resource: API, scope: 'orders:read' })
  t.is(wider.body.access_token, undefined)
  // One that may ask for them and asks for openid alone has not asked for them.
  t.is((await tokens({ scope: 'openid' })).scope, 'openid')
})

/** Sender-constrained tokens (RFC 9449): driven by two client libraries, and by hand where no library would go. */
import { randomUUID } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { decodeJwt, exportJWK } from 'jose'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { updateClient } from '../../src/registry/clients/update.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { handmade, newProofKey, proofOf, send, type ProofKey, type ProofOptions, type Sent } from '../support/dpop.ts'
import { freePort } from '../support/free-port.ts'
import { buildClient, buildResource, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { Visitor, type Answer } from '../support/visitor.ts'

const stops: (() => unknown)[] = []
let server: TestServer
/** Where a second instance for the same issuer listens. Its master key is one further in a rotation. */
let beside: string
let service: TestClient
let key: ProofKey
let nonce: string
let htu: string

test.before(async () => {
  const file: Teardown = { teardown: (stop) => void stops.push(stop) }
  const [port, former, next] = [String(await freePort()), newMasterKey(), newMasterKey()]
  server = await startAuthServer(file, { PORT: port, MASTER_KEY: `${former},${next}` })
  const second = { PORT: String(await freePort()), ISSUER: server.issuer, DATABASE_URL: server.databaseUrl }
  await startAuthServer(file, { ...second, MASTER_KEY: `${next},${former}` })
  beside = `http://localhost:${second.PORT}`
  await buildResource(server.db)
  service = await buildClient(server.db, { kind: 'service' })
  key = await newProofKey()
  htu = `${server.issuer}/token`
  nonce = (await ask(await proofOf(key, { htu }))).headers.get('dpop-nonce') ?? ''
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

/** A token request of the service, or of another client, with this proof or several or none. */
async function ask(
  proofs: string | string[],
  { client = service, at = server.issuer, form = { grant_type: 'client_credentials' } as Record<string, string> } = {},
): Promise<Sent> {
  const { client_id, client_secret } = client
  const body = new URLSearchParams(client_secret ? form : { ...form, client_id }).toString()
  const headers: [string, string][] = [
    ['Host', new URL(server.issuer).host],
    ['Content-Type', 'application/x-www-form-urlencoded'],
    ...[proofs].flat().map((proof): [string, string] => ['DPoP', proof]),
  ]
  if (client_secret) headers.push(['Authorization', `Basic ${btoa(`${client_id}:${client_secret}`)}`])
  return send(`${at}/token`, { method: 'POST', headers, body })
}

const good = (options: Partial<ProofOptions> = {}, by = key) => proofOf(by, { htu, nonce, ...options })

async function userinfo(scheme: string, token: string, proofs: string[], at = server.issuer): Promise<Sent> {
  const headers: [string, string][] = [
    ['Host', new URL(server.issuer).host],
    ['Authorization', `${scheme} ${token}`],
    ...proofs.map((proof): [string, string] => ['DPoP', proof]),
  ]
  return send(`${at}/userinfo`, { headers })
}

/** A code for a public client, traded with a proof. */
async function signedIn(parameters: Record<string, string> = {}, overrides = {}) {
  const client = await buildClient(server.db, { kind: 'spa', ...overrides })
  const answer = await new Visitor(server.issuer).authorize(client, await buildUser(server.db), {
    scope: parameters.resource ? 'openid orders:read' : 'openid',
    parameters,
  })
  return { client, answer, form: codeForm(answer) }
}

function codeForm({ code = '', verifier }: Answer): Record<string, string> {
  return { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier }
}

const refreshForm = (refresh_token = '') => ({ grant_type: 'refresh_token', refresh_token })

// — the libraries —

const plainHttp = { [oauth.allowInsecureRequests]: true } as const

async function discover(): Promise<oauth.AuthorizationServer> {
  const response = await oauth.discoveryRequest(new URL(server.issuer), plainHttp)
  return oauth.processDiscoveryResponse(new URL(server.issuer), response)
}

for (const alg of ['ES256', 'Ed25519']) {
  test(`oauth4webapi completes code, refresh, userinfo and client credentials with ${alg} proofs`, async (t) => {
    const as = await discover()
    const client = await buildClient(server.db, { kind: 'native', redirectUris: [REDIRECT] })
    const self: oauth.Client = { client_id: client.client_id }
    const keys = await oauth.generateKeyPair(alg)
    const DPoP = oauth.DPoP(self, keys)
    const options = { ...plainHttp, DPoP }
    const person = await buildUser(server.db)
    const jkt = await DPoP.calculateThumbprint()
    const { answer } = await go(client, person, { dpop_jkt: jkt })
    const found = oauth.validateAuthResponse(as, self, answer.url, answer.state)
    /** The first request has no nonce yet: the library is told to use one, and does. */
    const trade = () =>
      oauth.authorizationCodeGrantRequest(as, self, oauth.None(), found, REDIRECT, answer.verifier, options)
    const tokens = await retried(t, trade, (response) => oauth.processAuthorizationCodeResponse(as, self, response))
    t.is(tokens.token_type, 'dpop')
    const renewed = await oauth.processRefreshTokenResponse(
      as,
      self,
      await oauth.refreshTokenGrantRequest(as, self, oauth.None(), tokens.refresh_token ?? '', options),
    )
    t.is(renewed.token_type, 'dpop')
    const about = await oauth.userInfoRequest(as, self, renewed.access_token, options)
    t.is((await oauth.processUserInfoResponse(as, self, person.id, about)).sub, person.id)

    const machine = { client_id: service.client_id }
    const basic = oauth.ClientSecretBasic(service.client_secret ?? '')
    const response = await oauth.clientCredentialsGrantRequest(as, machine, basic, { scope: 'orders:read' }, options)
    const own = await oauth.processClientCredentialsResponse(as, machine, response)
    t.is(own.token_type, 'dpop')
    t.deepEqual(decodeJwt(own.access_token).cnf, { jkt })
  })
}

test('openid-client completes code, refresh, userinfo and client credentials with proofs', async (t) => {
  const execute = { execute: [oidc.allowInsecureRequests] }
  const client = await buildClient(server.db, { kind: 'spa', dpopBoundAccessTokens: true })
  const config = await oidc.discovery(new URL(server.issuer), client.client_id, undefined, oidc.None(), execute)
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
  const person = await buildUser(server.db)
  const { answer } = await go(client, person, {})
  const checks = { pkceCodeVerifier: answer.verifier, expectedState: answer.state }
  const tokens = await oidc.authorizationCodeGrant(config, answer.url, checks, undefined, { DPoP })
  t.is(tokens.token_type, 'dpop')
  const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, { DPoP })
  t.is((await oidc.fetchUserInfo(config, renewed.access_token, person.id, { DPoP })).sub, person.id)

  const { client_id, client_secret } = service
  const secret = oidc.ClientSecretBasic(client_secret)
  const machine = await oidc.discovery(new URL(server.issuer), client_id, undefined, secret, execute)
  const own = oidc.getDPoPHandle(machine, await oidc.randomDPoPKeyPair('ES256'))
  t.is((await oidc.clientCredentialsGrant(machine, { scope: 'orders:read' }, { DPoP: own })).token_type, 'dpop')
})

async function go(
  client: TestClient,
  person: Awaited<ReturnType<typeof buildUser>>,
  parameters: Record<string, string>,
) {
  return { answer: await new Visitor(server.issuer).authorize(client, person, { scope: 'openid', parameters }) }
}

async function retried<T>(
  t: ExecutionContext,
  request: () => Promise<Response>,
  process: (response: Response) => Promise<T>,
): Promise<T> {
  const error = await t.throwsAsync(async () => process(await request()))
  t.true(oauth.isDPoPNonceError(error), 'without a nonce it is asked for one')
  return process(await request())
}

// — by hand —

test('discovery names the algorithms of proofs, and these are the ones that are taken', async (t) => {
  const named = (await discover()).dpop_signing_alg_values_supported
  t.deepEqual(named, ['ES256', 'Ed25519', 'EdDSA'])
  for (const alg of named ?? []) {
    const by = { ...(await newProofKey(alg === 'EdDSA' ? 'Ed25519' : alg)), alg }
    const { status, body } = await ask(await good({}, by))
    t.is(status, 200, alg)
    t.is(body.token_type, 'DPoP')
    t.deepEqual(decodeJwt(body.access_token ?? '').cnf, { jkt: by.thumbprint }, alg)
  }
  for (const alg of ['ES384', 'RS256', 'PS256']) {
    const { status, body } = await ask(await good({}, await newProofKey(alg)))
    t.deepEqual([status, body.error], [400, 'invalid_dpop_proof'], alg)
  }
})

test('a request without a proof gets a bearer token, as before', async (t) => {
  const { status, body } = await ask([])
  t.is(status, 200)
  t.is(body.token_type, 'Bearer')
  t.is(decodeJwt(body.access_token ?? '').cnf, undefined)
})

const bad: Record<string, () => Promise<string | string[]>> = {
  'another method': () => good({ htm: 'GET' }),
  'another address': () => good({ htu: `${server.issuer}/userinfo` }),
  'the address of another host': () => good({ htu: 'https://other.example.com/token' }),
  'the address of the instance behind the issuer': () => good({ htu: `${beside}/token` }),
  'a date in the future': () => good({ dated: 90 }),
  'a date of more than five minutes ago': () => good({ dated: -310 }),
  'no date': () => good({ claims: { iat: undefined } }),
  'no id': () => good({ claims: { jti: undefined } }),
  'another type': () => good({ header: { typ: 'jwt' } }),
  'no key': () => good({ header: { jwk: undefined } }),
  'another key than it was signed with': async () => good({ header: { jwk: (await newProofKey()).jwk } }),
  'a private key in its header': async () => {
    const { privateKey } = key
    return good({ header: { jwk: await exportJWK(privateKey) } })
  },
  'the algorithm none': async () => handmade({ ...plainHeader(), alg: 'none' }, claimsNow()),
  'a MAC': async () => {
    const { createHmac } = await import('node:crypto')
    const oct = { kty: 'oct', k: Buffer.from('secret').toString('base64url') }
    const text = handmade({ ...plainHeader(), alg: 'HS256', jwk: oct }, claimsNow()).slice(0, -1)
    return `${text}.${createHmac('sha256', 'secret').update(text).digest('base64url')}`
  },
  'another proof beside it': async () => [await good(), await good()],
  nonsense: () => Promise.resolve('x'),
}
const plainHeader = () => ({ typ: 'dpop+jwt', jwk: key.jwk })
const claimsNow = () => ({ htu, htm: 'POST', nonce, jti: randomUUID(), iat: Math.floor(Date.now() / 1000) })

for (const [what, make] of Object.entries(bad)) {
  test(`a token request is refused with a proof that has ${what}`, async (t) => {
    const { status, body } = await ask(await make())
    t.deepEqual([status, body.error], [400, 'invalid_dpop_proof'])
  })
}

test('a proof without a nonce, or with one that is not ours, is answered with one to use; it is good on all instances', async (t) => {
  for (const wrong of [undefined, 'x', randomUUID(), `${nonce}=`]) {
    const { status, body, headers } = await ask(await good({ nonce: wrong }))
    t.deepEqual([status, body.error], [400, 'use_dpop_nonce'], wrong)
    t.truthy(headers.get('dpop-nonce'))
  }
  const other = (await ask(await good({ nonce: undefined }), { at: beside })).headers.get('dpop-nonce') ?? ''
  t.not(other, nonce, 'the instance beside makes its nonces with the next key of a rotation')
  for (const at of [server.issuer, beside]) {
    for (const one of [nonce, other]) t.is((await ask(await good({ nonce: one }), { at })).status, 200)
  }
})

test('a proof counts once over two instances at once, and its record outlives it', async (t) => {
  const proof = await good({ dated: 25 })
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) => ask(proof, { at: index % 2 === 0 ? server.issuer : beside })),
  )
  const outcomes = answers.map(({ status, body }) => `${status} ${body.error ?? 'good'}`).toSorted()
  t.deepEqual(outcomes, ['200 good', ...Array.from({ length: 9 }, () => '400 invalid_dpop_proof')])
  // Accepted until its date is five minutes ago: at most so long after this moment.
  const { rows } = await server.db.pool.query<{ least: number }>(
    'select min(extract(epoch from expires_at - now()))::float as least from replays',
  )
  t.true((rows[0]?.least ?? 0) > 330)
})

test('the id of a proof is free for other clients', async (t) => {
  const other = await buildClient(server.db, { kind: 'service' })
  const claims = { jti: randomUUID() }
  t.is((await ask(await good({ claims }))).status, 200)
  t.is((await ask(await good({ claims }), { client: other })).status, 200)
  t.is((await ask(await good({ claims }))).body.error, 'invalid_dpop_proof')
})

test('userinfo takes a bound token with its proof only', async (t) => {
  const { client, form } = await signedIn()
  const { body } = await ask(await good(), { client, form })
  const token = body.access_token ?? ''
  const proof = (options: Partial<ProofOptions> = {}, by = key) =>
    proofOf(by, { htm: 'GET', htu: `${server.issuer}/userinfo`, token, nonce, ...options })
  t.is((await userinfo('DPoP', token, [await proof()])).status, 200)

  const bearer = await userinfo('Bearer', token, [])
  t.is(bearer.status, 401)
  t.regex(bearer.headers.get('www-authenticate') ?? '', /^DPoP .*error="invalid_token".*algs="ES256 Ed25519 EdDSA"/)
  t.is((await userinfo('Bearer', token, [await proof()])).status, 400, 'a proof beside the bearer scheme')
  t.is((await userinfo('DPoP', token, [])).status, 400, 'the scheme without a proof')
  t.is((await userinfo('DPoP', token, [await proof(), await proof()])).status, 401, 'two proofs')
  const refused: Record<string, string> = {
    'another key': await proof({}, await newProofKey()),
    'another token': await proof({ token: 'other' }),
    'no token': await proof({ token: undefined }),
    'another method': await proof({ htm: 'POST' }),
    'another address': await proof({ htu }),
    'a date in the future': await proof({ dated: 90 }),
    'a date of long ago': await proof({ dated: -310 }),
  }
  for (const [what, one] of Object.entries(refused)) t.is((await userinfo('DPoP', token, [one])).status, 401, what)
  const challenged = await userinfo('DPoP', token, [await proof({ nonce: undefined })])
  t.is(challenged.status, 401)
  t.regex(challenged.headers.get('www-authenticate') ?? '', /^DPoP .*error="use_dpop_nonce"/)
  t.truthy(challenged.headers.get('dpop-nonce'))

  const once = await proof()
  const twice = await Promise.all([server.issuer, beside].map((at) => userinfo('DPoP', token, [once], at)))
  t.deepEqual(twice.map(({ status }) => status).toSorted(), [200, 401])
})

test('a bearer token gains nothing by a proof', async (t) => {
  const { client, form } = await signedIn()
  const { body } = await ask([], { client, form })
  const token = body.access_token ?? ''
  const proof = await proofOf(key, { htm: 'GET', htu: `${server.issuer}/userinfo`, token, nonce })
  t.is((await userinfo('DPoP', token, [proof])).status, 401)
  t.is((await userinfo('Bearer', token, [])).status, 200)
})

test('a code that names a key is traded by that key only', async (t) => {
  const { client, form } = await signedIn({ dpop_jkt: key.thumbprint })
  t.is((await ask([], { client, form })).body.error, 'invalid_grant')
  const other = await signedIn({ dpop_jkt: key.thumbprint })
  const stolen = await ask(await good({}, await newProofKey()), other)
  t.is(stolen.body.error, 'invalid_grant')
  const mine = await signedIn({ dpop_jkt: key.thumbprint })
  t.is((await ask(await good(), mine)).status, 200)
})

test('the refresh token of a public client is bound to the key of its code; a confidential client proves itself', async (t) => {
  const { client, form } = await signedIn()
  const { body } = await ask(await good(), { client, form })
  const renew = refreshForm(body.refresh_token)
  t.is((await ask([], { client, form: renew })).body.error, 'invalid_grant', 'a thief without the key')
  t.is((await ask(await good({}, await newProofKey()), { client, form: renew })).body.error, 'invalid_grant')
  t.is((await ask(await good(), { client, form: renew })).status, 200, 'refusals cost the owner nothing')

  const web = await signedIn({}, { kind: 'web' })
  const first = await ask(await good(), web)
  const moved = await ask(await good({}, await newProofKey()), { ...web, form: refreshForm(first.body.refresh_token) })
  t.is(moved.status, 200, 'its tokens may be bound to a new key')
})

for (const kind of ['spa', 'web'] as const) {
  test(`a duplicate refresh of a ${kind} client by the same key gets the same successor; another key spoils nothing`, async (t) => {
    const { client, form } = await signedIn({}, { kind })
    const first = await ask(await good(), { client, form })
    const renew = { client, form: refreshForm(first.body.refresh_token) }
    const answers = await Promise.all([
      ask(await good(), renew),
      ask(await good({ header: { jwk: { ...key.jwk, kid: 'mine' } } }), renew),
    ])
    t.deepEqual(answers.map(({ status }) => status), [200, 200]) // prettier-ignore
    const successors = answers.map(({ body }) => body.refresh_token)
    t.is(successors[0], successors[1])
    for (const proofs of [[await good({}, await newProofKey())], []]) {
      const refused = await ask(proofs, renew)
      t.deepEqual([refused.status, refused.body.error], [400, 'invalid_grant'])
    }
    t.is((await ask(await good(), { client, form: refreshForm(successors[0]) })).status, 200)
  })
}

test('a replayed proof ends no family: the refresh token is good with a new one', async (t) => {
  const { client, form } = await signedIn()
  const proof = await good()
  const first = await ask(proof, { client, form })
  const renew = { client, form: refreshForm(first.body.refresh_token) }
  t.is((await ask(proof, renew)).body.error, 'invalid_dpop_proof')
  t.is((await ask(await good(), renew)).status, 200)
})

test('a client that is registered for it gets no token without a proof, whatever the grant', async (t) => {
  const { client, form } = await signedIn({}, { dpopBoundAccessTokens: true })
  t.is((await ask([], { client, form })).body.error, 'invalid_grant')
  const { body, status } = await ask(await good(), { client, form })
  t.is(status, 200, 'the refused attempt has not spent the code')
  t.is((await ask([], { client, form: refreshForm(body.refresh_token) })).status, 400)

  const bound = await buildClient(server.db, { kind: 'service', dpopBoundAccessTokens: true })
  t.is((await ask([], { client: bound })).status, 400)
  t.is((await ask(await good(), { client: bound })).body.token_type, 'DPoP')
  await updateClient(server.db.knex, bound.client_id, { dpopBoundAccessTokens: false }, { actor: 'test' })
  t.is((await ask([], { client: bound })).body.token_type, 'Bearer')
})

test('introspection shows the key that a token is bound to', async (t) => {
  const { client, form } = await signedIn({}, { kind: 'web' })
  const { body } = await ask(await good(), { client, form })
  const answer = await fetch(`${server.issuer}/introspect`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}` },
    body: new URLSearchParams({ token: body.access_token ?? '' }),
  })
  t.like(await answer.json(), { active: true, token_type: 'DPoP', cnf: { jkt: key.thumbprint } })
})

test('the management API refuses a bound token as a bearer’s', async (t) => {
  const client = await buildClient(server.db, {
    kind: 'service',
    access: [{ resource: `${server.issuer}/api`, scopes: ['clients:read'] }],
  })
  const list = async (token = '') =>
    (await fetch(`${server.issuer}/api/v1/clients`, { headers: { authorization: `Bearer ${token}` } })).status
  t.is(await list((await ask([], { client })).body.access_token), 200)
  t.is(await list((await ask(await good(), { client })).body.access_token), 401)
})

/** An API takes tokens that are bound to a key with a proof of that key, and each proof once (RFC 9449 §4.3, §7, §9). */
import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { exportJWK } from 'jose'
import Koa from 'koa'
import * as oauth from 'oauth4webapi'
import {
  authenticate,
  createMemoryReplayStore,
  createTokenVerifier,
  protect,
  protectedResourceMetadata,
  TokenError,
  type DpopOptions,
  type TokenVerifierOptions,
} from '../../src/resource-server/index.ts'
import { handmade, newProofKey, proofOf, type ProofKey, type ProofOptions } from '../support/dpop.ts'
import { startFakeIssuer, type FakeIssuer } from '../support/fake-issuer.ts'

const audience = 'https://api.example.com/shop'
const htu = `${audience}/orders`
const about = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/shop"'
let issuer: FakeIssuer
let key: ProofKey
let token: string
test.before(async () => {
  issuer = await startFakeIssuer({ audience })
  key = await newProofKey()
  token = await boundTo(key)
})
test.after.always(() => issuer.stop())

const boundTo = ({ thumbprint }: ProofKey) => issuer.accessToken({ claims: { cnf: { jkt: thumbprint } } })

function verifierWith(dpop: Partial<DpopOptions> = {}, more: Partial<TokenVerifierOptions> = {}) {
  const options = { url: audience, replays: createMemoryReplayStore(), ...dpop }
  return createTokenVerifier({ issuer: issuer.url, audience, dpop: options, ...more })
}

const proof = (options: Partial<ProofOptions> = {}, by = key) => proofOf(by, { htm: 'GET', htu, token, ...options })

interface Presented {
  scheme?: string
  token?: string
  proofs?: string[]
  method?: string
  target?: string
  verifier?: ReturnType<typeof verifierWith>
  scope?: string
}

function present(given: Presented = {}) {
  const { scheme = 'DPoP', proofs = [], method = 'GET', target = '/orders?page=2', verifier = verifierWith() } = given
  const headers = ['Authorization', `${scheme} ${given.token ?? token}`, ...proofs.flatMap((one) => ['DPoP', one])]
  return authenticate(headers, verifier, { method, target, ...(given.scope && { scope: given.scope }) })
}

async function refusal(given: Presented): Promise<TokenError> {
  const outcome: unknown = await present(given).catch((error: unknown) => error)
  if (outcome instanceof TokenError) return outcome
  throw outcome instanceof Error ? outcome : new Error('not refused')
}

for (const alg of ['ES256', 'Ed25519', 'EdDSA']) {
  test(`a bound token passes with a proof signed with ${alg}`, async (t) => {
    const by = { ...(await newProofKey(alg === 'EdDSA' ? 'Ed25519' : alg)), alg }
    const own = await boundTo(by)
    const found = await present({ token: own, proofs: [await proof({ token: own }, by)], scope: 'orders:read' })
    t.is(found.subject, 'usr_ada')
    t.is(found.keyThumbprint, by.thumbprint)
  })
}

const spellings = [
  `${htu}?page=3#part`,
  'HTTPS://API.example.com:443/shop/orders',
  'https://api.example.com/shop/./x/../orders',
  'https://api.example.com/shop/%6frders',
]
for (const spelling of spellings) {
  test(`the address of a proof may be written ${spelling}`, async (t) => {
    await t.notThrowsAsync(async () => present({ proofs: [await proof({ htu: spelling })] }))
  })
}

const wrong: Record<string, () => Promise<string[]>> = {
  'no proof': () => Promise.resolve([]),
  'two proofs': async () => [await proof(), await proof()],
  'another method': async () => [await proof({ htm: 'POST' })],
  'another path': async () => [await proof({ htu: `${htu}/1` })],
  'another host': async () => [await proof({ htu: 'https://evil.example.com/shop/orders' })],
  'another port': async () => [await proof({ htu: 'https://api.example.com:8443/shop/orders' })],
  'plain http': async () => [await proof({ htu: htu.replace('https', 'http') })],
  'an address with a password': async () => [await proof({ htu: htu.replace('//', '//a:b@') })],
  'no address': async () => [await proof({ claims: { htu: undefined } })],
  'another access token': async () => [await proof({ token: 'other' })],
  'no access token': async () => [await proof({ token: undefined })],
  'a date in the future': async () => [await proof({ dated: 60 })],
  'a date of more than five minutes ago': async () => [await proof({ dated: -310 })],
  'no date': async () => [await proof({ claims: { iat: undefined } })],
  'a date in words': async () => [await proof({ claims: { iat: 'now' } })],
  'an end in the past': async () => [await proof({ claims: { exp: 1 } })],
  'no id': async () => [await proof({ claims: { jti: undefined } })],
  'an empty id': async () => [await proof({ claims: { jti: '' } })],
  'another type': async () => [await proof({ header: { typ: 'JWT' } })],
  'a critical header': async () => [await proof({ header: { crit: ['b64'], b64: true } })],
  'no key': async () => [await proof({ header: { jwk: undefined } })],
  'a key that did not sign it': async () => [await proof({ header: { jwk: (await newProofKey()).jwk } })],
  'its private key': async () => [await proof({ header: { jwk: await exportJWK(key.privateKey) } })],
  'an RSA key': async () => [await proof({}, await newProofKey('RS256'))],
  'the algorithm none': () => Promise.resolve([handmade({ ...plainHeader(), alg: 'none' }, claimsNow())]),
  'a MAC': () => Promise.resolve([mac()]),
  'ten thousand letters': async () => [await proof({ claims: { jti: 'x'.repeat(10_000) } })],
  nonsense: () => Promise.resolve(['x']),
}
const plainHeader = () => ({ typ: 'dpop+jwt', jwk: key.jwk })
const claimsNow = () => ({ htu, htm: 'GET', jti: randomUUID(), iat: Math.floor(Date.now() / 1000) })

function mac(): string {
  const jwk = { kty: 'oct', k: Buffer.from('secret').toString('base64url') }
  const text = handmade({ ...plainHeader(), alg: 'HS256', jwk }, claimsNow()).slice(0, -1)
  return `${text}.${createHmac('sha256', 'secret').update(text).digest('base64url')}`
}

for (const [what, make] of Object.entries(wrong)) {
  test(`a bound token is refused with ${what}`, async (t) => {
    const error = await refusal({ proofs: await make(), scope: 'orders:read' })
    t.deepEqual([error.status, error.error], [401, 'invalid_dpop_proof'])
    t.regex(
      error.challenge!,
      new RegExp(`^DPoP ${about}, error="invalid_dpop_proof".*scope="orders:read", algs="ES256 `),
    )
  })
}

test('the proof of another key, however good, does not help a stolen token', async (t) => {
  const error = await refusal({ proofs: [await proof({}, await newProofKey())] })
  t.deepEqual([error.status, error.error], [401, 'invalid_token'])
})

test('a bound token is refused as a bearer’s, and a bearer’s with a proof', async (t) => {
  const asBearer = await refusal({ scheme: 'Bearer', proofs: [await proof()] })
  t.deepEqual([asBearer.status, asBearer.error], [401, 'invalid_token'])
  t.regex(asBearer.challenge!, /^Bearer .*error="invalid_token".*, DPoP .*algs="ES256 Ed25519 EdDSA"$/)
  const bearers = await issuer.accessToken()
  const withProof = await refusal({ token: bearers, proofs: [await proof({ token: bearers })] })
  t.deepEqual([withProof.status, withProof.error], [401, 'invalid_token'])
  t.is((await present({ token: bearers, scheme: 'Bearer' })).keyThumbprint, undefined)
})

for (const cnf of [{ 'x5t#S256': 'x' }, { jkt: 7 }, {}, 'x', null, 'both'] as const) {
  test(`a token that is bound by ${JSON.stringify(cnf)} is nobody’s to use`, async (t) => {
    const binding = cnf === 'both' ? { jkt: key.thumbprint, 'x5t#S256': 'x' } : cnf
    const own = await issuer.accessToken({ claims: { cnf: binding } })
    t.is((await refusal({ token: own, proofs: [await proof({ token: own })] })).status, 401)
    t.is((await refusal({ token: own, scheme: 'Bearer' })).status, 401)
  })
}

test('a target that a URL would write otherwise fits no proof', async (t) => {
  for (const target of ['/x/../orders', '/%2e%2e/shop/orders', 'https://evil.example.com/orders', '*', '/or\\ders']) {
    const forms = [htu, `${audience}${target}`, target]
    for (const form of forms) t.is((await refusal({ target, proofs: [await proof({ htu: form })] })).status, 401, form)
  }
})

test('a proof counts once, however many arrive at once, until nobody would take it any more', async (t) => {
  let time = Date.now()
  const now = () => time
  const verifier = verifierWith({ replays: createMemoryReplayStore({ now }) }, { now })
  const longLived = await issuer.accessToken({
    claims: { cnf: { jkt: key.thumbprint }, exp: Math.floor(time / 1000) + 3600 },
  })
  const one = await proof({ token: longLived, dated: 25 })
  const given = { token: longLived, proofs: [one], verifier }
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => present(given).then(() => 'good', String)))
  t.is(outcomes.filter((outcome) => outcome === 'good').length, 1)
  for (const seconds of [100, 200, 24]) {
    time += seconds * 1000
    t.regex((await refusal(given)).message, /used before/)
  }
  time += 10_000
  t.regex((await refusal(given)).message, /too old/)
})

test('with nonces required, a proof without a good one is told which to use', async (t) => {
  let time = Date.now()
  const [former, next] = [randomBytes(32), randomBytes(32)]
  const now = () => time
  const verifier = verifierWith({ nonceSecrets: [former, next] }, { now })
  const beside = verifierWith({ nonceSecrets: [next, former] }, { now })
  const askFor = async (from = verifier) => {
    const error = await refusal({ verifier: from, proofs: [await proof()] })
    t.deepEqual([error.status, error.error], [401, 'use_dpop_nonce'])
    t.regex(error.challenge!, /^DPoP .*error="use_dpop_nonce".*algs=/)
    return error.headers['dpop-nonce'] ?? ''
  }
  const nonce = await askFor()
  t.is((await present({ verifier, proofs: [await proof({ nonce })] })).nextNonce, undefined)
  t.truthy(await present({ verifier: beside, proofs: [await proof({ nonce })] }), 'a rotation refuses nobody')
  t.truthy(await present({ verifier, proofs: [await proof({ nonce: await askFor(beside) })] }))
  for (const bad of [`${nonce}=`, nonce.slice(1), 'x', '']) {
    t.is((await refusal({ verifier, proofs: [await proof({ nonce: bad })] })).error, 'use_dpop_nonce', bad)
  }
  const later = async () => present({ verifier, proofs: [await proof({ nonce, dated: (time - Date.now()) / 1000 })] })
  time += 120_000
  t.not((await later()).nextNonce ?? nonce, nonce, 'an old one is replaced before it ends')
  time += 125_000
  await t.throwsAsync(later(), { instanceOf: TokenError, message: /nonce/ })
})

test('an API may take bound tokens only', async (t) => {
  const verifier = verifierWith({ required: true })
  const bearers = await issuer.accessToken()
  const error = await refusal({ verifier, scheme: 'Bearer', token: bearers })
  t.is(error.error, 'invalid_token')
  t.regex(error.challenge!, /^DPoP /)
  t.regex(verifier.refusals.missing().challenge!, /^DPoP .*algs=/)
  t.truthy(await present({ verifier, proofs: [await proof()] }))
})

test('too little scope is said in the scheme that was used', async (t) => {
  const error = await refusal({ proofs: [await proof()], scope: 'orders:delete' })
  t.deepEqual([error.status, error.error], [403, 'insufficient_scope'])
  t.regex(error.challenge!, /^DPoP .*scope="orders:read orders:write orders:delete"/)
})

test('without credentials both schemes are named', async (t) => {
  const error = await t.throwsAsync(authenticate([], verifierWith(), { scope: 'orders:read' }), {
    instanceOf: TokenError,
  })
  t.is(error.challenge, `Bearer ${about}, scope="orders:read", DPoP ${about}, scope="orders:read", algs="ES256 Ed25519 EdDSA"`) // prettier-ignore
})

test('a store that is full or out of reach refuses instead of forgetting', async (t) => {
  const verifier = verifierWith({ replays: createMemoryReplayStore({ mostKeys: 2 }) })
  for (const _ of [1, 2]) t.truthy(await present({ verifier, proofs: [await proof()] }))
  t.is((await refusal({ verifier, proofs: [await proof()] })).status, 503)
  const broken = verifierWith({ replays: { claim: () => Promise.reject(new Error('away')) } })
  t.is((await refusal({ verifier: broken, proofs: [await proof()] })).status, 503)
})

test('only a good token with a good proof is remembered', async (t) => {
  const claimed: [string, number][] = []
  const verifier = verifierWith({ replays: { claim: async (...one) => claimed.push(one) > 0 } })
  await refusal({ verifier, proofs: [await proof({ htm: 'POST' })] })
  await refusal({ verifier, proofs: [await proof({}, await newProofKey())] })
  await refusal({ verifier, token: `${token}x`, proofs: [await proof({ token: `${token}x` })] })
  t.is(claimed.length, 0)
  await present({ verifier, proofs: [await proof({ claims: { jti: 'ä\0'.repeat(50) } })] })
  t.regex(claimed[0]?.[0] ?? '', /^[\w-]{43}$/)
  t.true((claimed[0]?.[1] ?? 0) > 330, 'longer than the proof is accepted')
})

test('options that could not work are told at the start', (t) => {
  for (const url of ['api.example.com', 'ftp://api.example.com', `${audience}?a=b`]) {
    t.throws(() => verifierWith({ url }), { instanceOf: TypeError })
  }
  t.throws(() => verifierWith({ algorithms: ['HS256'] }), { instanceOf: TypeError })
})

test('the metadata says what the verifier does', (t) => {
  const said = (required: boolean) =>
    protectedResourceMetadata({
      resource: audience,
      issuer: issuer.url,
      scopes: [],
      dpop: verifierWith({ required }).dpop,
    })
  const dpop_signing_alg_values_supported = ['ES256', 'Ed25519', 'EdDSA']
  t.like(said(false), { dpop_signing_alg_values_supported, dpop_bound_access_tokens_required: false })
  t.like(said(true), { dpop_signing_alg_values_supported, dpop_bound_access_tokens_required: true })
})

test('as Koa middleware it is driven by a client library, nonce and all, whatever the Host header says', async (t) => {
  const app = new Koa()
  const server = createServer((incoming, response) => void app.callback()(incoming, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `http://localhost:${(server.address() as AddressInfo).port}`
  const verifier = verifierWith({ url, nonceSecrets: [randomBytes(32)] })
  app.use(protect(verifier, { scope: 'orders:read' }))
  app.use((ctx) => {
    ctx.body = { subject: (ctx.state as { token: { subject: string } }).token.subject }
  })

  const keys = await oauth.generateKeyPair('ES256')
  const DPoP = oauth.DPoP({}, keys)
  const own = await issuer.accessToken({ claims: { cnf: { jkt: await DPoP.calculateThumbprint() } } })
  const call = () =>
    oauth.protectedResourceRequest(own, 'GET', new URL(`${url}/orders?a=b`), undefined, undefined, {
      DPoP,
      [oauth.allowInsecureRequests]: true,
    })
  const error = await t.throwsAsync(call())
  t.true(oauth.isDPoPNonceError(error))
  t.deepEqual(await (await call()).json(), { subject: 'usr_ada' })

  const elsewhere = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const forged = await proofOf(key, { htm: 'GET', htu: `${elsewhere}/orders`, token })
  const answer = await fetch(`${elsewhere}/orders`, { headers: { authorization: `DPoP ${token}`, dpop: forged } })
  t.is(answer.status, 401)
})

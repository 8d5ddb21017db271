import { createHmac } from 'node:crypto'
import test from 'ava'
import { fc } from '../support/property.ts'
import { exportSPKI } from 'jose'
import { createTokenVerifier, TokenError, type TokenVerifier } from '../../src/resource-server/index.ts'
import { startFakeIssuer, type FakeIssuer, type TokenChanges } from '../support/fake-issuer.ts'

const audience = 'https://orders.example.com'
let issuer: FakeIssuer
let stranger: FakeIssuer
let verifier: TokenVerifier
test.before(async () => {
  issuer = await startFakeIssuer({ audience })
  stranger = await startFakeIssuer({ audience })
  for (const alg of ['ES256', 'Ed25519', 'RS256']) await issuer.rotate(alg)
  verifier = createTokenVerifier({ issuer: issuer.url, audience })
})
test.after.always(() => Promise.all([issuer.stop(), stranger.stop()]))

const seconds = (offset: number) => Math.floor(Date.now() / 1000) + offset

for (const alg of ['RS256', 'ES256', 'Ed25519']) {
  test(`a token signed with ${alg} says who and what it is for`, async (t) => {
    const key = issuer.keys.find((candidate) => candidate.alg === alg)!
    const token = await verifier.verify(await issuer.accessToken({ key, claims: { roles: ['orders-admin', 7] } }))
    t.is(token.subject, 'usr_ada')
    t.is(token.clientId, 'cli_playground')
    t.deepEqual(token.scopes, ['orders:read', 'orders:write'])
    t.deepEqual(token.roles, ['orders-admin'])
    t.true(token.expiresAt.getTime() > Date.now())
  })
}

const accepted: [string, TokenChanges][] = [
  ['the long form of the type', { header: { typ: 'application/at+jwt' } }],
  ['one audience of several', { claims: { aud: ['https://other.example.com', audience] } }],
  ['no scope at all', { claims: { scope: undefined } }],
  ['a clock that is two seconds slow', { claims: { iat: seconds(2), nbf: seconds(2) } }],
]
for (const [what, changes] of accepted) {
  test(`a token passes with ${what}`, async (t) => {
    await t.notThrowsAsync(async () => verifier.verify(await issuer.accessToken(changes)))
  })
}

const refused: [string, TokenChanges | (() => TokenChanges), RegExp][] = [
  ['another type: an ID token', { header: { typ: 'JWT' } }, /not an access token/],
  ['no type', { header: { typ: undefined } }, /not an access token/],
  ['another audience', { claims: { aud: 'https://other.example.com' } }, /another API/],
  ['the audience as a mere prefix', { claims: { aud: `${audience}.evil.test` } }, /another API/],
  ['no audience', { claims: { aud: undefined } }, /another API/],
  ['another issuer', { claims: { iss: 'https://evil.test' } }, /another issuer/],
  ['the issuer with a slash', () => ({ claims: { iss: `${issuer.url}/` } }), /another issuer/],
  ['an end in the past', { claims: { iat: seconds(-100), exp: seconds(-10) } }, /expired/],
  ['no end', { claims: { exp: undefined } }, /claim/],
  ['an end in words', { claims: { exp: 'tomorrow' } }, /claim/],
  ['a beginning in the future', { claims: { nbf: seconds(60) } }, /not valid yet/],
  ['an issue in the future', { claims: { iat: seconds(60), exp: seconds(90) } }, /not acceptable/],
  ['no time of issue', { claims: { iat: undefined } }, /claim/],
  ['no subject', { claims: { sub: undefined } }, /claim/],
  ['an empty subject', { claims: { sub: '' } }, /not acceptable/],
  ['a subject that is no text', { claims: { sub: 7 } }, /not acceptable/],
  ['no client', { claims: { client_id: undefined } }, /claim/],
  ['no id', { claims: { jti: undefined } }, /claim/],
  ['scopes in a list', { claims: { scope: ['orders:read'] } }, /not acceptable/],
  ['a binding to a key whose proof a bearer can not give', { claims: { cnf: { jkt: 'abc' } } }, /bound to a key/],
  ['a kid nobody published', { header: { kid: 'nobody' } }, /not signed by the issuer/],
  ['the kid of a key for another algorithm', () => ({ header: { kid: issuer.keys[1]!.kid } }), /not signed by/],
]
for (const [what, changes, description] of refused) {
  test(`a token is refused with ${what}`, async (t) => {
    await refuses(t, await issuer.accessToken(typeof changes === 'function' ? changes() : changes), description)
  })
}

test('a token is refused whose end lies before its beginning', async (t) => {
  const lenient = createTokenVerifier({ issuer: issuer.url, audience, clockToleranceSeconds: 3600 })
  const token = await issuer.accessToken({ claims: { iat: seconds(20), exp: seconds(10) } })
  await t.throwsAsync(lenient.verify(token), { message: /not acceptable/ })
})

test('a token of another issuer is refused though it claims to be ours', async (t) => {
  const token = await stranger.accessToken({ claims: { iss: issuer.url }, header: { kid: issuer.keys[0]!.kid } })
  await refuses(t, token, /not signed by the issuer/)
})

test('alg none is refused, with an empty signature or the old one', async (t) => {
  const [, payload, signature] = (await issuer.accessToken()).split('.')
  for (const alg of ['none', 'None', 'NONE', '']) {
    const header = encode({ alg, typ: 'at+jwt', kid: issuer.keys[0]!.kid })
    await refuses(t, `${header}.${payload}.`, /not signed by the issuer/)
    await refuses(t, `${header}.${payload}.${signature}`, /not signed by the issuer/)
  }
})

test('the public key does not work as an HS256 secret', async (t) => {
  const { publicKey, kid, jwk } = issuer.keys[0]!
  const [, payload] = (await issuer.accessToken()).split('.')
  const input = `${encode({ alg: 'HS256', typ: 'at+jwt', kid })}.${payload}`
  for (const secret of [await exportSPKI(publicKey), JSON.stringify(jwk), jwk.n!]) {
    const signature = createHmac('sha256', secret).update(input).digest('base64url')
    await refuses(t, `${input}.${signature}`, /not signed by the issuer/)
  }
})

test('a key that travels in the header, or is pointed at, is not looked at', async (t) => {
  const key = stranger.keys[0]!
  const pointers = { jwk: key.jwk, jku: `${stranger.url}/jwks`, x5u: `${stranger.url}/cert`, x5c: ['AAAA'] }
  const claims = { iss: issuer.url }
  await refuses(t, await stranger.accessToken({ header: pointers, claims }), /not signed by the issuer/)
  await refuses(t, await stranger.accessToken({ header: { ...pointers, kid: undefined }, claims }), /not signed/)
  t.is(stranger.requests.size, 0)
})

test('a critical header is refused, understood or not', async (t) => {
  const [, payload, signature] = (await issuer.accessToken()).split('.')
  for (const crit of [['exp'], ['b64'], [], 'exp']) {
    const header = encode({ alg: 'RS256', typ: 'at+jwt', kid: issuer.keys[0]!.kid, crit, exp: 1, b64: true })
    await refuses(t, `${header}.${payload}.${signature}`, /not acceptable/)
  }
})

test('one changed character anywhere breaks a token', async (t) => {
  const token = await issuer.accessToken()
  for (const position of [5, token.indexOf('.') + 20, token.length - 20]) {
    const changed = token.slice(0, position) + (token[position] === 'A' ? 'B' : 'A') + token.slice(position + 1)
    await refuses(t, changed, /./)
  }
})

test('an oversized token is refused before anything is computed', async (t) => {
  const token = await issuer.accessToken({ claims: { padding: 'x'.repeat(9000) } })
  await refuses(t, token, /too large/)
})

test('whatever stands in place of a token is refused with 401, never with an exception of another kind', async (t) => {
  const part = fc.oneof(fc.string(), fc.json().map(encode), fc.base64String())
  const tokens = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(part, { maxLength: 6 }).map((parts) => parts.join('.')),
  )
  await fc.assert(
    fc.asyncProperty(tokens, async (token) => {
      const error: unknown = await verifier.verify(token).catch((caught: unknown) => caught)
      return error instanceof TokenError && error.status === 401
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('a token that covers too little is refused with everything that is needed', async (t) => {
  const token = await issuer.accessToken({ claims: { scope: 'orders:read' } })
  await t.notThrowsAsync(verifier.verify(token, { scope: 'orders:read' }))
  const error = await t.throwsAsync(verifier.verify(token, { scope: ['orders:read', 'orders:write'] }), {
    instanceOf: TokenError,
  })
  t.is(error.status, 403)
  t.is(error.error, 'insufficient_scope')
  t.regex(error.challenge!, /scope="orders:read orders:write"/)
})

test('a scope is compared whole', async (t) => {
  const token = await issuer.accessToken({ claims: { scope: 'orders:readonly xorders:read Orders:Read' } })
  await t.throwsAsync(verifier.verify(token, { scope: 'orders:read' }), { message: /does not cover/ })
})

test('unusable options are refused at start', (t) => {
  const good = { issuer: issuer.url, audience }
  t.throws(() => createTokenVerifier({ ...good, issuer: 'http://login.example.com' }), { message: /https/ })
  t.throws(() => createTokenVerifier({ ...good, issuer: 'https://login.example.com/?x' }), { message: /query/ })
  t.throws(() => createTokenVerifier({ ...good, issuer: 'login' }), { message: /https/ })
  t.throws(() => createTokenVerifier({ ...good, audience: '' }), { message: /audience/ })
  t.throws(() => createTokenVerifier({ ...good, audience: 'a\nb' }), { message: /audience/ })
  t.throws(() => createTokenVerifier({ ...good, algorithms: ['RS256', 'HS256'] }), { message: /asymmetric/ })
  t.throws(() => createTokenVerifier({ ...good, algorithms: ['none'] }), { message: /asymmetric/ })
})

test('a scope that can not exist is a mistake of the API, not of the caller', async (t) => {
  await t.throwsAsync(verifier.verify('x', { scope: ['a"b'] }), { instanceOf: TypeError })
})

async function refuses(t: import('ava').ExecutionContext, token: string, description: RegExp): Promise<void> {
  const error = await t.throwsAsync(verifier.verify(token), { instanceOf: TokenError })
  t.is(error.status, 401)
  t.is(error.error, 'invalid_token')
  t.regex(error.message, description)
}

function encode(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

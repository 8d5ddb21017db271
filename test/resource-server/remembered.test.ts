/** What a token that was good a moment ago must still prove. The clock is turned by the test alone. */
import test, { type ExecutionContext } from 'ava'
import { createTokenVerifier, TokenError, type TokenVerifierOptions } from '../../src/resource-server/index.ts'
import { createKeySource } from '../../src/resource-server/jwks.ts'
import { createJwts } from '../../src/resource-server/jwts.ts'
import { startFakeIssuer, type TokenChanges } from '../support/fake-issuer.ts'

const audience = 'https://orders.example.com'
const MINUTE = 60_000

async function setUp(t: ExecutionContext, options: Partial<TokenVerifierOptions> = {}) {
  const issuer = await startFakeIssuer({ audience, accessTokenSeconds: 3600 })
  t.teardown(() => issuer.stop())
  let time = Date.now() + 1000 // ahead of the times of issue of every token
  const now = () => time
  const verifier = createTokenVerifier({ issuer: issuer.url, audience, now, ...options })
  const refuses = (token: string, message: RegExp) =>
    t.throwsAsync(verifier.verify(token), { instanceOf: TokenError, message })
  return { issuer, verifier, refuses, now, pass: (milliseconds: number) => (time += milliseconds) }
}

/** The memory by itself, and how often a key was asked for: once for each signature that is verified. */
async function memory(t: ExecutionContext, mostRemembered?: number) {
  const { issuer, now, pass } = await setUp(t)
  const keys = createKeySource({ issuer: issuer.url, fetch, now })
  let verified = 0
  const counted: typeof keys = {
    ...keys,
    keyFor(header) {
      verified += 1
      return keys.keyFor(header)
    },
  }
  const jwts = createJwts({
    keys: counted,
    issuer: issuer.url,
    audience,
    algorithms: ['RS256', 'ES256'],
    clockToleranceSeconds: 5,
    now,
    ...(mostRemembered !== undefined && { mostRemembered }),
  })
  const signaturesOf = async (token: string) => {
    const before = verified
    await jwts.read(token)
    return verified - before
  }
  return { issuer, jwts, pass, signaturesOf, verified: () => verified }
}

/** The same token with one bit of its signature turned. */
function forged(token: string): string {
  const place = token.lastIndexOf('.') + 10
  return token.slice(0, place) + (token[place] === 'A' ? 'B' : 'A') + token.slice(place + 1)
}

test('a signature is verified once while the issuer publishes the same keys, also when they are fetched anew', async (t) => {
  const { issuer, pass, signaturesOf } = await memory(t)
  const token = await issuer.accessToken()
  t.deepEqual([await signaturesOf(token), await signaturesOf(token)], [1, 0])
  pass(6 * MINUTE)
  t.is(await signaturesOf(token), 0)
  t.is(issuer.requests.get('/jwks'), 2)
})

test('with every other key set it is verified anew, and then remembered again', async (t) => {
  const { issuer, pass, signaturesOf } = await memory(t)
  const token = await issuer.accessToken()
  await signaturesOf(token)
  await issuer.rotate('ES256')
  pass(6 * MINUTE)
  t.deepEqual([await signaturesOf(token), await signaturesOf(token)], [1, 0])
})

test('no more tokens are remembered than there is room for; the oldest goes', async (t) => {
  const { issuer, signaturesOf } = await memory(t, 2)
  const [first, second, third] = await Promise.all([1, 2, 3].map(() => issuer.accessToken()))
  for (const token of [first!, second!, third!]) t.is(await signaturesOf(token), 1)
  t.deepEqual([await signaturesOf(third!), await signaturesOf(second!), await signaturesOf(first!)], [0, 0, 1])
})

test('what failed is not remembered, and pushes out nothing', async (t) => {
  const { issuer, jwts, signaturesOf, verified } = await memory(t, 1)
  const token = await issuer.accessToken()
  await signaturesOf(token)
  const before = verified()
  for (let i = 0; i < 3; i += 1) await t.throwsAsync(jwts.read(forged(token)))
  await t.throwsAsync(jwts.read(await issuer.accessToken({ claims: { aud: 'https://other.example.com' } })))
  t.is(verified() - before, 4)
  t.is(await signaturesOf(token), 0)
})

test('a token seen before ends with its key, as soon as anything tells that the key is gone', async (t) => {
  const { issuer, verifier, refuses, pass } = await setUp(t)
  const token = await issuer.accessToken()
  await verifier.verify(token)
  const next = await issuer.rotate()
  issuer.keys.length = 1
  pass(1)
  await verifier.verify(token)
  // A key that nobody knows yet makes the API look, long before the set is due.
  await verifier.verify(await issuer.accessToken({ key: next }))
  await refuses(token, /not signed by the issuer/)
})

test('a token seen before ends when its kid comes to mean another key', async (t) => {
  const { issuer, verifier, refuses, pass } = await setUp(t)
  const token = await issuer.accessToken()
  await verifier.verify(token)
  const [old] = issuer.keys
  const next = await issuer.rotate()
  issuer.keys.splice(0, 2, { ...next, kid: old!.kid, jwk: { ...next.jwk, kid: old!.kid } })
  pass(6 * MINUTE)
  await refuses(token, /not signed by the issuer/)
})

test('a token seen before is 503 when its keys are too old to trust', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  const token = await issuer.accessToken({ claims: { exp: Math.floor(Date.now() / 1000) + 7 * 86_400 } })
  await verifier.verify(token)
  await issuer.stop()
  pass(25 * 60 * MINUTE)
  const error = await t.throwsAsync(verifier.verify(token), { instanceOf: TokenError })
  t.is(error.status, 503)
})

test('a token seen before expires, with the same tolerance as one that was not', async (t) => {
  const { issuer, verifier, refuses, now, pass } = await setUp(t)
  const exp = Math.floor(now() / 1000) + 60
  const token = await issuer.accessToken({ claims: { exp } })
  await verifier.verify(token)
  pass(exp * 1000 - now() + 4_900)
  await verifier.verify(token)
  pass(100)
  await refuses(token, /expired/)
})

test('a token seen before has not begun when the clock is set back', async (t) => {
  const { issuer, verifier, refuses, now, pass } = await setUp(t)
  const nbf = Math.floor(now() / 1000) + 60
  const token = await issuer.accessToken({ claims: { nbf } })
  pass(2 * MINUTE)
  await verifier.verify(token)
  pass(nbf * 1000 - now() - 5_000)
  await verifier.verify(token)
  pass(-1)
  await refuses(token, /not valid yet/)
})

test('a token seen before ends when it is revoked', async (t) => {
  const ended = new Set<string>()
  const check: NonNullable<TokenVerifierOptions['revocations']>['check'] = ({ tokenId }) =>
    ended.has(tokenId) ? 'revoked' : 'good'
  const { issuer, verifier, refuses } = await setUp(t, { revocations: { check } })
  const token = await issuer.accessToken()
  ended.add((await verifier.verify(token)).tokenId)
  await refuses(token, /revoked/)
  await verifier.verify(await issuer.accessToken())
})

test('a token seen before is asked about where always', async (t) => {
  const issuer = await startFakeIssuer({ audience })
  t.teardown(() => issuer.stop())
  const endpoint = `${issuer.url}/introspect`
  const introspection = { clientId: 'api', clientSecret: 'secret', endpoint, cacheSeconds: 0, always: true }
  const verifier = createTokenVerifier({ issuer: issuer.url, audience, introspection })
  const token = await issuer.accessToken()
  const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as object
  issuer.overrides.set('/introspect', { active: true, token_type: 'Bearer', ...claims })
  await verifier.verify(token)
  issuer.overrides.set('/introspect', { active: false })
  await t.throwsAsync(verifier.verify(token), { message: /revoked/ })
})

test('a token seen before covers what it covers, and says no more of its sign-in than it did', async (t) => {
  const { issuer, verifier, now, pass } = await setUp(t)
  const auth_time = Math.floor(now() / 1000)
  const token = await issuer.accessToken({ claims: { scope: 'orders:read', acr: 'low', auth_time } })
  await verifier.verify(token, { scope: 'orders:read', acr: ['low'], maxAgeSeconds: 30 })
  await t.throwsAsync(verifier.verify(token, { scope: 'orders:write' }), { message: /does not cover/ })
  await t.throwsAsync(verifier.verify(token, { acr: ['high'] }), { message: /stronger sign-in/ })
  pass(MINUTE)
  await t.throwsAsync(verifier.verify(token, { maxAgeSeconds: 30 }), { message: /more recent/ })
  await verifier.verify(token, { scope: 'orders:read' })
})

test('what one request does to a token, the next does not see', async (t) => {
  const { issuer, verifier } = await setUp(t)
  const token = await issuer.accessToken({ claims: { roles: ['reader'], nested: { list: ['a'] } } })
  for (let i = 0; i < 3; i += 1) {
    const seen = await verifier.verify(token)
    t.deepEqual([seen.scopes, seen.roles], [['orders:read', 'orders:write'], ['reader']])
    t.deepEqual(seen.claims.nested, { list: ['a'] })
    t.true(seen.expiresAt.getTime() > Date.now())
    ;(seen.scopes as string[]).push('admin')
    ;(seen.roles as string[]).push('admin')
    ;(seen.claims.nested as { list: string[] }).list.push('b')
    ;(seen.claims as Record<string, unknown>).sub = 'usr_root'
    seen.expiresAt.setTime(0)
  }
  t.is((await verifier.verify(token)).subject, 'usr_ada')
})

test('of two APIs in one process neither takes what the other has seen', async (t) => {
  const { issuer, verifier, refuses, now } = await setUp(t)
  const billing = 'https://billing.example.com'
  const other = createTokenVerifier({ issuer: issuer.url, audience: billing, now })
  const changes: TokenChanges = { claims: { aud: billing } }
  const [ours, theirs] = [await issuer.accessToken(), await issuer.accessToken(changes)]
  await Promise.all([verifier.verify(ours), other.verify(theirs)])
  for (let i = 0; i < 2; i += 1) {
    await refuses(theirs, /another API/)
    await t.throwsAsync(other.verify(ours), { message: /another API/ })
  }
})

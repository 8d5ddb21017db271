import test, { type ExecutionContext } from 'ava'
import { createTokenVerifier, TokenError } from '../../src/resource-server/index.ts'
import { startFakeIssuer, type FakeIssuer } from '../support/fake-issuer.ts'

const audience = 'https://orders.example.com'
const MINUTE = 60_000

/** An issuer of its own for each test, and a verifier whose clock only the test turns. Tokens live a week. */
async function setUp(t: ExecutionContext) {
  const issuer = await startFakeIssuer({ audience, accessTokenSeconds: 7 * 86_400 })
  t.teardown(() => issuer.stop())
  let time = Date.now() + MINUTE // ahead of every token's time of issue, however slow the machine
  const now = () => time
  const verifier = createTokenVerifier({ issuer: issuer.url, audience, now })
  return { issuer, verifier, pass: (milliseconds: number) => (time += milliseconds) }
}

const fetches = (issuer: FakeIssuer) => issuer.requests.get('/jwks') ?? 0
const unknown = { header: { kid: 'nobody' } }

/** Lets a fetch that nobody waits for come back. */
async function settle(issuer: FakeIssuer, expected: number): Promise<void> {
  for (let i = 0; i < 100 && fetches(issuer) < expected; i++) await new Promise((resolve) => setTimeout(resolve, 5))
  await new Promise((resolve) => setTimeout(resolve, 30))
}

test('a hundred first verifications at once fetch the keys once', async (t) => {
  const { issuer, verifier } = await setUp(t)
  issuer.delayMs = 20
  const token = await issuer.accessToken()
  await Promise.all(Array.from({ length: 100 }, () => verifier.verify(token)))
  t.is(fetches(issuer), 1)
  t.is(issuer.requests.get('/.well-known/oauth-authorization-server'), 1)
})

test('a new key is found at once, by one fetch however many ask', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  await verifier.verify(await issuer.accessToken())
  pass(1)
  await issuer.rotate()
  issuer.delayMs = 20
  const token = await issuer.accessToken()
  await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token)))
  t.is(fetches(issuer), 2)
})

test('a storm of unknown kids causes one fetch per cool-down', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  await verifier.verify(await issuer.accessToken())
  const token = await issuer.accessToken(unknown)
  const storm = async () => {
    const verdicts = await Promise.allSettled(Array.from({ length: 100 }, () => verifier.verify(token)))
    t.true(verdicts.every(({ status }) => status === 'rejected'))
    await t.throwsAsync(verifier.verify(token))
  }
  pass(1)
  await storm()
  t.is(fetches(issuer), 2)
  pass(29_000)
  await storm()
  t.is(fetches(issuer), 2)
  pass(2_000)
  await storm()
  t.is(fetches(issuer), 3)
})

test('keys are used for as long as Cache-Control says, fetched behind the scenes just before', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  issuer.cacheControl = 'public, max-age=600'
  const token = await issuer.accessToken()
  await verifier.verify(token)
  pass(8 * MINUTE)
  await verifier.verify(token)
  await settle(issuer, 2)
  t.is(fetches(issuer), 1)
  pass(1.5 * MINUTE)
  await Promise.all(Array.from({ length: 20 }, () => verifier.verify(token)))
  await settle(issuer, 2)
  t.is(fetches(issuer), 2)
  pass(20 * MINUTE)
  await Promise.all(Array.from({ length: 20 }, () => verifier.verify(token)))
  t.is(fetches(issuer), 3)
})

for (const [cacheControl, quiet, due] of [
  ['max-age=1', 50_000, 61_000],
  ['no-store', 50_000, 61_000],
  ['max-age=99999999', 21 * 60 * MINUTE, 24 * 60 * MINUTE + 1000],
  ['', 4 * MINUTE, 5 * MINUTE + 1000],
  ['max-age=nonsense', 4 * MINUTE, 5 * MINUTE + 1000],
] as const) {
  test(`a lifetime is kept within bounds: ${cacheControl || 'none given'}`, async (t) => {
    const { issuer, verifier, pass } = await setUp(t)
    issuer.cacheControl = cacheControl
    const token = await issuer.accessToken()
    await verifier.verify(token)
    pass(quiet)
    await verifier.verify(token)
    await settle(issuer, 1)
    t.is(fetches(issuer), 1)
    pass(due - quiet)
    await verifier.verify(token)
    t.is(fetches(issuer), 2)
  })
}

test('a key that the issuer withdrew no longer counts once the set is due', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  const token = await issuer.accessToken()
  await verifier.verify(token)
  await issuer.rotate()
  issuer.keys.length = 1
  pass(6 * MINUTE)
  await t.throwsAsync(verifier.verify(token), { message: /not signed by the issuer/ })
})

test('verification goes on while the issuer is down, for a day, and recovers by itself', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  const token = await issuer.accessToken()
  await verifier.verify(token)
  await issuer.stop()
  pass(6 * MINUTE)
  await verifier.verify(token)
  pass(23 * 60 * MINUTE)
  await verifier.verify(token)
  pass(60 * MINUTE)
  const error = await t.throwsAsync(verifier.verify(token), { instanceOf: TokenError })
  t.is(error.status, 503)
  await issuer.start()
  pass(3_000)
  await verifier.verify(token)
})

test('an issuer that answers nonsense is as good as down', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  const token = await issuer.accessToken()
  await verifier.verify(token)
  for (const answer of [{}, { keys: 'none' }, [], { keys: ['x'.repeat(300_000)] }]) {
    issuer.overrides.set('/jwks', answer)
    pass(6 * MINUTE)
    await t.notThrowsAsync(verifier.verify(token), JSON.stringify(answer).slice(0, 40))
  }
})

test('while the issuer hangs, only the first request waits', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  const token = await issuer.accessToken()
  await verifier.verify(token)
  await issuer.stop()
  pass(6 * MINUTE)
  await verifier.verify(token)
  await issuer.start()
  issuer.delayMs = 4_500
  pass(3_000)
  const started = Date.now()
  await verifier.verify(token)
  t.true(Date.now() - started < 4_000)
})

test('a first start without the issuer is 503 with Retry-After and no challenge, and asks at most once in two seconds', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  const token = await issuer.accessToken()
  issuer.overrides.set('/.well-known/oauth-authorization-server', {
    issuer: 'https://evil.test',
    jwks_uri: `${issuer.url}/jwks`,
  })
  const attempt = () => t.throwsAsync(verifier.verify(token), { instanceOf: TokenError })
  const error = await attempt()
  t.is(error.status, 503)
  t.is(error.challenge, undefined)
  t.is(error.error, undefined)
  t.deepEqual(error.headers, { 'retry-after': '5' })
  await Promise.all(Array.from({ length: 20 }, attempt))
  t.is(issuer.requests.get('/.well-known/oauth-authorization-server'), 1)
  await t.throwsAsync(verifier.prepare(), { instanceOf: TokenError })
  issuer.overrides.clear()
  pass(2_000)
  await verifier.prepare()
  await verifier.verify(token)
})

for (const [what, jwksUri] of [
  ['is missing', undefined],
  ['is no URL', 'jwks'],
  ['leads over an open network', 'http://keys.example.com/jwks'],
  ['is a file', 'file:///etc/passwd'],
] as const) {
  test(`metadata is not used when its jwks_uri ${what}`, async (t) => {
    const asked: string[] = []
    const fetch = (url: string | URL | Request) => {
      asked.push(url instanceof Request ? url.url : String(url))
      return Promise.resolve(Response.json({ issuer: 'https://id.example.com', jwks_uri: jwksUri, keys: [] }))
    }
    const verifier = createTokenVerifier({ issuer: 'https://id.example.com', audience, fetch })
    await t.throwsAsync(verifier.prepare(), { message: /cannot be checked/ })
    t.deepEqual(asked, ['https://id.example.com/.well-known/oauth-authorization-server'])
  })
}

test('a key set larger than any honest one is not read', async (t) => {
  const { issuer, verifier } = await setUp(t)
  const keys = issuer.keys.map(({ jwk }) => jwk)
  issuer.overrides.set('/jwks', { keys, padding: 'x'.repeat(300_000) })
  await t.throwsAsync(verifier.prepare(), { message: /cannot be checked/ })
})

test('a redirect to other keys is not followed', async (t) => {
  const { issuer, verifier } = await setUp(t)
  const thief = await startFakeIssuer({ audience })
  t.teardown(() => thief.stop())
  issuer.overrides.set('/jwks', (_: unknown, response: import('node:http').ServerResponse) =>
    response.writeHead(302, { location: `${thief.url}/jwks` }).end(),
  )
  await t.throwsAsync(verifier.prepare(), { message: /cannot be checked/ })
  t.is(fetches(thief), 0)
})

test('an issuer with a path is asked by path insertion', async (t) => {
  const asked: string[] = []
  const fetch = (url: string | URL | Request) => {
    asked.push(url instanceof Request ? url.url : String(url))
    return Promise.resolve(new Response('{}'))
  }
  const verifier = createTokenVerifier({ issuer: 'https://id.example.com/tenant', audience, fetch })
  await t.throwsAsync(verifier.prepare())
  t.deepEqual(asked, ['https://id.example.com/.well-known/oauth-authorization-server/tenant'])
})

test('five rotations under load, each key published before it signs: no verification fails', async (t) => {
  const { issuer, verifier, pass } = await setUp(t)
  for (let round = 0; round < 5; round++) {
    await issuer.rotate('ES256')
    const [next] = issuer.keys
    const current = issuer.keys[1]!
    const before = await issuer.accessToken({ key: current })
    await Promise.all(Array.from({ length: 20 }, () => verifier.verify(before)))
    pass(6 * MINUTE)
    const after = await issuer.accessToken({ key: next! })
    await Promise.all([before, after, before, after].map((token) => verifier.verify(token)))
  }
  t.true(fetches(issuer) <= 6)
})

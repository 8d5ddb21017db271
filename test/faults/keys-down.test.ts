/** The issuer's keys can't be fetched: an API that checks tokens goes on with those it has, says what it can't tell, and recovers. */
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { createTokenVerifier, type TokenError } from '../../src/resource-server/index.ts'
import { startFakeIssuer } from '../support/fake-issuer.ts'
import { figures } from './figures.ts'

const audience = 'https://orders.example.com'
const RECOVERY_MS = 5_000

test('the JWKS endpoint is down: known keys go on, a new key is 503 without a stampede, found again within seconds', async (t) => {
  const issuer = await startFakeIssuer({ audience })
  t.teardown(() => issuer.stop())
  const verifier = createTokenVerifier({ issuer: issuer.url, audience })
  const known = await issuer.accessToken()
  await verifier.verify(known)
  const asked = () => (issuer.requests.get('/jwks') ?? 0) + (issuer.requests.get('/.well-known/oauth-authorization-server') ?? 0) // prettier-ignore

  // It is reached, and fails: what it is asked is counted.
  issuer.overrides.set('/jwks', (_: unknown, response: import('node:http').ServerResponse) => response.writeHead(503).end()) // prettier-ignore
  await issuer.rotate()
  const fresh = await issuer.accessToken()
  const before = asked()
  const began = performance.now()
  let [presented, verified] = [0, 0]
  const refusals: unknown[] = []
  while (performance.now() - began < 2_500) {
    const verdicts = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) => verifier.verify(n % 2 ? known : fresh)),
    )
    presented += 5
    for (const verdict of verdicts) {
      if (verdict.status === 'fulfilled') verified += 1
      else refusals.push(verdict.reason)
    }
    await delay(40)
  }
  const fetches = asked() - before

  issuer.overrides.clear()
  const healed = performance.now()
  for (;;) {
    const error = await verifier.verify(fresh).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (!error) break
    t.true(performance.now() - healed < RECOVERY_MS, 'a new key is found again')
    await delay(50)
  }
  const recoveredMs = performance.now() - healed
  await verifier.verify(known)

  t.log(figures('JWKS endpoint down', { injected: 1, verified, 'refused 503': refusals.length, fetches, lost: presented - verified, recoveredMs })) // prettier-ignore
  t.is(verified, presented, 'every token of a known key passed')
  t.is(refusals.length, presented)
  t.true(verified > 50)
  t.deepEqual(new Set(refusals.map((error) => (error as TokenError).status)), new Set([503]))
  t.true(fetches <= 4, `${fetches} requests for so many tokens`)
})

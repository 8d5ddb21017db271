/**
 * The promise of the turn-over: a verifier that fetches the JWKS once per max-age, and never because of a kid that it does
 * not know, refuses no token. Instances hear of changes by polling alone. The worst case is played through exactly, in time
 * that is told to pass; then the same runs for a few seconds by the clock, to see that the rings do it on their own.
 */
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { lagSeconds, type KeyPolicy } from '../../src/keys/key-policy.ts'
import type { KeyRing } from '../../src/keys/ring.ts'
import { turnKeysOver } from '../../src/keys/turn-over.ts'
import { testDatabase } from '../support/database.ts'
import { anotherHandle, deaf, kidOf, masterKeys, oneAlg, pass, sign, startRing, until } from './fixture.ts'

const ACCESS_TOKEN_SECONDS = 300
const STEP = 20

/** As tight as a sound policy may be, and turning over as often as it can. */
const tight: KeyPolicy = {
  ...oneAlg,
  pollSeconds: 60,
  jwksMaxAgeSeconds: 600,
  publishSeconds: 721,
  rotationSeconds: 721,
  retainSeconds: ACCESS_TOKEN_SECONDS,
}

test('five turn-overs, seen through the tightest sound policy: every token verifies', async (t) => {
  const { signers, verified, refused } = await playThrough(t, tight)
  t.is(signers, 6)
  t.true(verified > 5000)
  t.is(refused, 0)
})

test('the play can fail: with keys published for less than max-age and polls, tokens are refused', async (t) => {
  t.true((await playThrough(t, { ...tight, publishSeconds: 660, rotationSeconds: 660 })).refused > 0)
})

test('the play can fail: with keys removed before the tokens that they signed expire, tokens are refused', async (t) => {
  t.true((await playThrough(t, { ...tight, retainSeconds: ACCESS_TOKEN_SECONDS / 2 })).refused > 0)
})

/**
 * Two instances: one polls when it should, the other at the latest that the policy allows for. Both sign at every step. For
 * each step within a max-age there are two verifiers that fetch then, one from either instance. Each token is verified when
 * it is new and just before it expires.
 */
async function playThrough(
  t: ExecutionContext,
  policy: KeyPolicy,
): Promise<{ signers: number; verified: number; refused: number }> {
  const db = await testDatabase(t)
  // The policy of the play is not necessarily one that a ring accepts; polls are played, too.
  const [prompt, late] = [await startRing(t, deaf(db), oneAlg), await startRing(t, deaf(db), oneAlg)]
  const polls = [
    { ring: prompt, every: policy.pollSeconds, phase: 0 },
    // Just before the other one, and so as long as can be after a change that the other made.
    { ring: late, every: lagSeconds(policy), phase: lagSeconds(policy) - STEP },
  ]
  const phases = Array.from({ length: policy.jwksMaxAgeSeconds / STEP }, (_, index) => index * STEP)
  const verifiers = [prompt, late].flatMap((ring) =>
    phases.map((phase) => ({ ring, phase, kids: kidsOf(ring.current().publicJwks) })),
  )
  const pending: { kid: string | undefined; expires: number }[] = []
  const signers = new Set<string | undefined>()
  let verified = 0
  let refused = 0
  const verify = (kid: string | undefined): void => {
    for (const { kids } of verifiers) {
      if (kids.has(kid)) verified++
      else refused++
    }
  }

  for (let now = STEP; signers.size < 6 || pending.length > 0; now += STEP) {
    await pass(db, STEP)
    for (const { ring, every, phase } of polls) {
      if (now % every !== phase) continue
      await turnKeysOver(db, { policy, masterKeys })
      await ring.refresh()
    }
    for (const verifier of verifiers) {
      if (now % policy.jwksMaxAgeSeconds === verifier.phase) verifier.kids = kidsOf(verifier.ring.current().publicJwks)
    }
    while (pending[0] && pending[0].expires <= now + STEP) verify(pending.shift()?.kid)
    if (signers.size === 6) continue
    for (const ring of [prompt, late]) {
      const kid = ring.current().signers.RS256
      signers.add(kid)
      pending.push({ kid, expires: now + ACCESS_TOKEN_SECONDS })
      verify(kid)
    }
  }
  return { signers: signers.size, verified, refused }
}

function kidsOf(set: { readonly keys: readonly { kid?: string }[] }): Set<string | undefined> {
  return new Set(set.keys.map(({ kid }) => kid))
}

test('two instances turn keys over by polling alone, and no verification fails', async (t) => {
  const policy: KeyPolicy = {
    ...oneAlg,
    pollSeconds: 0.1,
    jwksMaxAgeSeconds: 0.2,
    publishSeconds: 2,
    rotationSeconds: 2,
    retainSeconds: 60,
  }
  const db = await testDatabase(t)
  const rings = [await startRing(t, deaf(db), policy), await startRing(t, deaf(await anotherHandle(t, db.url)), policy)]
  // A machine so busy that polls come late is no instance to fetch from: it would not call itself ready.
  const isReady = (ring: KeyRing): boolean => ring.staleSeconds() <= lagSeconds(policy)
  const verifiers = rings.map((ring) => {
    let fetched = { at: -Infinity, keys: createLocalJWKSet({ keys: [] }) }
    return async (token: string): Promise<void> => {
      if (performance.now() - fetched.at >= policy.jwksMaxAgeSeconds * 1000) {
        await until(() => isReady(ring))
        fetched = { at: performance.now(), keys: createLocalJWKSet(ring.current().publicJwks as JSONWebKeySet) }
      }
      await jwtVerify(token, fetched.keys)
    }
  })

  const tokens: string[] = []
  const signers = new Set<string | undefined>()
  for (const end = performance.now() + 30_000; signers.size < 3 && performance.now() < end; await delay(20)) {
    for (const ring of rings) tokens.push(await sign(ring.current()))
    // The newest of each instance, and the oldest that there are.
    for (const token of [...tokens.slice(-2), ...tokens.slice(0, 2)]) {
      signers.add(kidOf(token))
      for (const verify of verifiers) await t.notThrowsAsync(verify(token))
    }
  }
  t.is(signers.size, 3)
})

/**
 * Signing keys turn over five times on two processes while both issue tokens. The verifiers fetch the JWKS once per max-age
 * and never because of a kid that they do not know: they must not refuse a single token.
 */
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose'
import { API, buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'
import { internalErrors, startPair, type Pair } from './pair.ts'

/** As short as the key policy lets them be: publish > max-age + 2 × poll. */
const ENVIRONMENT = {
  KEY_ROTATION_SECONDS: '4',
  KEY_PUBLISH_SECONDS: '4',
  KEY_POLL_SECONDS: '1',
  JWKS_MAX_AGE_SECONDS: '1',
}
const TURNS = 5
const ALGORITHMS = ['RS256', 'ES256', 'Ed25519'] as const

interface Issued {
  jwt: string
  alg: string
  audience: string
  kid: string
}

test('keys turn over five times under traffic: no verification fails, and a hint signed by the first still logs out', async (t) => {
  const pair = await startPair(t, ENVIRONMENT)
  const { issuer, instances, db } = pair
  for (const signingAlg of ALGORITHMS) {
    const scopes = [{ name: `orders:${signingAlg}`, description: 'See orders', descriptionDe: null }]
    await buildResource(db, { audience: audienceOf(signingAlg), signingAlg, scopes })
  }
  const access = ALGORITHMS.map((alg) => ({ resource: audienceOf(alg), scopes: [`orders:${alg}`] }))
  const service = await buildClient(db, { kind: 'service', access })
  const web = await buildClient(db, { access, postLogoutRedirectUris: ['https://app.example.com/bye'] })
  const person = await buildUser(db)
  const browser = new Visitor(issuer, instances)
  const signedIn = await redeem(issuer, web, await browser.authorize(web, person))
  const hint = signedIn.body.id_token ?? ''

  const issue = async (alg: string, instance: string): Promise<Issued> => {
    const audience = audienceOf(alg)
    const asked = { grant_type: 'client_credentials', resource: audience }
    const { status, body } = await token(issuer, service, asked, instance)
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
    const jwt = body.access_token ?? ''
    return { jwt, alg, audience, kid: decodeProtectedHeader(jwt).kid ?? '' }
  }
  const verifiers = instances.map((instance) => createVerifier(pair, instance))
  const neverAgain = createVerifier(pair, instances[0], Infinity)

  // The first keys are already so old: nobody has fetched anything yet.
  await db.knex('signing_keys').update({
    published_at: db.knex.raw(`published_at - interval '3 seconds'`),
    activated_at: db.knex.raw(`activated_at - interval '3 seconds'`),
  })
  const issued: Issued[] = []
  const began = performance.now()
  for (let cursor = 0; turnsOf(issued) < TURNS; await delay(120)) {
    if (performance.now() - began > 45_000) return t.fail(`only ${turnsOf(issued)} turn-overs`)
    const fresh = await Promise.all(instances.flatMap((instance) => ALGORITHMS.map((alg) => issue(alg, instance))))
    issued.push(...fresh)
    // What has just been signed, and again what was signed before, back to the first: none of it has expired yet.
    const older = Array.from({ length: 6 }, () => issued[cursor++ % issued.length] as Issued)
    for (const verifier of verifiers) await Promise.all([...fresh, ...older].map(verifier.verify))
    await neverAgain.verify(fresh[0] as Issued)
  }
  const seconds = (performance.now() - began) / 1000
  for (const verifier of verifiers) {
    await Promise.all(issued.map(verifier.verify))
    t.deepEqual(verifier.refused, [])
    t.true(verifier.fetches() <= seconds + 2, `${verifier.fetches()} fetches in ${seconds} s of max-age 1`)
  }
  t.true(neverAgain.refused.length > 0, 'a verifier that never fetches again meets keys that it has not seen')

  await signOutWithHint(t, pair, browser, hint)
  t.is((await refresh(issuer, web, signedIn.body.refresh_token)).body.error, 'invalid_grant')
  t.deepEqual(internalErrors(pair), [])
  t.true(
    pair.servers.every(({ process }) => process.exitCode === null),
    'nobody was restarted',
  )
})

async function signOutWithHint(t: ExecutionContext, pair: Pair, browser: Visitor, hint: string): Promise<void> {
  const signers = await pair.db.knex('signing_keys').where({ state: 'current' }).pluck<string[]>('kid')
  t.false(signers.includes(decodeProtectedHeader(hint).kid ?? ''))
  const query = new URLSearchParams({
    id_token_hint: hint,
    post_logout_redirect_uri: 'https://app.example.com/bye',
    state: 'until next time',
  })
  const confirm = await browser.open(`/logout?${query}`)
  const end = await browser.submit(confirm, /\/logout\/confirm$/, { logout: 'yes' })
  t.is(new URL(end.url).origin + new URL(end.url).pathname, 'https://app.example.com/bye')
  t.is(new URL(end.url).searchParams.get('state'), 'until next time')
}

/** @param forSeconds how long it keeps what it fetched; by default what Cache-Control says, and not a moment less */
function createVerifier({ issuer }: Pair, instance: string, forSeconds?: number) {
  const browser = new Visitor(issuer, [instance])
  const refused: string[] = []
  let fetches = 0
  let known = { until: -Infinity, keys: createLocalJWKSet({ keys: [] }) }
  let fetching: Promise<void> | undefined

  async function fetchKeys(): Promise<void> {
    fetches += 1
    const at = performance.now()
    const response = await browser.request('/jwks')
    const maxAge = Number(/max-age=(\d+)/.exec(response.headers.get('cache-control') ?? '')?.[1])
    const keys = createLocalJWKSet((await response.json()) as JSONWebKeySet)
    known = { until: at + (forSeconds ?? maxAge) * 1000, keys }
  }

  async function verify({ jwt, alg, audience, kid }: Issued): Promise<void> {
    if (performance.now() >= known.until) await (fetching ??= fetchKeys().finally(() => (fetching = undefined)))
    const expected = { issuer, audience, typ: 'at+jwt', algorithms: [alg] }
    await jwtVerify(jwt, known.keys, expected).catch((error: Error) => refused.push(`${alg} ${kid}: ${error.message}`))
  }

  return { verify, refused, fetches: () => fetches }
}

function audienceOf(alg: string): string {
  return `${API}/${alg}`
}

/** How often the key of every algorithm has changed. */
function turnsOf(issued: Issued[]): number {
  const kids = ALGORITHMS.map((alg) => new Set(issued.filter((one) => one.alg === alg).map(({ kid }) => kid)).size)
  return Math.min(...kids) - 1
}

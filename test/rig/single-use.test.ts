/** Two processes, every statement 20 ms late: what may be used once is used once, and what may be repeated gives the same. */
import { deepEqual } from 'node:assert/strict'
import test from 'ava'
import { fileTeardown, inParallel, internalErrors, tally } from '../races/pair.ts'
import { API, buildClient, buildResource, buildUser } from '../support/registry.ts'
import { StepVisitor } from '../support/step-visitor.ts'
import { redeem, refresh, token, Visitor, type Answer } from '../support/visitor.ts'
import { createBarrier } from './barrier.ts'
import { age, DELAY_MS, eventsOf, familiesOf, rounds, startRig, tell, type Rig } from './rig.ts'

const file = fileTeardown()
const OTHER_API = 'https://other.example.com'
const BOTH = { scope: 'openid orders:read orders:write stock:read', resource: [API, OTHER_API] }
const PLAIN = { resource: API }
let rig: Rig

test.before(async () => {
  rig = await startRig(file)
  await buildResource(rig.db)
  const stock = { name: 'stock:read', description: 'See what is in stock', descriptionDe: null }
  await buildResource(rig.db, { audience: OTHER_API, name: 'Stock', scopes: [stock] })
  rig.slowDown(DELAY_MS)
})
test.after('no request ended in an internal error', () => deepEqual(internalErrors(rig), []))
test.after.always(() => file.end())

/** A client that may ask both APIs, a person, and a browser in which both have met. */
async function acquainted(kind: 'web' | 'spa' = 'web') {
  const access = [
    { resource: API, scopes: ['orders:read', 'orders:write'] },
    { resource: OTHER_API, scopes: ['stock:read'] },
  ]
  const client = await buildClient(rig.db, { kind, access, firstParty: true })
  const person = await buildUser(rig.db)
  const visitor = new Visitor(rig.issuer, rig.instances)
  const authorize = () => visitor.authorize(client, person, BOTH)
  const exchange = ({ code, verifier }: Answer, instance = rig.issuer) => {
    const { redirect_uri } = client
    const parameters = { grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier, ...PLAIN }
    return token(rig.issuer, client, parameters, instance)
  }
  await authorize()
  return {
    client,
    person,
    authorize,
    exchange,
    begin: async () => (await exchange(await authorize())).body.refresh_token,
  }
}

test(`twenty parallel redemptions of one code, ${rounds} rounds: one success, one unconsumed row`, async (t) => {
  t.timeout(600_000)
  for (const kind of ['web', 'spa'] as const) {
    const { client, person, authorize, exchange } = await acquainted(kind)
    for (let round = 0; round < rounds / 2; round += 1) {
      const before = await familiesOf(rig, person.id)
      const answer = await authorize()
      // Slow enough that all twenty have asked for the code before the first is answered: whoever asks later is a replay.
      rig.slowDown(5 * DELAY_MS)
      const answers = await inParallel(rig, 20, (instance) => exchange(answer, instance))
      rig.slowDown(DELAY_MS)
      t.deepEqual(tally(answers), { 200: 1, invalid_grant: 19 }, `${kind}, round ${round}`)
      t.deepEqual(await familiesOf(rig, person.id), { grants: 1, live: before.live + 1 })
      const winner = answers.find(({ status }) => status === 200)
      t.is((await refresh(rig.issuer, client, winner?.body.refresh_token, PLAIN)).status, 200)
    }
  }
})

test(`twenty parallel refreshes, ${rounds} rounds: twenty answers, one successor, one unconsumed row`, async (t) => {
  t.timeout(600_000)
  const { client, person, begin } = await acquainted()
  let current = await begin()
  for (let round = 0; round < rounds; round += 1) {
    const answers = await inParallel(rig, 20, (instance) => refresh(rig.issuer, client, current, PLAIN, instance))
    t.deepEqual(tally(answers), { 200: 20 })
    const successors = new Set(answers.map(({ body }) => body.refresh_token))
    t.is(successors.size, 1)
    t.deepEqual(await familiesOf(rig, person.id), { grants: 1, live: 1 })
    current = [...successors][0]
  }
})

const VARIANTS = [PLAIN, { ...PLAIN, scope: 'openid orders:read' }, { resource: OTHER_API }]

test(`twenty parallel refreshes that ask for different things, ${rounds} rounds: those that ask like the first are answered`, async (t) => {
  t.timeout(600_000)
  const { client, person, begin } = await acquainted()
  let current = await begin()
  for (let round = 0; round < rounds; round += 1) {
    const wish = (index: number) => VARIANTS[(index + (index >> 1)) % VARIANTS.length]!
    const answers = await inParallel(rig, 20, async (instance, index) => ({
      index,
      ...(await refresh(rig.issuer, client, current, wish(index), instance)),
    }))
    const granted = answers.filter(({ status }) => status === 200)
    t.true(granted.length > 0 && granted.length < 20)
    t.is(new Set(granted.map(({ index }) => wish(index))).size, 1, 'one wish won')
    t.is(new Set(granted.map(({ body }) => body.refresh_token)).size, 1)
    t.deepEqual(tally(answers), { 200: granted.length, invalid_grant: 20 - granted.length })
    t.deepEqual(await familiesOf(rig, person.id), { grants: 1, live: 1 })
    current = granted[0]?.body.refresh_token
  }
})

test(`another wish inside the window, ${rounds} rounds: refused, and the winner lives`, async (t) => {
  t.timeout(600_000)
  const { client, person, begin } = await acquainted()
  let current = await begin()
  for (let round = 0; round < rounds; round += 1) {
    const [here, there] = round % 2 ? rig.instances : rig.instances.toReversed()
    const winner = await refresh(rig.issuer, client, current, PLAIN, here)
    t.is(winner.status, 200)
    for (const wish of VARIANTS.slice(1)) {
      t.is((await refresh(rig.issuer, client, current, wish, there)).body.error, 'invalid_grant')
    }
    t.deepEqual(await familiesOf(rig, person.id), { grants: 1, live: 1 })
    current = winner.body.refresh_token
  }
  t.is(await eventsOf(rig, 'refresh_token.reuse_detected', person.id), 0)
})

// Alone: it must be there within a second of the time that it sets.
test.serial(
  `the old token at 0, 3, 6 and 9 s, ${rounds} rounds: the same successor; at 12 s: none, and the family is dead`,
  async (t) => {
    t.timeout(600_000)
    const { client, person, begin } = await acquainted()
    for (let round = 0; round < rounds; round += 1) {
      const old = await begin()
      const successors = new Set<unknown>()
      const began = performance.now()
      let aged = 0
      const comeTo = async (seconds: number) => {
        const missing = seconds - aged - (performance.now() - began) / 1000
        aged += missing
        await age(rig, person.id, missing)
      }
      for (const seconds of [0, 3, 6, 9]) {
        const [here, there] = seconds % 2 ? rig.instances : rig.instances.toReversed()
        if (seconds > 0) await comeTo(seconds)
        successors.add((await refresh(rig.issuer, client, old, PLAIN, here)).body.refresh_token)
        t.is((await tell(rig, there!, 'introspect', client, old)).active, false, `at ${seconds} s`)
      }
      const [successor] = [...successors] as [string]
      t.is(successors.size, 1)
      t.is((await tell(rig, rig.instances[0], 'introspect', client, successor)).active, true)
      await comeTo(12)
      const replays = await inParallel(rig, 4, (instance) => refresh(rig.issuer, client, old, PLAIN, instance))
      t.deepEqual(tally(replays), { invalid_grant: 4 }, 'at 12 s')
      t.is((await refresh(rig.issuer, client, successor, PLAIN)).body.error, 'invalid_grant')
      t.is((await tell(rig, rig.instances[1], 'introspect', client, successor)).active, false)
      t.deepEqual(await familiesOf(rig, person.id), { grants: 0, live: 0 })
      t.is(await eventsOf(rig, 'refresh_token.reuse_detected', person.id), round + 1)
    }
  },
)

test.serial(`five parallel resumes of one approved interaction, ${rounds} rounds: one code`, async (t) => {
  t.timeout(600_000)
  const { issuer, instances, db } = rig
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const visitor = new StepVisitor(issuer, instances)
  await visitor.authorize(client, person, { scope: 'openid' })
  for (let round = 0; round < rounds; round += 1) {
    const asked = { scope: 'openid orders:read', resource: API, prompt: 'consent' }
    const { url, verifier, state } = visitor.request_uri(client, asked)
    const approved = await visitor.post(await visitor.open(url), /\/consent$/, { decision: 'allow' })
    const answers = await allAtTheClaim(round, 5, () => visitor.request(approved.url))
    const codes = answers.flatMap((response) => codeOf(response.headers.get('location')) ?? [])
    t.is(codes.length, 1, `round ${round}`)
    t.deepEqual(answers.map(({ status }) => status).sort(), [303, 400, 400, 400, 400])
    const answer = { url: new URL(client.redirect_uri), code: codes[0], verifier, state } as Answer
    t.is((await redeem(issuer, client, answer)).status, 200)
  }
})

test.serial(
  `six parallel approvals of one interaction, ${rounds} rounds: one code, one consent, and it works`,
  async (t) => {
    t.timeout(600_000)
    const { issuer, instances, db } = rig
    const [client, person] = [await buildClient(db), await buildUser(db)]
    const visitor = new Visitor(issuer, instances)
    await visitor.authorize(client, person, { scope: 'openid' })
    for (let round = 0; round < rounds; round += 1) {
      const asked = { scope: 'openid orders:read', resource: API, prompt: 'consent' }
      const { url, verifier, state } = visitor.request_uri(client, asked)
      const consent = await visitor.open(url)
      const ends = await allAtTheClaim(round, 6, () => visitor.allow(consent))
      const codes = ends.flatMap((end) => codeOf(end.url) ?? [])
      t.is(codes.length, 1, `round ${round}`)
      t.true(ends.every((end) => codeOf(end.url) || end.status === 400))
      const answer = { url: new URL(client.redirect_uri), code: codes[0], verifier, state } as Answer
      t.is((await redeem(issuer, client, answer)).status, 200)
      const consents = await db.knex('consents').where({ user_id: person.id }).pluck<string[][]>('scopes')
      t.deepEqual(consents.flat().sort(), ['openid', 'orders:read'])
    }
  },
)

/** Lets so many go on with one interaction, all past the point where they found it unclaimed: at once, or the last first. */
async function allAtTheClaim<T>(round: number, count: number, act: () => Promise<T>): Promise<T[]> {
  const barrier = createBarrier((statement) => statement.includes(`payload = 'null'`))
  for (const { proxy } of rig.servers) proxy.hold(barrier)
  const acts = inParallel(rig, count, act)
  await barrier.arrived(count)
  await barrier.open(round % 2 ? [...Array(count).keys()].toReversed() : undefined)
  return acts
}

function codeOf(location: string | null): string | undefined {
  return (location && URL.parse(location)?.searchParams.get('code')) || undefined
}

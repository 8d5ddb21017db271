/** What may be used once is used once, however many ask at the same moment, and wherever. */
import { deepEqual } from 'node:assert/strict'
import test from 'ava'
import { API, buildClient, buildResource, buildUser } from '../support/registry.ts'
import { StepVisitor } from '../support/step-visitor.ts'
import { redeem, refresh, Visitor } from '../support/visitor.ts'
import { fileTeardown, inParallel, internalErrors, startPair, tally, until, type Pair } from './pair.ts'

/** Twenty who ask at the same moment, at two processes, meet in every round; rig/single-use slows their statements down besides. */
const ROUNDS = Number(process.env.RIG_ROUNDS ?? 2)

const file = fileTeardown()
let pair: Pair

test.before(async () => {
  // Long enough for twenty requests on a machine with better things to do.
  pair = await startPair(file, { REFRESH_REUSE_SECONDS: '30' })
  await buildResource(pair.db)
})
test.after('no request ended in an internal error', () => deepEqual(internalErrors(pair), []))
test.after.always(() => file.end())

const ASKED = { scope: 'openid orders:read', resource: API }

test('twenty parallel redemptions of one code: exactly one success', async (t) => {
  const { issuer, instances, db } = pair
  for (const kind of ['web', 'spa'] as const) {
    const [client, person] = [await buildClient(db, { kind }), await buildUser(db)]
    const visitor = new Visitor(issuer, instances)
    for (let round = 0; round < ROUNDS; round += 1) {
      const answer = await visitor.authorize(client, person, ASKED)
      const answers = await inParallel(pair, 20, (instance) => redeem(issuer, client, answer, instance))
      t.deepEqual(tally(answers), { 200: 1, invalid_grant: 19 }, `${kind}, round ${round}`)
    }
  }
})

test('twenty parallel refreshes of one token: twenty answers, one successor, one live row', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db, { kind: 'spa' }), await buildUser(db)]
  const answer = await new Visitor(issuer, instances).authorize(client, person, ASKED)
  let current = (await redeem(issuer, client, answer)).body.refresh_token
  for (let round = 0; round < ROUNDS; round += 1) {
    const answers = await inParallel(pair, 20, (instance) => refresh(issuer, client, current, {}, instance))
    t.deepEqual(tally(answers), { 200: 20 })
    const successors = [...new Set(answers.map(({ body }) => body.refresh_token))]
    t.is(successors.length, 1)
    t.not(successors[0], current)
    const rows = await familyOf(person.id)
    t.is(rows.filter(({ consumed_at }) => consumed_at === null).length, 1)
    t.is(rows.length, round + 2)
    current = successors[0]
  }
})

test('twenty parallel refreshes of one token that ask for two different things: only one thing is given', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db, { kind: 'spa' }), await buildUser(db)]
  const answer = await new Visitor(issuer, instances).authorize(client, person, ASKED)
  let current = (await redeem(issuer, client, answer)).body.refresh_token
  for (let round = 0; round < ROUNDS; round += 1) {
    const answers = await inParallel(pair, 20, (instance, index) =>
      refresh(issuer, client, current, index % 4 < 2 ? {} : { scope: 'orders:read' }, instance),
    )
    t.deepEqual(tally(answers), { 200: 10, invalid_grant: 10 }, `round ${round}`)
    const given = answers.flatMap(({ body }) => body.refresh_token ?? [])
    t.is(new Set(given).size, 1)
    const winners = answers.flatMap(({ status }, index) => (status === 200 ? [index % 4 < 2] : []))
    t.is(new Set(winners).size, 1)
    current = given[0]
  }
})

test('a reuse after the window, twenty times at once: the family is dead, one event, one log line', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db, { kind: 'spa' }), await buildUser(db)]
  const answer = await new Visitor(issuer, instances).authorize(client, person, ASKED)
  const first = (await redeem(issuer, client, answer)).body.refresh_token
  const second = (await refresh(issuer, client, first)).body.refresh_token
  const aged = await db.knex.raw<{ rowCount: number }>(
    `update refresh_tokens set consumed_at = consumed_at - interval '31 seconds'
     where consumed_at is not null and grant_id in (select id from grants where user_id = ?)`,
    [person.id],
  )
  t.is(aged.rowCount, 1)

  const replays = await inParallel(pair, 20, (instance) => refresh(issuer, client, first, {}, instance))
  t.deepEqual(tally(replays), { invalid_grant: 20 })
  const owners = await inParallel(pair, 2, (instance) => refresh(issuer, client, second, {}, instance))
  t.deepEqual(tally(owners), { invalid_grant: 2 })
  t.deepEqual(await familyOf(person.id), [])
  const event = 'refresh_token.reuse_detected'
  t.is((await db.knex('events').where({ type: event, user_id: person.id })).length, 1)
  const lines = () => pair.logs().filter((line) => line.event === event && line.user_id === person.id)
  await until(() => lines().length > 0)
  t.is(lines().length, 1)
})

test('five parallel resumes of one approved interaction: one code', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const visitor = new StepVisitor(issuer, instances)
  const { url, verifier, state } = visitor.request_uri(client, ASKED)
  const consent = await visitor.signIn(await visitor.open(url), person)
  const approved = await visitor.post(consent, /\/consent$/, { decision: 'allow' })
  t.is(approved.status, 303)

  const answers = await inParallel(pair, 5, () => visitor.request(approved.url))
  const codes = answers.flatMap((response) => codeOf(response.headers.get('location')) ?? [])
  t.is(codes.length, 1)
  t.deepEqual(answers.map(({ status }) => status).sort(), [303, 400, 400, 400, 400])
  const end = { url: new URL(client.redirect_uri), code: codes[0], error: undefined, verifier, state }
  const redeemed = await redeem(issuer, client, { ...end, parameters: new URLSearchParams() })
  t.is(redeemed.status, 200, JSON.stringify(redeemed.body))
})

test('ten parallel approvals of one interaction: one code, and the person stays signed in', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const visitor = new Visitor(issuer, instances)
  const consent = await visitor.signIn(await visitor.open(visitor.request_uri(client, ASKED).url), person)
  const ends = await inParallel(pair, 10, () => visitor.allow(consent))
  t.is(ends.filter(({ url }) => codeOf(url)).length, 1)
  t.true(ends.every(({ url, status }) => codeOf(url) || status === 400))
  const again = await visitor.open(visitor.request_uri(client, { ...ASKED, prompt: 'none' }).url)
  t.truthy(codeOf(again.url), again.url)
})

test('ten parallel refusals and approvals of one interaction: one answer', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const visitor = new Visitor(issuer, instances)
  const consent = await visitor.signIn(await visitor.open(visitor.request_uri(client, ASKED).url), person)
  const ends = await inParallel(pair, 10, (_instance, index) =>
    index % 4 < 2 ? visitor.allow(consent) : visitor.submit(consent, /\/cancel$/, { decision: 'deny' }),
  )
  t.is(ends.filter(({ url }) => url.startsWith(client.redirect_uri)).length, 1)
})

function codeOf(location: string | null): string | undefined {
  return (location && URL.parse(location)?.searchParams.get('code')) || undefined
}

async function familyOf(userId: string): Promise<{ consumed_at: Date | null }[]> {
  return pair.db
    .knex('refresh_tokens')
    .join('grants', 'grants.id', 'refresh_tokens.grant_id')
    .where({ user_id: userId })
    .select('consumed_at')
}

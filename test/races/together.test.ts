/** Requests that share statements share nothing else: one family's trouble is not another's. */
import test from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, Visitor, type Answer } from '../support/visitor.ts'
import { fileTeardown, tally, until } from './pair.ts'

const file = fileTeardown()
const ASKED = { scope: 'openid orders:read', resource: API }
const FAMILIES = 6
let server: TestServer
let client: TestClient

test.before(async () => {
  server = await startAuthServer(file)
  await buildResource(server.db)
  client = await buildClient(server.db, { kind: 'native', firstParty: true })
})
test.after.always(() => file.end())

async function codes(count: number): Promise<Answer[]> {
  const visitor = new Visitor(server.issuer)
  const person = await buildUser(server.db)
  const answers: Answer[] = []
  for (let index = 0; index < count; index += 1) answers.push(await visitor.authorize(client, person, ASKED))
  return answers
}

/** Families of their own: a native app gets one for each sign-in. */
async function families(): Promise<string[]> {
  const answers = await Promise.all((await codes(FAMILIES)).map((answer) => redeem(server.issuer, client, answer)))
  return answers.map(({ body }) => body.refresh_token ?? '')
}

/** Holds the grant of one row until told to let go. */
async function holding(table: 'refresh_tokens' | 'artifacts', work: (release: () => Promise<void>) => Promise<void>) {
  const trx = await server.db.knex.transaction()
  try {
    const newest = trx(table).whereNull('consumed_at').whereNotNull('grant_id').orderBy('expires_at', 'desc').limit(1)
    await trx('grants').whereIn('id', newest.select('grant_id')).forUpdate().select('id')
    await trx(table)
      .whereIn(
        'id_digest',
        trx(table).whereNull('consumed_at').orderBy('expires_at', 'desc').limit(1).select('id_digest'),
      )
      .forUpdate()
      .select('id_digest')
    await work(() => trx.commit().then(() => undefined))
  } finally {
    if (!trx.isCompleted()) await trx.rollback()
  }
}

test.serial('a family that somebody holds waits by itself: all others are refreshed meanwhile', async (t) => {
  const tokens = await families()
  await holding('refresh_tokens', async (release) => {
    let answered = 0
    const asked = tokens.map(async (token) => {
      const answer = await refresh(server.issuer, client, token)
      answered += 1
      return answer
    })
    await until(() => Promise.resolve(answered === FAMILIES - 1))
    await release()
    t.deepEqual(tally(await Promise.all(asked)), { 200: FAMILIES })
  })
})

test.serial('a code that somebody holds waits by itself: all others are redeemed meanwhile', async (t) => {
  const answers = await codes(FAMILIES)
  await holding('artifacts', async (release) => {
    let answered = 0
    const asked = answers.map(async (answer) => {
      const response = await redeem(server.issuer, client, answer)
      answered += 1
      return response
    })
    await until(() => Promise.resolve(answered === FAMILIES - 1))
    await release()
    t.deepEqual(tally(await Promise.all(asked)), { 200: FAMILIES })
  })
})

test.serial('a bad request among others spoils none of them', async (t) => {
  const [first = '', second = '', ...others] = await families()
  await server.db.knex('grants').where({ client_id: client.client_id }).whereIn('id', familyOf(second)).delete()
  const tokens = [first, second, first, 'no such token', ...others]
  const answers = await Promise.all(tokens.map((token) => refresh(server.issuer, client, token)))
  t.deepEqual(
    answers.map(({ status }) => status),
    [200, 400, 200, 400, ...others.map(() => 200)],
  )
  t.is(answers[0]?.body.refresh_token, answers[2]?.body.refresh_token)
})

test.serial('what proves nothing claims nothing, and spoils nobody else', async (t) => {
  const answers = await codes(FAMILIES)
  const stranger = await buildClient(server.db, { kind: 'native', firstParty: true })
  const wrongly = await Promise.all([
    ...answers.map((answer) => redeem(server.issuer, client, { ...answer, verifier: 'v'.repeat(43) })),
    ...answers.map((answer) => redeem(server.issuer, stranger, answer)),
    ...answers.map((answer) => redeem(server.issuer, client, { ...answer, code: `${answer.code}x` })),
  ])
  t.deepEqual(tally(wrongly), { invalid_grant: 3 * FAMILIES })
  t.deepEqual(tally(await Promise.all(answers.map((answer) => redeem(server.issuer, client, answer)))), {
    200: FAMILIES,
  })
})

test.serial('a code that comes twice at the same moment is redeemed once, and what it issued lives on', async (t) => {
  for (const answer of await codes(FAMILIES)) {
    const responses = await Promise.all([answer, answer].map((same) => redeem(server.issuer, client, same)))
    t.deepEqual(tally(responses), { 200: 1, invalid_grant: 1 })
    const { body } = responses.find(({ status }) => status === 200)!
    t.is((await refresh(server.issuer, client, body.refresh_token)).status, 200)
  }
})

function familyOf(token: string) {
  return server.db
    .knex('refresh_tokens')
    .whereRaw("id_digest = sha256(convert_to(?, 'UTF8'))", [token])
    .select('grant_id')
}

test.serial('many families at once, again and again: each has one living token at the end', async (t) => {
  let tokens = await families()
  for (let round = 0; round < 5; round += 1) {
    const doubled = [...tokens, ...tokens]
    const answers = await Promise.all(doubled.map((token) => refresh(server.issuer, client, token)))
    t.deepEqual(tally(answers), { 200: 2 * FAMILIES })
    const next = answers.map(({ body }) => body.refresh_token ?? '')
    t.deepEqual(next.slice(0, FAMILIES), next.slice(FAMILIES))
    t.is(new Set(next).size, FAMILIES)
    tokens = next.slice(0, FAMILIES)
  }
  for (const token of tokens) {
    const { rows } = await server.db.knex.raw<{ rows: { living: number }[] }>(
      'select count(*) filter (where consumed_at is null)::int as living from refresh_tokens where grant_id in (?)',
      [familyOf(token)],
    )
    t.is(rows[0]?.living, 1)
  }
})

/** A process that dies in the middle of its work takes nothing with it: the other one goes on, and no token is lost. */
import test from 'ava'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, token, Visitor, type TokenResponse } from '../support/visitor.ts'
import { internalErrors, startPair, until, type Pair } from './pair.ts'

const CHAINS = 12

interface Traffic {
  stopped: boolean
  answers: TokenResponse[]
  /** Requests that were under way when their process died. */
  torn: number
}

test('kill -9 of one of two processes under traffic: the other answers, and every client goes on', async (t) => {
  const pair = await startPair(t, { REFRESH_REUSE_SECONDS: '30' })
  const { issuer, instances, servers, db } = pair
  await buildResource(db)
  const service = await buildClient(db, { kind: 'service' })
  const app = await buildClient(db, { kind: 'spa', firstParty: true })
  const person = await buildUser(db)
  const browser = new Visitor(issuer, instances)
  const clients = await Promise.all(
    Array.from({ length: CHAINS }, () => buildClient(db, { kind: 'spa', firstParty: true })),
  )
  await browser.authorize(app, person)
  const tokens: (string | undefined)[] = []
  for (const client of clients) {
    const answer = await browser.authorize(client, person, { scope: 'openid orders:read', resource: API })
    tokens.push((await redeem(issuer, client, answer)).body.refresh_token)
  }

  const traffic: Traffic = { stopped: false, answers: [], torn: 0 }
  const running = [
    ...clients.map((client, index) => keepRefreshing(pair, client, tokens[index], traffic)),
    ...[0, 1, 2, 3].map(() => keepAsking(pair, service, traffic)),
  ]
  await until(() => traffic.answers.length > 60)
  await servers[0].kill()
  const [, survivor] = instances
  const atDeath = traffic.answers.length
  await until(() => traffic.answers.length > atDeath + 60)
  const signedIn = await new Visitor(issuer, [survivor]).authorize(app, person)
  t.truthy(signedIn.code)
  traffic.stopped = true
  await Promise.all(running)

  t.true(traffic.torn > 0, 'the kill came in the middle of requests')
  t.deepEqual([...new Set(traffic.answers.map(({ status, body }) => `${status} ${body.error ?? ''}`))], ['200 '])
  t.is(
    (
      await db
        .knex('grants')
        .where({ user_id: person.id })
        .whereIn(
          'client_id',
          clients.map((one) => one.client_id),
        )
    ).length,
    CHAINS,
  )
  t.is((await db.knex('events').where({ type: 'refresh_token.reuse_detected' })).length, 0)
  t.deepEqual(internalErrors(pair), [])
})

/** A client that asks the other process with the same token when no answer comes. */
async function keepRefreshing(
  pair: Pair,
  client: TestClient,
  first: string | undefined,
  traffic: Traffic,
): Promise<void> {
  let current = first
  for (let turn = 0; !traffic.stopped; turn += 1) {
    const answer = await refresh(pair.issuer, client, current, {}, pair.instances[turn % 2]).catch(unanswered(traffic))
    if (!answer) continue
    traffic.answers.push(answer)
    if (answer.status !== 200) return
    current = answer.body.refresh_token
  }
}

async function keepAsking(pair: Pair, client: TestClient, traffic: Traffic): Promise<void> {
  for (let turn = 0; !traffic.stopped; turn += 1) {
    const asked = { grant_type: 'client_credentials', resource: API }
    const answer = await token(pair.issuer, client, asked, pair.instances[turn % 2]).catch(unanswered(traffic))
    if (answer) traffic.answers.push(answer)
  }
}

function unanswered(traffic: Traffic): (error: Error & { cause?: { code?: string } }) => undefined {
  return ({ cause }) => {
    if (cause?.code !== 'ECONNREFUSED') traffic.torn += 1
  }
}

/** One browser with several tabs, and a password that changes meanwhile: what a sign-in may and may not leave behind. */
import { deepEqual } from 'node:assert/strict'
import test from 'ava'
import { decodeJwt } from 'jose'
import { createPasswordHasher } from '../../src/registry/users/password.ts'
import { setPassword } from '../../src/registry/users/set-password.ts'
import { buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { StepVisitor } from '../support/step-visitor.ts'
import { redeem, refresh, Visitor, type Answer } from '../support/visitor.ts'
import { fileTeardown, inParallel, internalErrors, startPair, until, type Pair } from './pair.ts'

const file = fileTeardown()
const hasher = createPasswordHasher()
let pair: Pair

test.before(async () => {
  pair = await startPair(file)
  await buildResource(pair.db)
})
test.after.always('no request ended in an internal error', () => deepEqual(internalErrors(pair), []))
test.after.always(() => file.end())

test('twenty sign-ins, two tabs of one browser at a time, do not sign the person out', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const browser = new Visitor(issuer, instances)
  await browser.authorize(client, person)
  for (let round = 0; round < 10; round += 1) {
    const tabs = [await openSignIn(browser, client), await openSignIn(browser, client)]
    const ends = await Promise.all(tabs.map((tab) => browser.signIn(tab, person)))
    t.true(
      ends.every(({ url }) => url.includes('code=')),
      `round ${round}: ${ends.map(({ url }) => url).join(' ')}`,
    )
    // The id before the last change is good for a minute only. Whichever answer came last, it left the id that lasts.
    await forgetPreviousIds(person.id)
    t.is(await personIn(browser, client), person.id, `round ${round}`)
  }
  t.is((await sessionsOf(person.id)).length, 1)
})

test('requests that meet on the row of one session are all answered', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const browser = new Visitor(issuer, instances)
  await browser.authorize(client, person)
  const { url } = browser.request_uri(client, { prompt: 'none' })
  // Held up until all of them want the row, they get it at the same moment.
  const requests = await db.knex.transaction(async (trx) => {
    await trx('sessions').where({ user_id: person.id }).forUpdate().select('uid')
    const underWay = inParallel(pair, 6, () => browser.open(url))
    await until(async () => (await waitingForLocks()) >= 6)
    return { underWay }
  })
  const ends = await requests.underWay
  t.true(ends.every((end) => end.url.includes('code=')))
})

test('an answer that comes late, when the session id has changed twice, does not sign the browser out', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const browser = new StepVisitor(issuer, instances)
  await browser.authorize(client, person)
  const late = await browser.post(await openSignIn(browser, client), /\/login$/, { login: person.username, ...person })
  const asSent = [...browser.cookies]
  for (let change = 0; change < 2; change += 1) await browser.signIn(await openSignIn(browser, client), person)

  const anonymous = () => db.knex('sessions').whereNull('user_id')
  const before = (await anonymous()).length
  const tab = new Visitor(issuer, instances)
  for (const [name, cookie] of asSent) tab.cookies.set(name, cookie)
  const answer = await tab.request(late.url)
  t.is(answer.status, 400)
  t.false(answer.headers.getSetCookie().some((cookie) => cookie.startsWith('session=')))
  t.is((await anonymous()).length, before, 'nothing is stored for a cookie that means nothing')
  t.is(await personIn(browser, client), person.id)
})

test('two tabs that sign in at once in a fresh browser leave it signed in', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const browser = new Visitor(issuer, instances)
  const tabs = [await openSignIn(browser, client), await openSignIn(browser, client)]
  const ends = await Promise.all(tabs.map((tab) => browser.signIn(tab, person)))
  t.true(ends.every(({ url }) => url.includes('code=')))
  t.is(await personIn(browser, client), person.id)
})

test('an app that asks for different things in two tabs at once gets both: neither widening is lost', async (t) => {
  const { issuer, instances, db } = pair
  const person = await buildUser(db)
  const browser = new Visitor(issuer, instances)
  await browser.authorize(await buildClient(db, { firstParty: true }), person)
  for (let round = 0; round < 6; round += 1) {
    const client = await buildClient(db, { firstParty: true })
    await browser.open(browser.request_uri(client, { scope: 'openid' }).url)
    const scopes = ['openid profile', 'openid email']
    const requests = scopes.map((scope) => browser.request_uri(client, { scope }))
    const ends = await Promise.all(requests.map(({ url }) => browser.open(url)))
    const answers = await Promise.all(
      ends.map((end, tab) => redeem(issuer, client, answerOf(end.url, requests[tab]!), instances[tab])),
    )
    t.deepEqual(answers.map(({ body }) => body.scope), scopes, `round ${round}`) // prettier-ignore
  }
})

test('an app that is opened in two tabs at once for the first time gets one family, and both codes count', async (t) => {
  const { issuer, instances, db } = pair
  const person = await buildUser(db)
  const browser = new Visitor(issuer, instances)
  await browser.authorize(await buildClient(db, { firstParty: true }), person)
  for (const [round, firstParty] of [true, false, true, false].entries()) {
    const client = await buildClient(db, { firstParty })
    const requests = [1, 2].map(() => browser.request_uri(client))
    const pages = await Promise.all(requests.map(({ url }) => browser.open(url)))
    const ends = firstParty ? pages : await Promise.all(pages.map((page) => browser.allow(page)))
    const answers = await Promise.all(
      ends.map((end, tab) => redeem(issuer, client, answerOf(end.url, requests[tab]!), instances[tab])),
    )
    t.deepEqual(answers.map(({ status }) => status), [200, 200], `round ${round}`) // prettier-ignore
    t.is((await db.knex('grants').where({ client_id: client.client_id })).length, 1)
    const later = await Promise.all(answers.map(({ body }) => refresh(issuer, client, body.refresh_token)))
    t.deepEqual(later.map(({ status }) => status), [200, 200], `refreshed in round ${round}`) // prettier-ignore
    const sids = answers.map(({ body }) => decodeJwt(body.id_token ?? '').sid)
    t.is(new Set(sids).size, 1)
  }
})

test('a password that was right when it was typed opens nothing once it has been changed', async (t) => {
  const { issuer, instances, db } = pair
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const browser = new StepVisitor(issuer, instances)
  const page = await openSignIn(browser, client)
  const accepted = await browser.post(page, /\/login$/, { login: person.username, password: person.password })
  t.regex(accepted.url, /\/authorize\//)
  await setPassword(db.knex, { hasher }, { userId: person.id, password: 'eleven grey herons wait', actor: 'test' })

  const end = await browser.open(accepted.url)
  t.false(end.url.includes('code='), end.url)
  t.deepEqual(await sessionsOf(person.id), [])
  t.is(await personIn(browser, client), 'login_required')
})

test('a sign-in that races a password change leaves no session, no code and no token behind', async (t) => {
  const { issuer, instances, db } = pair
  const client = await buildClient(db, { kind: 'native', firstParty: true })
  const person = await buildUser(db)
  let { password } = person
  for (let round = 0; round < 12; round += 1) {
    const browser = new StepVisitor(issuer, instances)
    const { url, verifier, state } = browser.request_uri(client, { scope: 'openid offline_access' })
    const page = await browser.open(url)
    const accepted = await browser.post(page, /\/login$/, { login: person.username, password })
    const next = `seven purple otters dance ${round}`
    const changed = setPassword(db.knex, { hasher }, { userId: person.id, password: next, actor: 'test' })
    // The change takes as long as its hash; the resume comes before, within and after it.
    await new Promise((resolve) => setTimeout(resolve, round * 6))
    const [end] = await Promise.all([browser.open(accepted.url), changed])
    password = next

    t.deepEqual(await sessionsOf(person.id), [], `round ${round}`)
    t.is(await personIn(browser, client), 'login_required')
    const answer = answerOf(end.url, { verifier, state })
    if (answer.code) t.is((await redeem(issuer, client, answer)).body.error, 'invalid_grant', `round ${round}`)
    t.deepEqual(await db.knex('grants').where({ user_id: person.id }), [], `round ${round}`)
  }
  t.is((await refresh(issuer, client, 'x')).body.error, 'invalid_grant')
})

function answerOf(target: string, { verifier, state }: { verifier: string; state: string }): Answer {
  const url = new URL(target)
  const parameters = url.searchParams
  return { url, code: parameters.get('code') ?? undefined, error: undefined, verifier, state, parameters }
}

async function openSignIn(browser: Visitor, client: TestClient) {
  return browser.open(browser.request_uri(client, { prompt: 'login' }).url)
}

/** Who is signed in here, as the ID token says it, or the error of prompt=none. */
async function personIn(browser: Visitor, client: TestClient): Promise<string | undefined> {
  const { url, verifier, state } = browser.request_uri(client, { prompt: 'none' })
  const end = new URL((await browser.open(url)).url)
  const parameters = end.searchParams
  const [code, error] = ['code', 'error'].map((name) => parameters.get(name) ?? undefined)
  if (error) return error
  const { body } = await redeem(browser.issuer, client, { url: end, code, error, verifier, state, parameters })
  return body.id_token && decodeJwt(body.id_token).sub
}

async function sessionsOf(userId: string): Promise<unknown[]> {
  return pair.db.knex('sessions').where({ user_id: userId }).whereNull('ended_at').select('uid')
}

async function waitingForLocks(): Promise<number> {
  const { rows } = await pair.db.knex.raw<{ rows: { count: number }[] }>(
    `select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows[0]?.count ?? 0
}

async function forgetPreviousIds(userId: string): Promise<void> {
  const { knex } = pair.db
  await knex('sessions')
    .where({ user_id: userId })
    .update({ previous_until: knex.raw(`now() - interval '1 second'`) })
}

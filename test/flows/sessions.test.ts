/** What a browser session opens, for whom, for how long, and what is left of it when it, its person or an app has ended. */
import test, { type ExecutionContext } from 'ava'
import { decodeJwt } from 'jose'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { endSession } from '../../src/registry/sessions/end.ts'
import { disableUser, enableUser } from '../../src/registry/users/disable.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { StepVisitor } from '../support/step-visitor.ts'
import { redeem, refresh, Visitor } from '../support/visitor.ts'
import { ask, asksForConsent, asksForPassword, silently, tokensFor, userinfo, withCookiesOf } from './browsing.ts'

const stops: (() => unknown)[] = []
let server: TestServer
let issuer: string
let db: TestServer['db']

test.before(async () => {
  server = await startAuthServer({ teardown: (stop) => void stops.push(stop) })
  ;({ issuer, db } = server)
  await buildResource(db)
})
test.after.always('no request ended in an internal error', () => {
  const errors = server.logs.filter(({ level }) => level === 'error')
  if (errors.length > 0) throw new Error(JSON.stringify(errors, null, 1))
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

test('the session id changes at sign-in and at each resume, and stays otherwise', async (t) => {
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const browser = new Visitor(issuer)
  await browser.open('/logout')
  const ids = [sessionCookie(browser)]
  const consent = await browser.signIn(await browser.open(browser.request_uri(client).url), person)
  ids.push(sessionCookie(browser))
  await browser.allow(consent)
  ids.push(sessionCookie(browser))
  t.is(new Set(ids).size, 3)
  t.false(ids.includes(undefined))

  t.is(await silently(browser, client), 'code')
  t.is(sessionCookie(browser), ids[2])
  t.deepEqual(
    (await sessionsOf(person.id)).map(({ ended_at }) => ended_at),
    [null],
    'one session all along',
  )
})

test('an id that was planted before the sign-in does not open the session after it', async (t) => {
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const attacker = new Visitor(issuer)
  await attacker.open('/logout')
  const planted = sessionCookie(attacker)
  t.truthy(planted)
  const victim = withCookiesOf(new Visitor(issuer), attacker)
  t.truthy((await victim.authorize(client, person)).code)
  t.not(sessionCookie(victim), planted)
  t.is(await silently(victim, client), 'code')
  t.is(await silently(attacker, client), 'login_required')
  t.regex((await attacker.open('/account')).html, asksForPassword)
})

test('an id that somebody made up is not taken over', async (t) => {
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const browser = new Visitor(issuer)
  browser.cookies.set('session', { value: 'made-up', path: '/' })
  browser.cookies.set('session.sig', { value: 'made-up', path: '/' })
  await browser.authorize(client, person)
  t.not(sessionCookie(browser), 'made-up')
  t.is(await silently(browser, client), 'code')
})

test('a stolen id is worth nothing a minute after it changed', async (t) => {
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const browser = new Visitor(issuer)
  await browser.authorize(client, person)
  const thief = withCookiesOf(new Visitor(issuer), browser)
  await browser.signIn(await browser.open(browser.request_uri(client, { prompt: 'login' }).url), person)
  await db
    .knex('sessions')
    .where({ user_id: person.id })
    .update({ previous_until: ago(1) })
  t.is(await silently(thief, client), 'login_required')
  t.is(await silently(browser, client), 'code')
})

test('signing out of one browser, or a replay in it, leaves the other browser of the same person alone', async (t) => {
  const [spa, person] = [await buildClient(db, { kind: 'spa' }), await buildUser(db)]
  const [phone, laptop] = [new Visitor(issuer), new Visitor(issuer)]
  const onPhone = await tokensFor(phone, spa, person)
  const onLaptop = await tokensFor(laptop, spa, person)

  const used = await refresh(issuer, spa, onPhone.refresh_token)
  const grants = db.knex('grants').where({ user_id: person.id }).select('id')
  await db
    .knex('refresh_tokens')
    .whereNotNull('consumed_at')
    .whereIn('grant_id', grants)
    .update({ consumed_at: ago(60) })
  t.is((await refresh(issuer, spa, onPhone.refresh_token)).body.error, 'invalid_grant')
  t.is((await refresh(issuer, spa, used.body.refresh_token)).body.error, 'invalid_grant', 'this family is dead')
  const next = await refresh(issuer, spa, onLaptop.refresh_token)
  t.is(next.status, 200)
  t.is((await userinfo(issuer, onLaptop.access_token)).status, 200)

  const again = await tokensFor(phone, spa, person)
  await phone.submit(await phone.open('/logout'), /\/logout\/confirm$/, { logout: 'yes' })
  t.is(await silently(phone, spa), 'login_required')
  t.is((await refresh(issuer, spa, again.refresh_token)).body.error, 'invalid_grant')
  t.is(await silently(laptop, spa), 'code')
  t.is((await refresh(issuer, spa, next.body.refresh_token)).status, 200)
})

test('ending a session from the account page ends what its single-page app holds, and not what a native app holds', async (t) => {
  const person = await buildUser(db)
  const [spa, native] = [await buildClient(db, { kind: 'spa' }), await buildClient(db, { kind: 'native' })]
  const browser = new Visitor(issuer)
  const inPage = await tokensFor(browser, spa, person)
  const onDevice = await tokensFor(browser, native, person)
  const [{ uid } = { uid: '' }] = await sessionsOf(person.id)

  const elsewhere = new Visitor(issuer)
  const account = await elsewhere.signIn(await elsewhere.open('/account'), person)
  const after = await elsewhere.submit(account, '/account/sessions/end', { uid })
  t.is(new URL(after.url).searchParams.get('notice'), 'session-ended')

  t.is(await silently(browser, spa), 'login_required')
  t.is((await refresh(issuer, spa, inPage.refresh_token)).body.error, 'invalid_grant')
  t.is((await userinfo(issuer, inPage.access_token)).status, 401)
  t.is((await userinfo(issuer, onDevice.access_token)).status, 200)
  t.is((await refresh(issuer, native, onDevice.refresh_token)).status, 200)
})

test('a person can not end the session of another', async (t) => {
  const [client, victim, other] = [
    await buildClient(db, { firstParty: true }),
    await buildUser(db),
    await buildUser(db),
  ]
  const browser = new Visitor(issuer)
  await browser.authorize(client, victim)
  const [{ uid } = { uid: '' }] = await sessionsOf(victim.id)
  const elsewhere = new Visitor(issuer)
  const account = await elsewhere.signIn(await elsewhere.open('/account'), other)
  await elsewhere.submit(account, '/account/sessions/end', { uid })
  t.is(await silently(browser, client), 'code')
})

/** A person in the middle of everything: signed in, with tokens, a fresh code, and three forms open. */
async function inFullSwing(t: ExecutionContext, client: TestClient, { consentNeeded = true } = {}) {
  const person = await buildUser(db)
  const browser = new StepVisitor(issuer)
  const tokens = await tokensFor(browser, client, person, { scope: 'openid profile' })
  const code = await ask(browser, client, { scope: 'openid profile' })
  t.truthy(code.code)
  const consent = await browser.open(browser.request_uri(client, { scope: 'openid email' }).url)
  if (consentNeeded) t.regex(consent.html, asksForConsent)
  const other = new StepVisitor(issuer)
  const signIn = await other.open(other.request_uri(client).url)
  const third = new StepVisitor(issuer)
  const form = await third.open(third.request_uri(client).url)
  const accepted = await third.post(form, /\/login$/, { login: person.username, password: person.password })
  return { person, browser, tokens, code, consent, other, signIn, third, accepted }
}

test('a disabled user: every endpoint refuses in its own words, and opening the account again revives nothing', async (t) => {
  const client = await buildClient(db)
  const { person, browser, tokens, code, consent, other, signIn, third, accepted } = await inFullSwing(t, client)
  await disableUser(db.knex, { userId: person.id, actor: 'test' })

  async function everythingIsDead(): Promise<void> {
    const { access_token, refresh_token, id_token = '' } = tokens
    t.is(await silently(browser, client), 'login_required')
    t.regex((await ask(browser, client)).html, asksForPassword)
    t.regex((await browser.open('/account')).html, asksForPassword)
    t.like(await refresh(issuer, client, refresh_token), { status: 400, body: { error: 'invalid_grant' } })
    t.like(await redeem(issuer, client, code), { status: 400, body: { error: 'invalid_grant' } })
    t.like(await invalidTokenAt(access_token), { status: 401, error: 'invalid_token' })
    t.deepEqual(await introspect(client, refresh_token), { active: false })
    t.deepEqual(await introspect(client, access_token), { active: false })
    t.is((await browser.open(`/logout?id_token_hint=${id_token}`)).status, 200)
  }
  await everythingIsDead()
  const consented = await browser.allow(consent)
  t.is(consented.status, 400)
  t.false(consented.url.includes('code='))
  t.is((await other.signIn(signIn, person)).status, 401)
  const resumed = await third.open(accepted.url)
  t.false(resumed.url.includes('code='), resumed.url)
  t.true(resumed.status < 500)

  await enableUser(db.knex, { userId: person.id, actor: 'test' })
  await everythingIsDead()
  t.false((await browser.allow(consent)).url.includes('code='))
  t.is((await tokensFor(new Visitor(issuer), client, person)).error, undefined, 'a new sign-in opens everything anew')
})

test('a deleted client: every endpoint refuses in its own words', async (t) => {
  const client = await buildClient(db)
  const stays = await buildClient(db, { firstParty: true })
  const { person, browser, tokens, code, consent, other, signIn, third, accepted } = await inFullSwing(t, client)
  await deleteClient(db.knex, client.client_id, { actor: 'test' })
  await refusesTheClient(t, client, { browser, tokens, code })
  for (const page of [
    await browser.allow(consent),
    await other.signIn(signIn, person),
    await third.open(accepted.url),
  ]) {
    t.is(page.status, 400)
    t.true(page.url.startsWith(issuer))
  }
  t.is(await silently(browser, stays), 'code', 'the person is as signed in as before')
  const bye = await browser.submit(await browser.open('/logout'), /\/logout\/confirm$/, { logout: 'yes' })
  t.is(new URL(bye.url).pathname, '/logout/success')
})

test('a disabled client: every endpoint refuses, and enabling it revives nothing', async (t) => {
  const client = await buildClient(db)
  const { person, browser, tokens, code } = await inFullSwing(t, client)
  await disableClient(db.knex, client.client_id, { actor: 'test' })
  await refusesTheClient(t, client, { browser, tokens, code })
  await enableClient(db.knex, client.client_id, { actor: 'test' })
  t.like(await refresh(issuer, client, tokens.refresh_token), { status: 400, body: { error: 'invalid_grant' } })
  t.like(await redeem(issuer, client, code), { status: 400, body: { error: 'invalid_grant' } })
  t.like(await invalidTokenAt(tokens.access_token), { status: 401, error: 'invalid_token' })
  t.truthy((await browser.authorize(client, person)).code)
})

async function refusesTheClient(
  t: ExecutionContext,
  client: TestClient,
  { browser, tokens, code }: Pick<Awaited<ReturnType<typeof inFullSwing>>, 'browser' | 'tokens' | 'code'>,
): Promise<void> {
  t.like(await refresh(issuer, client, tokens.refresh_token), { status: 401, body: { error: 'invalid_client' } })
  t.like(await redeem(issuer, client, code), { status: 401, body: { error: 'invalid_client' } })
  t.like(await invalidTokenAt(tokens.access_token), { status: 401, error: 'invalid_token' })
  t.like(await introspect(client, tokens.refresh_token), { error: 'invalid_client' })
  const asked = await ask(browser, client, { prompt: 'none' })
  t.is(asked.status, 400)
  t.is(asked.url.origin, issuer, 'never sent on to an address that nobody vouches for any more')
  const query = new URLSearchParams({
    id_token_hint: tokens.id_token ?? '',
    post_logout_redirect_uri: client.redirect_uri,
  })
  t.is((await browser.open(`/logout?${query}`)).status, 400)
}

test('a grant that vanished: its tokens are refused, and the same session gets a new one', async (t) => {
  const client = await buildClient(db)
  const { person, browser, tokens, code } = await inFullSwing(t, client)
  t.is(await db.knex('grants').where({ user_id: person.id }).delete(), 1)
  t.like(await refresh(issuer, client, tokens.refresh_token), { status: 400, body: { error: 'invalid_grant' } })
  t.like(await redeem(issuer, client, code), { status: 400, body: { error: 'invalid_grant' } })
  t.like(await invalidTokenAt(tokens.access_token), { status: 401, error: 'invalid_token' })
  const anew = await redeem(issuer, client, await ask(browser, client, { scope: 'openid profile' }))
  t.is(anew.status, 200)
  await db.knex('grants').where({ user_id: person.id }).delete()
  const bye = await browser.submit(await browser.open('/logout'), /\/logout\/confirm$/, { logout: 'yes' })
  t.is(new URL(bye.url).pathname, '/logout/success')
})

test('a yes that comes after the session has ended is not kept', async (t) => {
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const browser = new Visitor(issuer)
  const consent = await browser.signIn(await browser.open(browser.request_uri(client).url), person)
  t.regex(consent.html, asksForConsent)
  const [{ uid } = { uid: '' }] = await sessionsOf(person.id)
  t.true(await endSession(db.knex, { userId: person.id, uid, actor: person.id }))
  const end = await browser.allow(consent)
  t.is(end.status, 400)
  t.deepEqual(await db.knex('consents').where({ user_id: person.id }), [])
})

test('a session that is not used ends, and each use puts that off', async (t) => {
  const [spa, person] = [await buildClient(db, { kind: 'spa', firstParty: true }), await buildUser(db)]
  const browser = new Visitor(issuer)
  const { refresh_token } = await tokensFor(browser, spa, person)
  await db
    .knex('sessions')
    .where({ user_id: person.id })
    .update({ expires_at: ago(-100) })
  t.is(await silently(browser, spa), 'code')
  t.true((await secondsLeft(person.id)) > 86_400 - 10)
  await db
    .knex('sessions')
    .where({ user_id: person.id })
    .update({ expires_at: ago(0) })
  t.is(await silently(browser, spa), 'login_required')
  t.regex((await browser.open('/account')).html, asksForPassword)
  t.is((await refresh(issuer, spa, refresh_token)).body.error, 'invalid_grant', 'what was bound to it ends with it')
})

test('a session ends at its absolute limit, however much it is used', async (t) => {
  const [spa, person] = [await buildClient(db, { kind: 'spa', firstParty: true }), await buildUser(db)]
  const browser = new Visitor(issuer)
  await browser.authorize(spa, person)
  await signedInBefore(person.id, 1_209_600 - 100)
  t.is(await silently(browser, spa), 'code')
  t.true((await secondsLeft(person.id)) <= 100)
  await signedInBefore(person.id, 200)
  t.is(await silently(browser, spa), 'code', 'this request still found it')
  t.true((await secondsLeft(person.id)) <= 1)
})

test('prompt=none answers without a page: a code, login_required, or consent_required', async (t) => {
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const browser = new Visitor(issuer)
  const before = await ask(browser, client, { prompt: 'none' })
  t.like(before, { error: 'login_required', code: undefined })
  await browser.authorize(client, person)
  const after = await ask(browser, client, { prompt: 'none' })
  t.truthy(after.code)
  const more = await ask(browser, client, { prompt: 'none', scope: 'openid email' })
  t.like(more, { error: 'consent_required', code: undefined })
  for (const { parameters, state } of [before, after, more]) {
    t.is(parameters.get('state'), state)
    t.is(parameters.get('iss'), issuer)
  }
  t.is((await ask(browser, client, { prompt: 'none login' })).error, 'invalid_request')
})

test('prompt=login asks for the password again, in the same session; prompt=consent asks for consent again', async (t) => {
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const browser = new Visitor(issuer)
  await browser.authorize(client, person)
  await signedInBefore(person.id, 1000)
  const page = await browser.open(browser.request_uri(client, { prompt: 'login' }).url)
  t.regex(page.html, asksForPassword)
  t.true((await browser.signIn(page, person)).url.includes('code='))
  t.is((await sessionsOf(person.id)).length, 1)
  t.true((await authTimeOf(browser, client)) > now() - 60)
  t.regex((await ask(browser, client, { prompt: 'consent' })).html, asksForConsent)
})

test('max_age asks for the password when the sign-in is older, and auth_time says when it was', async (t) => {
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const browser = new Visitor(issuer)
  await browser.authorize(client, person)
  await signedInBefore(person.id, 100)
  const fresh = await ask(browser, client, { parameters: { max_age: '1000' } })
  const { auth_time } = decodeJwt((await redeem(issuer, client, fresh)).body.id_token ?? '')
  t.true(Math.abs(Number(auth_time) - (now() - 100)) < 10)
  t.is(await silently(browser, client, { parameters: { max_age: '50' } }), 'login_required')
  const stale = browser.request_uri(client, { parameters: { max_age: '50' } })
  const page = await browser.open(stale.url)
  t.regex(page.html, asksForPassword)
  t.true((await browser.signIn(page, person)).url.includes('code='))
  t.true((await authTimeOf(browser, client)) > now() - 60)
  for (const max_age of ['soon', '-1']) {
    t.is((await ask(browser, client, { parameters: { max_age } })).error, 'invalid_request')
  }
})

test('auth_time is when the person signed in, not when they consented', async (t) => {
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const browser = new Visitor(issuer)
  const consent = await browser.signIn(await browser.open(browser.request_uri(client).url), person)
  const [session] = await db.knex('sessions').where({ user_id: person.id }).select<{ signed_in_at: Date }[]>()
  const signedInAt = session!.signed_in_at.getTime() / 1000
  await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000) + 5))
  await browser.allow(consent)
  t.is(await authTimeOf(browser, client), signedInAt)
})

test('another person who signs in to the same browser takes it over, and the first is signed out of it', async (t) => {
  const client = await buildClient(db, { kind: 'spa', firstParty: true })
  const [first, second] = [await buildUser(db), await buildUser(db)]
  const browser = new Visitor(issuer)
  const { refresh_token } = await tokensFor(browser, client, first)
  const page = await browser.open(browser.request_uri(client, { prompt: 'login' }).url)
  const handOver = await browser.signIn(page, second)
  // The library ends the first session by a form that scripts send, and people without script by its button.
  const end = await browser.submit(handOver, /\/logout\/confirm$/)
  t.true(end.url.includes('code='), end.url)
  const { body } = await redeem(issuer, client, await ask(browser, client, { prompt: 'none' }))
  t.is(decodeJwt(body.id_token ?? '').sub, second.id)
  t.is((await refresh(issuer, client, refresh_token)).body.error, 'invalid_grant')
  t.deepEqual(
    (await sessionsOf(first.id)).filter(({ ended_at }) => ended_at === null),
    [],
  )
})

test('id_token_hint: another person than the one signed in is not taken for them', async (t) => {
  const client = await buildClient(db, { firstParty: true })
  const [first, second] = [await buildUser(db), await buildUser(db)]
  const [browser, elsewhere] = [new Visitor(issuer), new Visitor(issuer)]
  const mine = await tokensFor(browser, client, first)
  const theirs = await tokensFor(elsewhere, client, second)
  const hint = (id_token_hint = '') => ({ parameters: { id_token_hint } })
  t.is(await silently(browser, client, hint(mine.id_token)), 'code')
  t.is(await silently(browser, client, hint(theirs.id_token)), 'login_required')
  t.is(await silently(browser, client, hint('junk')), 'invalid_request')
})

test('login_hint fills in the name, and nothing else', async (t) => {
  const client = await buildClient(db)
  const hinted = (login_hint: string) => ask(new Visitor(issuer), client, { parameters: { login_hint } })
  t.regex((await hinted('robin@example.com')).html, /name="login"[^>]*value="robin@example\.com"/)
  const hostile = await hinted('"><script>alert(1)</script>')
  t.regex(hostile.html, asksForPassword)
  t.notRegex(hostile.html, /<script>alert/)
})

test('ui_locales chooses the language of every page of a request, before Accept-Language', async (t) => {
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const browser = new Visitor(issuer)
  const { url } = browser.request_uri(client, { parameters: { ui_locales: 'xx de' } })
  const headers = { 'accept-language': 'en' }
  const page = await browser.open((await browser.open(url)).url, { headers })
  t.regex(page.html, /<html[^>]* lang="de"/)
  t.is(page.headers.get('content-language'), 'de')
  const consent = await browser.signIn(page, person)
  t.regex(consent.html, /<html[^>]* lang="de"/)
  const logout = await browser.open('/logout?ui_locales=de')
  t.regex(logout.html, /<html[^>]* lang="de"/)

  const other = new Visitor(issuer)
  const { url: form } = await other.open(other.request_uri(client).url)
  t.regex((await other.open(form, { headers: { 'accept-language': 'de' } })).html, /<html[^>]* lang="de"/)
  t.regex((await other.open(form, { headers })).html, /<html[^>]* lang="en"/)
})

function sessionCookie(browser: Visitor): string | undefined {
  return browser.cookies.get('session')?.value
}

async function sessionsOf(userId: string): Promise<{ uid: string; ended_at: Date | null }[]> {
  return db.knex('sessions').where({ user_id: userId }).orderBy('created_at').select('uid', 'ended_at')
}

/** As if the person had signed in so many seconds before they did. */
async function signedInBefore(userId: string, seconds: number): Promise<void> {
  await db.knex.raw(
    `update sessions set payload = jsonb_set(payload::jsonb, '{loginTs}', to_jsonb((payload->>'loginTs')::int - ?::int))::json
     where user_id = ?`,
    [seconds, userId],
  )
}

async function secondsLeft(userId: string): Promise<number> {
  const { left } = await db
    .knex('sessions')
    .where({ user_id: userId })
    .first<{ left: number }>(db.knex.raw('round(extract(epoch from expires_at - now()))::int as left'))
  return left
}

/** A client that names max_age is told when the person signed in (OpenID Connect Core §2). */
async function authTimeOf(browser: Visitor, client: TestClient): Promise<number> {
  const { body } = await redeem(issuer, client, await ask(browser, client, { parameters: { max_age: '9999' } }))
  return Number(decodeJwt(body.id_token ?? '').auth_time)
}

async function invalidTokenAt(accessToken: string | undefined): Promise<{ status: number; error: string | undefined }> {
  const response = await userinfo(issuer, accessToken)
  const challenge = response.headers.get('www-authenticate') ?? ''
  return { status: response.status, error: /error="([^"]+)"/.exec(challenge)?.[1] }
}

async function introspect(client: TestClient, token = ''): Promise<unknown> {
  const response = await fetch(`${issuer}/introspect`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}` },
    body: new URLSearchParams({ token }),
  })
  return response.json()
}

function ago(seconds: number) {
  return db.knex.raw('now() - make_interval(secs => ?::float8)', [seconds])
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}

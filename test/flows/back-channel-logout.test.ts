/** OpenID Connect Back-Channel Logout 1.0: apps are told of sessions that have ended, whoever ended them, by any of two instances. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose'
import { attempt } from '../../src/events/logout/attempt.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { createStrangers } from '../../src/outbound/stranger.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { deleteUser } from '../../src/registry/users/delete.ts'
import { disableUser } from '../../src/registry/users/disable.ts'
import { createPasswordHasher } from '../../src/registry/users/password.ts'
import { setPassword } from '../../src/registry/users/set-password.ts'
import { signOutUser } from '../../src/registry/users/sign-out.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { buildClient, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { refresh, Visitor } from '../support/visitor.ts'
import { asksForPassword, silently, tokensFor } from './browsing.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const CONFIRM = /\/logout\/confirm$/
const actor = 'test'

const stops: (() => unknown)[] = []
const teardown = { teardown: (stop: () => unknown) => void stops.push(stop) }
let servers: TestServer[]
let issuer: string
let db: TestServer['db']
let receiver: Awaited<ReturnType<typeof startReceiver>>
/** Two apps with sessions of their own, and one that does not want to be told. */
let notes: TestClient
let shop: TestClient
let silent: TestClient
let operator: string

test.before(async () => {
  const MASTER_KEY = newMasterKey()
  const first = await startAuthServer(teardown, { MASTER_KEY })
  ;({ issuer, db } = first)
  const second = { MASTER_KEY, DATABASE_URL: first.databaseUrl, ISSUER: issuer }
  servers = [first, await startAuthServer(teardown, second)]
  receiver = await startReceiver()
  notes = await buildApp('notes')
  shop = await buildApp('shop', { backchannelLogoutSessionRequired: true })
  silent = await buildClient(db, { firstParty: true, access: [] })
  operator = (await createApiKey(db.knex, { name: 'Test', scopes: ['users:read', 'users:write'], actor })).value
})
test.after.always('no request ended in an internal error', () => {
  const errors = servers.flatMap(({ logs }) => logs).filter(({ level }) => level === 'error')
  if (errors.length > 0) throw new Error(JSON.stringify(errors, null, 1))
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

/** What came to each app, in order, and what it says to it: 200 unless told otherwise. */
async function startReceiver() {
  const came: { app: string; type: string | undefined; token: string; at: number }[] = []
  const answers = new Map<string, (response: ServerResponse) => unknown>()
  const http = createServer((request, response) => {
    void text(request).then((body) => {
      const app = request.url?.slice(1) ?? ''
      const token = new URLSearchParams(body).get('logout_token') ?? ''
      came.push({ app, type: request.headers['content-type'], token, at: Date.now() })
      const answer = answers.get(app)
      if (answer) answer(response)
      else response.end()
    })
  })
  await new Promise<void>((listening) => http.listen(0, '127.0.0.1', listening))
  stops.push(() => http.close() && http.closeAllConnections())
  return {
    url: (app: string) => `http://127.0.0.1:${(http.address() as AddressInfo).port}/${app}`,
    answers,
    of: (app: string, sub?: string) =>
      came.filter((one) => one.app === app && (sub === undefined || decodeJwt(one.token).sub === sub)),
  }
}

function buildApp(app: string, overrides: Parameters<typeof buildClient>[1] = {}): Promise<TestClient> {
  const backchannelLogoutUri = receiver.url(app)
  return buildClient(db, { firstParty: true, access: [], allowPrivate: true, backchannelLogoutUri, ...overrides })
}

/** Nothing waits to be sent any more. */
async function allTold(): Promise<void> {
  for (;;) {
    const waiting = await db.knex('logout_notices').where({ state: 'pending' }).first('id')
    if (!waiting) return
    await delay(20)
  }
}

/** A person at one browser, in all three apps. */
async function signedIn(person = buildUser(db)) {
  const { id, username, password } = await person
  const browser = new Visitor(issuer)
  const tokens = await tokensFor(browser, notes, { username, password })
  const others = [await tokensFor(browser, shop, { username, password })]
  await tokensFor(browser, silent, { username, password })
  const sid = String(decodeJwt(tokens.id_token ?? '').sid)
  const { session_uid: uid } = await db.knex('grants').where({ user_id: id }).orderBy('created_at', 'desc').first()
  return { id, username, password, browser, tokens, others, sid, uid: String(uid) }
}

type SignedIn = Awaited<ReturnType<typeof signedIn>>

async function signOut(browser: Visitor, fields: Record<string, string> = { logout: 'yes' }, query = '') {
  return browser.submit(await browser.open(`/logout${query}`), CONFIRM, fields)
}

async function asOperator(method: string, path: string): Promise<number> {
  const response = await fetch(`${issuer}/api/v1${path}`, { method, headers: { authorization: `Bearer ${operator}` } })
  return response.status
}

async function atAccount(
  { browser, username, password }: SignedIn,
  action: string,
  fields: Record<string, string> = {},
): Promise<void> {
  const page = await browser.open('/account')
  const shown = asksForPassword.test(page.html) ? await browser.signIn(page, { username, password }) : page
  await browser.submit(shown, action, fields)
}

test('a logout token is what the standard says, signed by a published key, and names the session of the ID token', async (t) => {
  const person = await signedIn()
  await signOut(person.browser)
  await allTold()
  const jwks = (await (await fetch(`${issuer}/jwks`)).json()) as JSONWebKeySet
  const [told] = receiver.of('notes', person.id)
  t.is(told?.type, 'application/x-www-form-urlencoded')
  const { payload, protectedHeader } = await jwtVerify(told?.token ?? '', createLocalJWKSet(jwks), {
    issuer,
    audience: notes.client_id,
    typ: 'logout+jwt',
    algorithms: [String(decodeProtectedHeader(person.tokens.id_token ?? '').alg)],
    requiredClaims: ['iat', 'exp', 'jti', 'sub', 'sid'],
  })
  const { iat = 0, exp = 0, jti, ...rest } = payload
  t.deepEqual(rest, { iss: issuer, aud: notes.client_id, sub: person.id, sid: person.sid, events: { [EVENT]: {} } })
  t.true(exp - iat <= 120 && Math.abs(iat - Date.now() / 1000) < 30)
  t.regex(String(jti), /^[\da-f-]{36}$/)
  t.is(typeof protectedHeader.kid, 'string')
  t.false('nonce' in payload, 'with a nonce it could be taken for an ID token (§2.4)')

  const toShop = decodeJwt(receiver.of('shop', person.id)[0]?.token ?? '')
  t.is(toShop.sid, decodeJwt(person.others[0]?.id_token ?? '').sid)
  t.not(toShop.sid, person.sid, 'two apps can not compare')
  const discovery = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as object
  t.like(discovery, { backchannel_logout_supported: true, backchannel_logout_session_supported: true })
})

test('an ID token that comes with a refresh names the same session', async (t) => {
  const { tokens, sid } = await signedIn()
  const { body } = await refresh(issuer, notes, tokens.refresh_token)
  t.is(decodeJwt(body.id_token ?? '').sid, sid)
})

/** Those that end one session, and leave another browser of the same person alone. */
const ONE_SESSION: Record<string, (person: SignedIn, elsewhere: SignedIn) => Promise<unknown>> = {
  'the sign-out page': ({ browser }) => signOut(browser),
  'the account page': (_person, elsewhere) => atAccount(elsewhere, '/account/sessions/end-others'),
  'an operator, for one session': ({ id, uid }) => asOperator('DELETE', `/users/${id}/sessions/${uid}`),
  'somebody else who signs in here': async ({ browser }) => {
    const second = await buildUser(db)
    const page = await browser.open(browser.request_uri(notes, { prompt: 'login' }).url)
    const handOver = await browser.signIn(page, second)
    await browser.submit(handOver, CONFIRM, { logout: 'yes' })
  },
}

for (const [who, ends] of Object.entries(ONE_SESSION)) {
  test(`${who} ends a session: each app there is told once, and nothing of another browser`, async (t) => {
    const user = buildUser(db)
    const [person, elsewhere] = [await signedIn(user), await signedIn(user)]
    await ends(person, elsewhere)
    await allTold()
    toldOnce(t, person)
    t.is(await silently(elsewhere.browser, notes), 'code')
  })
}

/** Those that end all that a person has open. */
const EVERYTHING: Record<string, (person: SignedIn) => Promise<unknown>> = {
  'signing out everywhere': ({ id: userId }) => signOutUser(db.knex, { userId, actor }),
  'disabling a person': ({ id: userId }) => disableUser(db.knex, { userId, actor }),
  'deleting a person': ({ id: userId }) => deleteUser(db.knex, { userId, actor }),
  'a new password': ({ id: userId, uid: keepSessionUid }) =>
    setPassword(
      db.knex,
      { hasher: createPasswordHasher() },
      { userId, password: 'nine green herons wade', keepSessionUid, actor },
    ),
  'an operator who ends all sessions': ({ id }) => asOperator('DELETE', `/users/${id}/sessions`),
}

for (const [what, ends] of Object.entries(EVERYTHING)) {
  test(`${what}: each app of the person is told once`, async (t) => {
    const person = await signedIn()
    await ends(person)
    await allTold()
    toldOnce(t, person)
    const rows = await db.knex('logout_notices').where({ session_uid: person.uid })
    t.deepEqual(rows.map(({ user_id: sub, state }) => [sub, state]), [[null, 'delivered'], [null, 'delivered']], 'who it was is forgotten') // prettier-ignore
  })
}

function toldOnce(t: ExecutionContext, { id, sid, others }: SignedIn): void {
  const sids = (app: string) => receiver.of(app, id).map(({ token }) => decodeJwt(token).sid)
  t.deepEqual(sids('notes'), [sid])
  t.deepEqual(sids('shop'), [decodeJwt(others[0]?.id_token ?? '').sid])
}

test('an app that is taken back its consent is told, the others are not; and again when it was allowed anew', async (t) => {
  const app = await buildApp('consented', { firstParty: false })
  const person = await signedIn()
  const credentials = { username: person.username, password: person.password }
  await tokensFor(person.browser, app, credentials)
  await atAccount(person, '/account/apps/revoke', { client_id: app.client_id })
  await allTold()
  t.is(receiver.of('consented', person.id).length, 1)
  t.is(receiver.of('notes', person.id).length, 0)
  await tokensFor(person.browser, app, credentials)
  await signOut(person.browser)
  await allTold()
  t.is(receiver.of('consented', person.id).length, 2)
  toldOnce(t, person)
})

test('signing out of one app tells that app alone', async (t) => {
  const person = await signedIn()
  await signOut(person.browser, {}, `?id_token_hint=${person.tokens.id_token}`)
  await allTold()
  t.deepEqual([receiver.of('notes', person.id).length, receiver.of('shop', person.id).length], [1, 0])
  await signOut(person.browser)
  await allTold()
  toldOnce(t, person)
})

test('an app that gives its refresh token back is told when the session ends, not before', async (t) => {
  const person = await signedIn()
  const { client_id, client_secret } = notes
  await fetch(`${issuer}/revoke`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
    body: new URLSearchParams({ token: person.tokens.refresh_token ?? '' }),
  })
  t.is((await db.knex('grants').where({ user_id: person.id, client_id })).length, 0)
  await allTold()
  t.is(receiver.of('notes', person.id).length, 0)
  await signOut(person.browser)
  await allTold()
  toldOnce(t, person)
})

test('an app that shuts is not told of the people it loses', async (t) => {
  const app = await buildApp('shut')
  const person = await buildUser(db)
  await tokensFor(new Visitor(issuer), app, person)
  await asIfShut(app)
  await signOutUser(db.knex, { userId: person.id, actor })
  t.is((await db.knex('logout_notices').where({ client_id: app.client_id })).length, 0)
})

async function asIfShut({ client_id: id }: TestClient): Promise<void> {
  await db.knex('clients').where({ id }).update({ disabled_at: db.knex.fn.now() })
}

test('a receiver that is down is told when it is back; one that refuses is not asked again', async (t) => {
  const [down, refusing] = [await buildApp('down'), await buildApp('refusing')]
  const person = await buildUser(db)
  const browser = new Visitor(issuer)
  for (const app of [down, refusing]) await tokensFor(browser, app, person)
  receiver.answers.set('down', (response) => response.writeHead(503).end())
  receiver.answers.set('refusing', (response) => response.writeHead(400).end())
  await signOut(browser)
  const rowOf = ({ client_id }: TestClient) => db.knex('logout_notices').where({ client_id })
  while (!(await rowOf(down).whereNull('leased_until').where({ attempts: 1 }).first())) await delay(20)
  const [waiting] = await rowOf(down)
  t.like(waiting, { state: 'pending', status: 503, user_id: person.id })
  t.true(waiting.next_attempt_at - Date.now() > 2000, 'not at once')

  receiver.answers.delete('down')
  await rowOf(down).update({ next_attempt_at: db.knex.fn.now() })
  await allTold()
  t.like((await rowOf(down))[0], { state: 'delivered', status: 200, attempts: 2, user_id: null })
  t.like((await rowOf(refusing))[0], { state: 'failed', status: 400, attempts: 1, user_id: null })
  const [first, second] = receiver.of('down').map(({ token }) => decodeJwt(token))
  t.not(first?.jti, second?.jti, 'each attempt has a token of its own, which lives from then')
  const told = servers
    .flatMap(({ logs }) => logs)
    .filter(({ client_id: id, attempt: number }) => id === refusing.client_id && number !== undefined)
  t.deepEqual(told.map(({ level, status }) => [level, status]), [['warn', 400]]) // prettier-ignore
})

test('of two instances that are both at it, one sends each notice', async (t) => {
  const { client_id } = await buildApp('many')
  const notices = Array.from({ length: 60 }, (_, index) => ({ session_uid: `s${index}`, client_id, user_id: 'usr_x' }))
  receiver.answers.set('many', (response) => setTimeout(() => response.end(), 5))
  await db.knex('logout_notices').insert(notices)
  await allTold()
  const sids = receiver.of('many').map(({ token }) => decodeJwt(token).sid)
  t.deepEqual([sids.length, new Set(sids).size], [60, 60])
})

test('what a killed instance had taken up is sent by another when its lease has passed', async (t) => {
  const app = await buildApp('leased')
  const [row] = await db
    .knex('logout_notices')
    .insert({
      session_uid: 'gone',
      client_id: app.client_id,
      user_id: 'usr_whoever',
      attempts: 1,
      leased_until: db.knex.raw("clock_timestamp() + interval '1 second'"),
    })
    .returning<{ leased_until: Date }[]>('leased_until')
  await allTold()
  const came = receiver.of('leased')
  t.is(came.length, 1)
  t.true(Number(came[0]?.at) >= Number(row?.leased_until) - 50)
})

test('an address inside is refused where it is registered, and where it is sent to, unless that is allowed', async (t) => {
  const given = { kind: 'web', name: 'Inside', redirectUris: [REDIRECT], actor } satisfies Parameters<
    typeof createClient
  >[1]
  for (const uri of ['http://127.0.0.1/x', 'https://127.0.0.1/x', 'https://localhost/x', 'https://10.0.0.8/x']) {
    const refusal = { message: /^backchannel_logout_uri must / }
    await t.throwsAsync(createClient(db.knex, { ...given, backchannelLogoutUri: uri }), refusal)
    const change = { backchannelLogoutUri: uri }
    await t.throwsAsync(updateClient(db.knex, silent.client_id, change, { actor }), refusal)
  }
  const strangers = createStrangers({ allowPrivate: false })
  const notice = { id: '1', sessionUid: 's', clientId: 'c', userId: 'u', url: receiver.url('inside'), attempt: 1 }
  const options = { strangers, mint: async () => 'x', timeoutMs: 1000, signal: new AbortController().signal }
  t.like(await attempt(notice, options), { state: 'pending', problem: 'the URL must begin with https://' })
  t.is(receiver.of('inside').length, 0)
  await strangers.close()
})

test('only an app with a server and with ID tokens can be told', async (t) => {
  const backchannelLogoutUri = 'https://app.example.com/logged-out'
  const refused = (overrides: Parameters<typeof buildClient>[1]) =>
    t.throwsAsync(buildClient(db, { access: [], backchannelLogoutUri, ...overrides }), { name: 'RegistryError' })
  await refused({ kind: 'native', redirectUris: ['com.example.app:/callback'] })
  await refused({ kind: 'service' })
  await refused({ openidScopes: [] })
  await refused({ backchannelLogoutUri: 'https://app.example.com/#x' })
  await refused({ backchannelLogoutUri: null, backchannelLogoutSessionRequired: true })
})

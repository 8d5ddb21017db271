/** Devices that have no browser of their own (RFC 8628), with the person who approves them in theirs. */
import test from 'ava'
import { disableClient } from '../../src/registry/clients/disable.ts'
import { disableUser } from '../../src/registry/users/disable.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import {
  approve,
  askForCode,
  buildDeviceClient,
  poll,
  prolongBlocks,
  reachQuestion,
  typeCode,
} from '../support/device.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { refresh, textOf, token, Visitor, type Credentials } from '../support/visitor.ts'

const stops: (() => unknown)[] = []
let server: TestServer
let issuer: string
let client: TestClient

test.before(async () => {
  const file: Teardown = { teardown: (stop) => void stops.push(stop) }
  server = await startAuthServer(file)
  issuer = server.issuer
  await buildResource(server.db)
  client = await buildDeviceClient(server.db)
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

/** Each test has a person of its own: they all sign in at the same moment, and that is slowed down by account. */
const somebody = (): Promise<Credentials & { id: string }> => buildUser(server.db)

/** As if the device had waited, without anybody waiting. */
const wait = (deviceClient = client) =>
  server.db.knex('device_codes').where({ client_id: deviceClient.client_id }).update({ polled_at: null })

test('a device asks for a code, waits while the person decides, and gets tokens that it can renew', async (t) => {
  const person = await somebody()
  const { status, body } = await askForCode(issuer, client, { scope: 'openid orders:read', resource: API })
  t.is(status, 200)
  t.like(body, { verification_uri: `${issuer}/device`, expires_in: 600, interval: 5 })
  t.regex(body.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
  t.is(body.verification_uri_complete, `${issuer}/device?user_code=${body.user_code}`)
  t.like(await poll(issuer, client, body.device_code), { status: 400, body: { error: 'authorization_pending' } })

  const visitor = new Visitor(issuer)
  const question = await reachQuestion(visitor, person, body.user_code)
  for (const shown of ['Television', body.user_code, 'somebody sent you this one', 'See your orders']) {
    t.true(question.html.includes(shown), shown)
  }
  t.regex(textOf((await visitor.allow(question)).html), /Your device is connected/)

  await wait()
  const { status: answered, body: tokens } = await poll(issuer, client, body.device_code)
  t.is(answered, 200)
  t.is(tokens.scope, 'orders:read')
  t.truthy(tokens.id_token)
  const renewed = await refresh(issuer, client, tokens.refresh_token)
  t.is(renewed.status, 200)
  t.not(renewed.body.refresh_token, tokens.refresh_token)
})

test('a code is taken in small letters, with spaces, without its dash', async (t) => {
  const person = await somebody()
  const { body } = await askForCode(issuer, client)
  const code = body.user_code.toLowerCase().replace('-', '').split('').join(' ')
  const page = await reachQuestion(new Visitor(issuer), person, ` ${code} `)
  t.true(page.html.includes(body.user_code), 'and is shown as the device shows it')
})

test('an address with the code shows it and asks all the same, by a form that nothing sends by itself', async (t) => {
  const person = await somebody()
  const { body } = await askForCode(issuer, client)
  const visitor = new Visitor(issuer)
  const page = await visitor.open(body.verification_uri_complete)
  t.is(page.status, 200)
  t.regex(textOf(page.html), new RegExp(`Does your device show this code.*${body.user_code}`))
  t.notRegex(page.html, /<script/)
  t.is(page.headers.get('cache-control'), 'no-store')
  t.regex(page.headers.get('content-security-policy') ?? '', /default-src 'none'.*form-action 'self'/)
  const login = await visitor.submit(page, '/device')
  t.true(login.html.includes('name="password"'), 'then the sign-in')
  t.true((await visitor.signIn(login, person)).html.includes('value="allow"'), 'then the question')
})

test('who is signed in and has allowed the app is asked again for each device; the operator can not skip it', async (t) => {
  const person = await somebody()
  const own = await buildDeviceClient(server.db, { firstParty: true })
  const visitor = new Visitor(issuer)
  for (const round of [1, 2]) {
    const { body } = await askForCode(issuer, own)
    const page = await (round === 1
      ? reachQuestion(visitor, person, body.user_code)
      : typeCode(visitor, body.user_code))
    t.true(page.html.includes('value="allow"'), `round ${round}`)
    await visitor.allow(page)
    t.is((await poll(issuer, own, body.device_code)).status, 200)
  }
  const grants = await server.db.knex('grants').where({ client_id: own.client_id })
  t.deepEqual(
    [grants.length, grants.map(({ session_uid }) => session_uid as unknown)],
    [2, [null, null]],
    'each device a family',
  )
})

test('another account can be chosen at the question', async (t) => {
  const person = await somebody()
  const other = await buildUser(server.db)
  const { body } = await askForCode(issuer, client)
  const visitor = new Visitor(issuer)
  const question = await reachQuestion(visitor, person, body.user_code)
  const again = await visitor.submit(question, /\/switch-account$/)
  t.true(again.html.includes(body.user_code), 'the code is still there')
  const login = await visitor.submit(again, '/device')
  t.true(login.html.includes('name="password"'))
  t.truthy(other)
})

test('a person who denies ends it: the device is told as often as it asks, and the code is used', async (t) => {
  const person = await somebody()
  const { body } = await askForCode(issuer, client)
  const visitor = new Visitor(issuer)
  const page = await visitor.submit(await reachQuestion(visitor, person, body.user_code), /\/cancel$/)
  t.regex(textOf(page.html), /The device was not connected/)
  for (const _ of [1, 2]) t.is((await poll(issuer, client, body.device_code)).body.error, 'access_denied')
  t.regex(textOf((await typeCode(visitor, body.user_code)).html), /used already/)
})

test('whoever asks too soon has to slow down, each time by five seconds more; a decision is told at once', async (t) => {
  const person = await somebody()
  const client = await buildDeviceClient(server.db)
  const { body } = await askForCode(issuer, client)
  const ask = async () => (await poll(issuer, client, body.device_code)).body.error
  const answers = [await ask(), await ask(), ...(await Promise.all([ask(), ask()]))]
  t.deepEqual(answers, ['authorization_pending', 'slow_down', 'slow_down', 'slow_down'])
  const rows = server.db.knex('device_codes').where({ client_id: client.client_id }).orderBy('created_at', 'desc')
  t.is((await rows.clone().first<{ interval_seconds: number }>()).interval_seconds, 20)
  await approve(new Visitor(issuer), person, body.user_code)
  t.is(await ask(), undefined, 'tokens')
})

test('an interval is over a second before its time, not sooner', async (t) => {
  const slow = await buildDeviceClient(server.db)
  const { body } = await askForCode(issuer, slow)
  const last = async (seconds: number) => {
    const polled_at = server.db.knex.raw("now() - ? * interval '1 second'", [seconds])
    await server.db.knex('device_codes').where({ client_id: slow.client_id }).update({ polled_at, interval_seconds: 5 })
    return (await poll(issuer, slow, body.device_code)).body.error
  }
  t.is(await last(0), 'slow_down')
  t.is(await last(4.2), 'authorization_pending')
})

test('an expired code is said to be expired, to the device and to the person, also by who approves too late', async (t) => {
  const person = await somebody()
  const late = await buildDeviceClient(server.db)
  const { body } = await askForCode(issuer, late)
  const visitor = new Visitor(issuer)
  const question = await reachQuestion(visitor, person, body.user_code)
  // The library reads the end from the payload, the claim from the column.
  const past = Math.floor(Date.now() / 1000) - 60
  await server.db.knex.raw(
    `update device_codes set expires_at = to_timestamp(:past),
       payload = (payload::jsonb || jsonb_build_object('exp', :past::int))::json where client_id = :client`,
    { past, client: late.client_id },
  )
  t.is((await poll(issuer, late, body.device_code)).body.error, 'expired_token')
  t.regex(textOf((await visitor.allow(question)).html), /expired/i)
  t.regex(textOf((await typeCode(visitor, body.user_code)).html), /This code has expired/)
  t.is((await server.db.knex('grants').where({ client_id: late.client_id })).length, 0)
})

test('approved by three people at once: one decides, the others are told', async (t) => {
  const shared = await buildDeviceClient(server.db)
  const { body } = await askForCode(issuer, shared)
  const people = await Promise.all([buildUser(server.db), buildUser(server.db), buildUser(server.db)])
  const visitors = people.map(() => new Visitor(issuer))
  const pages = await Promise.all(
    people.map((one, index) => reachQuestion(visitors[index] as Visitor, one, body.user_code)),
  )
  const ends = await Promise.all(pages.map((page, index) => (visitors[index] as Visitor).allow(page)))
  const done = ends.filter(({ html }) => html.includes('Your device is connected'))
  t.is(done.length, 1, ends.map(({ html }) => textOf(html)).join('\n'))
  t.is((await server.db.knex('grants').where({ client_id: shared.client_id })).length, 1, 'the others leave no family')
  t.is((await poll(issuer, shared, body.device_code)).status, 200)
  const again = await typeCode(new Visitor(issuer), body.user_code)
  t.deepEqual([again.status, textOf(again.html).includes('used already')], [400, true])
})

test('a device code gives tokens once; used again later, it takes the family with it', async (t) => {
  const person = await somebody()
  const once = await buildDeviceClient(server.db)
  const { body } = await askForCode(issuer, once)
  await approve(new Visitor(issuer), person, body.user_code)
  const answers = await Promise.all([1, 2, 3, 4].map(() => poll(issuer, once, body.device_code)))
  const tokens = answers.filter(({ status }) => status === 200)
  t.is(tokens.length, 1)
  t.true(answers.filter(({ status }) => status !== 200).every(({ body: { error } }) => error === 'invalid_grant'))
  t.is((await poll(issuer, once, body.device_code)).body.error, 'invalid_grant')
  t.is((await refresh(issuer, once, tokens[0]?.body.refresh_token)).body.error, 'invalid_grant', 'the family is gone')
  const told = await server.db.knex('events').where({ type: 'device_code.reuse_detected', client_id: once.client_id })
  t.is(told.length, 1)
})

test('a device code is good for its client alone, and neither slows down nor uses up the other', async (t) => {
  const person = await somebody()
  const other = await buildDeviceClient(server.db)
  const { body } = await askForCode(issuer, client)
  t.is((await poll(issuer, client, body.device_code)).body.error, 'authorization_pending')
  t.is((await poll(issuer, other, body.device_code)).body.error, 'invalid_grant')
  await approve(new Visitor(issuer), person, body.user_code)
  t.is((await poll(issuer, other, body.device_code)).body.error, 'invalid_grant')
  t.is((await poll(issuer, client, body.device_code)).status, 200)
})

test('what an interaction knows of a device opens nothing at the token endpoint', async (t) => {
  const person = await somebody()
  const own = await buildDeviceClient(server.db)
  const { body } = await askForCode(issuer, own)
  await approve(new Visitor(issuer), person, body.user_code)
  const { id } = await server.db.knex('device_codes').where({ client_id: own.client_id }).first<{ id: string }>()
  for (const guess of [id, `${id}.${body.user_code.replace('-', '')}`, body.user_code]) {
    t.is((await poll(issuer, own, guess)).body.error, 'invalid_grant', guess)
  }
})

test('a client that is not registered for it gets no code, nor one with a scope or resource that is not its own', async (t) => {
  const native = await buildClient(server.db, { kind: 'native' })
  t.like(await askForCode(issuer, native), { status: 400, body: { error: 'invalid_request' } })
  t.is(
    (await token(issuer, native, { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: 'x' })).body
      .error,
    'invalid_request',
  )
  t.is((await askForCode(issuer, client, { scope: 'openid admin' })).body.error, 'invalid_scope')
  t.is((await askForCode(issuer, client, { resource: 'https://other.example.com' })).body.error, 'invalid_target')
  for (const kind of ['web', 'spa', 'service'] as const) {
    const grantTypes = ['urn:ietf:params:oauth:grant-type:device_code'] as const
    await t.throwsAsync(buildClient(server.db, { kind, grantTypes: [...grantTypes] }), { message: /may use/ }, kind)
  }
})

test('a person or client that is disabled between approval and redemption gets nothing', async (t) => {
  const person = await somebody()
  const gone = await buildUser(server.db)
  const first = await askForCode(issuer, client)
  await approve(new Visitor(issuer), gone, first.body.user_code)
  await disableUser(server.db.knex, { userId: gone.id, actor: 'test' })
  t.is((await poll(issuer, client, first.body.device_code)).body.error, 'invalid_grant')

  const dead = await buildDeviceClient(server.db)
  const second = await askForCode(issuer, dead)
  const visitor = new Visitor(issuer)
  const question = await reachQuestion(visitor, person, second.body.user_code)
  await disableClient(server.db.knex, dead.client_id, { actor: 'test' })
  t.not((await visitor.allow(question)).status, 200)
  t.is((await poll(issuer, dead, second.body.device_code)).body.error, 'invalid_client')
})

test('signing out of the browser leaves the device alone; the account page can disconnect it', async (t) => {
  const person = await somebody()
  const tv = await buildDeviceClient(server.db, { name: 'Television in the kitchen' })
  const { body } = await askForCode(issuer, tv)
  const visitor = new Visitor(issuer)
  await approve(visitor, person, body.user_code)
  const { body: tokens } = await poll(issuer, tv, body.device_code)
  const logout = await visitor.open('/logout')
  await visitor.submit(logout, '/logout/confirm', { logout: 'yes' })
  const renewed = await refresh(issuer, tv, tokens.refresh_token)
  t.is(renewed.status, 200)
  const account = await visitor.signIn(await visitor.open('/account'), person)
  t.true(account.html.includes('Television in the kitchen'))
  await visitor.submit(account, '/account/apps/revoke')
  t.is((await refresh(issuer, tv, renewed.body.refresh_token)).body.error, 'invalid_grant')
})

test('a form that is not of this page decides nothing', async (t) => {
  const { body } = await askForCode(issuer, client)
  const visitor = new Visitor(issuer)
  await visitor.open('/device')
  const page = await visitor.open('/device', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ user_code: body.user_code, confirm: 'yes', xsrf: 'guess' }).toString(),
  })
  t.is(page.status, 400)
  t.true(page.html.includes(`/device?user_code=${body.user_code}`), 'and leads back to one that does')
  t.is((await poll(issuer, client, body.device_code)).body.error, 'authorization_pending')
})

test('whoever guesses codes is slowed down, by session and by address; a slip of the hand costs nothing', async (t) => {
  const guesser = new Visitor(issuer)
  const { body } = await askForCode(issuer, client)
  let page = await typeCode(guesser, 'not a code')
  t.deepEqual([page.status, page.html.includes('There is no such code')], [400, true])
  for (let guess = 0; guess < 6; guess += 1) {
    page = await guesser.submit(page, '/device', { user_code: 'BBBB-BBB' + 'BCDFGHJKL'[guess] })
  }
  t.is(page.status, 400, 'the sixth begins the block')
  await prolongBlocks(server.db)
  page = await guesser.submit(page, '/device', { user_code: body.user_code })
  t.is(page.status, 429)
  t.true(Number(page.headers.get('retry-after')) >= 1)
  t.regex(textOf(page.html), /too many wrong codes/)
  t.is((await typeCode(new Visitor(issuer), body.user_code)).status, 200, 'another browser goes on')
})

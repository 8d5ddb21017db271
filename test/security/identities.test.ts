/** Who there is and by what they are known: accounts, sessions, machines, and the codes in between. */
import test from 'ava'
import { decodeJwt } from 'jose'
import { connectDatabase } from '../../src/database/connect.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startAuthServer, startProcess, type TestServer } from '../support/auth-server.ts'
import { testDatabaseUrl } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'

const stops: (() => unknown)[] = []
let server: TestServer
test.before(async () => {
  server = await startAuthServer({ teardown: (stop) => void stops.push(stop) })
  await buildResource(server.db)
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

test('a fresh installation in production has no account, and no client but the account page', async (t) => {
  const url = await testDatabaseUrl(t)
  const environment = { NODE_ENV: 'production', ISSUER: 'https://login.example.com', MASTER_KEY: newMasterKey() }
  const port = String(await freePort())
  await startProcess(t, { ...environment, DATABASE_URL: url, HOST: '127.0.0.1', PORT: port, DATABASE_POOL_MAX: '3' })
  const db = await connectDatabase({ url, dataDirectory: '', poolMax: 2, log: createLogger({ level: 'silent' }) })
  t.teardown(() => db.close())
  t.deepEqual(await db.knex('users').select('id'), [])
  t.deepEqual(await db.knex('api_keys').select('id'), [])
  t.deepEqual(await db.knex('clients').pluck<string[]>('id'), ['cli_grantryaccountpage22222222'])
})

test('a name and a password are all that a sign-in form asks for, and the one way that is announced', async (t) => {
  const { issuer, db } = server
  const visitor = new Visitor(issuer)
  const page = await visitor.open(visitor.request_uri(await buildClient(db)).url)
  const fields = [...page.html.matchAll(/<(?:input|select|textarea)[^>]*\sname="([^"]+)"/g)].map(([, name]) => name)
  t.deepEqual([...new Set(fields)].sort(), ['csrf', 'login', 'password'])
  t.notRegex(page.html, /<a\s/, 'no other way in, and no hint')
  const discovery = await fetch(`${issuer}/.well-known/openid-configuration`)
  t.like(await discovery.json(), { acr_values_supported: ['urn:grantry:acr:password'] })
})

test('every field for a password is masked, at sign-in and on the account page, and none is filled in', async (t) => {
  const { issuer, db } = server
  const visitor = new Visitor(issuer)
  const login = await visitor.open('/account')
  const account = await visitor.signIn(login, await buildUser(db))
  const fields = (html: string) => html.match(/<input[^>]*\sname="[^"]*password"[^>]*>/g) ?? []
  t.is(fields(login.html).length, 1)
  t.is(fields(account.html).length, 3)
  for (const field of [...fields(login.html), ...fields(account.html)]) {
    t.regex(field, /\stype="password"/)
    t.notRegex(field, /\svalue=|\sreadonly|autocomplete="off"/)
  }
})

test('a password of any age signs in', async (t) => {
  const { issuer, db } = server
  const [client, person] = [await buildClient(db), await buildUser(db)]
  const past = db.knex.raw(`now() - interval '20 years'`)
  await db.knex('users').where({ id: person.id }).update({ created_at: past, password_changed_at: past })
  t.truthy((await new Visitor(issuer).authorize(client, person)).code)
})

test('a session id has 256 bits, and no two are alike', async (t) => {
  const { issuer, db } = server
  const client = await buildClient(db)
  const ids: string[] = []
  for (let visit = 0; visit < 4; visit += 1) {
    const visitor = new Visitor(issuer)
    const take = () => ids.push(visitor.cookies.get('session')?.value ?? '')
    await visitor.open('/logout')
    take()
    const consent = await visitor.signIn(await visitor.open(visitor.request_uri(client).url), await buildUser(db))
    take()
    await visitor.allow(consent)
    take()
  }
  t.is(new Set(ids).size, 12)
  for (const id of ids) t.true(/^[\w-]{43,}$/.test(id), id)
})

test('a code lives for a minute', async (t) => {
  const { issuer, db } = server
  const [client, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const answer = await new Visitor(issuer).authorize(client, person)
  const codes = () => db.knex('artifacts').where({ model: 'AuthorizationCode', client_id: client.client_id })
  const { left } = await codes().first<{ left: number }>(
    db.knex.raw('extract(epoch from expires_at - now())::float8 as left'),
  )
  t.true(left > 30 && left <= 60, String(left))
  const ended = `jsonb_set(payload::jsonb, '{exp}', to_jsonb(extract(epoch from now())::int - 1))::json`
  t.is(await codes().update({ payload: db.knex.raw(ended) }), 1)
  t.like(await redeem(issuer, client, answer), { status: 400, body: { error: 'invalid_grant' } })
})

test('without a window a refresh token that comes back ends its family at once', async (t) => {
  const { issuer, db } = await startAuthServer(t, { REFRESH_REUSE_SECONDS: '0' })
  const client = await buildClient(db, { kind: 'spa', access: [] })
  const answer = await new Visitor(issuer).authorize(client, await buildUser(db))
  const first = (await redeem(issuer, client, answer)).body.refresh_token
  const second = await refresh(issuer, client, first)
  t.is(second.status, 200)
  t.is((await refresh(issuer, client, first)).body.error, 'invalid_grant')
  t.is((await refresh(issuer, client, second.body.refresh_token)).body.error, 'invalid_grant')
  t.is((await db.knex('events').where({ type: 'refresh_token.reuse_detected' })).length, 1)
})

test('a machine is the subject of its own token, by an id that the server chose and no person can have', async (t) => {
  const { issuer, db } = server
  const service = await buildClient(db, { kind: 'service', name: 'usr_aaaaaaaaaaaaaaaaaaaaaaaaaa' })
  const { id } = await buildUser(db)
  const { body } = await token(issuer, service, { grant_type: 'client_credentials' })
  const { sub, client_id } = decodeJwt(body.access_token ?? '')
  t.is(sub, service.client_id)
  t.is(client_id, service.client_id)
  t.regex(service.client_id, /^cli_[a-z2-7]{26}$/)
  t.regex(id, /^usr_[a-z2-7]{26}$/)
})

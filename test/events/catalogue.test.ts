/** Whatever is written as an event is what the catalogue says of it, whoever writes it and however. */
import test, { type ExecutionContext } from 'ava'
import type { Knex } from 'knex'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { eventCatalogue, eventSchemas, eventTypes, type EventType } from '../../src/events/catalogue.ts'
import { channels, channelOf, typesOf } from '../../src/events/channels.ts'
import { stop } from '../../src/events/webhooks/fan-out.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { createWebhook } from '../../src/registry/webhooks/create.ts'
import { deleteWebhook } from '../../src/registry/webhooks/delete.ts'
import { rotateWebhookSecret } from '../../src/registry/webhooks/rotate-secret.ts'
import { updateWebhook } from '../../src/registry/webhooks/update.ts'
import { revokeTokenFamily } from '../../src/registry/token-families/revoke.ts'
import { signOutUser } from '../../src/registry/users/sign-out.ts'
import { everyVerb } from '../audit/fixture.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { testDatabase } from '../support/database.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'

interface Row {
  type: EventType
  subject: string | null
  user_id: string | null
  client_id: string | null
  data: Record<string, unknown>
}

const seen = new Set<EventType>()

/** Every event in the database, each held against its schema. */
async function checked(t: ExecutionContext, db: Knex): Promise<Row[]> {
  const rows = await db('events').orderBy('id').select<Row[]>('type', 'subject', 'user_id', 'client_id', 'data')
  for (const { type, data } of rows) {
    seen.add(type)
    const { error } = eventSchemas[type].safeParse(data)
    t.is(error?.message, undefined, `${type} ${JSON.stringify(data)}`)
  }
  return rows
}

async function revoke(issuer: string, { client_id, client_secret }: TestClient, value = ''): Promise<void> {
  const authorization = `Basic ${btoa(`${client_id}:${client_secret}`)}`
  const answer = await fetch(`${issuer}/revoke`, {
    method: 'POST',
    headers: { authorization },
    body: new URLSearchParams({ token: value }),
  })
  if (answer.status !== 200) throw new Error(await answer.text())
}

test.serial('every verb of registry and keys', async (t) => {
  const db = await testDatabase(t)
  for (const { prepare, run } of everyVerb(db, 'cli').verbs) {
    await prepare()
    await run()
  }
  await checked(t, db.knex)
})

test.serial('the life of a webhook', async (t) => {
  const { knex } = await testDatabase(t)
  const dependencies = { masterKeys: parseMasterKeys(newMasterKey()), allowPrivate: false }
  const given = { url: 'https://hooks.example.com/', events: ['*'], actor: 'cli' }
  const { webhook } = await createWebhook(knex, dependencies, given)
  const about = { webhookId: webhook.id, actor: 'cli' }
  await rotateWebhookSecret(knex, dependencies, about)
  await stop(knex, webhook.id, { state: 'paused', reason: 'a test' })
  await updateWebhook(knex, dependencies, { ...about, changes: { state: 'active' } })
  await stop(knex, webhook.id, { state: 'disabled', reason: 'a test' })
  await deleteWebhook(knex, about)
  await checked(t, knex)
})

let server: TestServer
const ends: (() => unknown)[] = []
test.serial.before(async () => {
  server = await startAuthServer(
    { teardown: (end) => void ends.unshift(end) },
    { TOKEN_EVENTS: 'each', REFRESH_REUSE_SECONDS: '0' },
  )
  await buildResource(server.db)
})
test.after.always(async () => {
  for (const end of ends) await end()
})

test.serial('what the protocol tells: sign-in, consent, tokens, revocation, reuse and sign-out', async (t) => {
  const { issuer, db } = server
  const person = await buildUser(db)
  const [web, trusted] = [await buildClient(db), await buildClient(db, { firstParty: true })]
  const visitor = new Visitor(issuer)
  await visitor.signIn(await visitor.open('/account'), { ...person, password: 'not the password of anybody' })
  const options = { scope: 'openid orders:read', resource: API }
  const first = await redeem(issuer, web, await visitor.authorize(web, person, options))
  await revoke(issuer, web, (await refresh(issuer, web, first.body.refresh_token)).body.refresh_token)
  const again = await visitor.authorize(web, person, options)
  await redeem(issuer, web, again)
  await redeem(issuer, web, again)
  const second = await redeem(issuer, trusted, await visitor.authorize(trusted, person, options))
  const successor = (await refresh(issuer, trusted, second.body.refresh_token)).body.refresh_token
  await refresh(issuer, trusted, successor)
  await refresh(issuer, trusted, second.body.refresh_token)
  const third = await redeem(issuer, web, await visitor.authorize(web, person, options))
  t.is(third.status, 200)
  const { id: grant } = await db.knex('grants').where({ client_id: web.client_id }).first<{ id: string }>('id')
  await revokeTokenFamily(db.knex, { userId: person.id, id: grant, actor: person.id })
  await signOutUser(db.knex, { userId: person.id, actor: 'cli' })
  for (let n = 0; n < 8; n++) {
    await visitor.signIn(await visitor.open('/account'), { ...person, password: `guess ${n} at the password` })
  }

  const rows = await checked(t, db.knex)
  const of = (type: EventType) => rows.filter((row) => row.type === type)
  t.is(of('session.started').length, 1, 'once for a browser, however often it asks for codes')
  t.like(of('session.started')[0], { user_id: person.id })
  t.like(of('login.succeeded')[0], { user_id: person.id, subject: person.id })
  t.is(of('login.succeeded').length, 1)
  t.like(of('login.failed')[0], { user_id: person.id })
  t.true(of('login.throttled').length > 0)
  t.deepEqual(
    of('token.revoked').map(({ data }) => data.token_type),
    ['refresh_token', 'refresh_token'],
  )
  t.is(of('token.revoked')[1]?.subject, grant)
  t.false(JSON.stringify(rows).includes(person.username), 'a name that was typed is nowhere')
})

test.serial('a name that nobody has is not told', async (t) => {
  const visitor = new Visitor(server.issuer)
  const typed = { username: 'nobody-of-this-name', password: 'whatever it may be called' }
  await visitor.signIn(await visitor.open('/account'), typed)
  const rows = await checked(t, server.db.knex)
  t.like(
    rows.findLast(({ type }) => type === 'login.failed'),
    { subject: null, user_id: null },
  )
  t.false(JSON.stringify(rows).includes(typed.username))
})

test.serial(
  'an opaque token that is revoked closes the socket that was opened with it, within two seconds',
  async (t) => {
    const { issuer, db } = server
    const scopes = ['events:read', 'clients:read']
    const service = await buildClient(db, { kind: 'service', access: [{ resource: `${issuer}/api`, scopes }] })
    const asked = { grant_type: 'client_credentials', scope: scopes.join(' '), resource: `${issuer}/api` }
    const value = (await token(issuer, service, asked)).body.access_token!
    const socket = new WebSocket(`${issuer.replace('http', 'ws')}/api/v1/stream`, {
      headers: { authorization: `Bearer ${value}` },
    })
    t.teardown(() => socket.terminate())
    const closed = new Promise<number>((resolve) => socket.once('close', resolve))
    await new Promise((resolve) => socket.once('message', resolve))
    const started = Date.now()
    await revoke(issuer, service, value)
    t.is(await closed, 4401)
    t.true(Date.now() - started < 2000, `${Date.now() - started} ms`)
    const rows = await checked(t, db.knex)
    t.like(
      rows.findLast(({ type }) => type === 'token.revoked'),
      {
        subject: service.client_id,
        client_id: service.client_id,
        data: { token_type: 'access_token', grant_id: null },
      },
    )
    t.false(JSON.stringify(rows).includes(value))
  },
)

test.serial('what is given out at the token endpoint is told, and what it refuses is not', async (t) => {
  const end = Date.now() + 5000
  const told = async () =>
    (await checked(t, server.db.knex)).filter(({ type }) => /^token\.(?:issued|refreshed)$/.test(type))
  while ((await told()).length < 8 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50))
  const kinds = (await told()).map(
    ({ type, data, user_id }) => `${type} ${String(data.grant_type)} ${user_id !== null}`,
  )
  t.deepEqual(kinds.toSorted(), [
    ...Array.from({ length: 4 }, () => 'token.issued authorization_code true'),
    'token.issued client_credentials false',
    ...Array.from({ length: 3 }, () => 'token.refreshed refresh_token true'),
  ])
})

test.serial('these flows write every type there is but these', (t) => {
  // Seen in test/flows/device.test.ts, in test/keys, and in no feed at all.
  const elsewhere = new Set<string>(['device_code.reuse_detected', 'key.removed', 'webhook.test'])
  t.deepEqual(
    eventTypes.filter((type) => !seen.has(type) && !elsewhere.has(type)),
    [],
  )
})

test('every type says what it means and what is in it, in a channel that is known', (t) => {
  for (const type of eventTypes) {
    const { meaning, data } = eventCatalogue[type]
    t.regex(meaning, /^[A-Z].*\.$/, type)
    t.regex(type, /^\w+\.\w+$/)
    t.true(channels.includes(channelOf(type)))
    t.true(typesOf(type.replace(/\.\w+$/, '.*'))?.includes(type))
    for (const [name, fact] of Object.entries(z.toJSONSchema(data).properties ?? {})) {
      t.truthy((fact as { description?: string }).description, `${type} ${name}`)
    }
    t.false(data.safeParse({ surprise: 'more' }).success, type)
  }
})

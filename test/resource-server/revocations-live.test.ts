/** A real server, and an API that has nothing of it but its keys and its events: what is revoked is refused before it expires. */
import { decodeJwt } from 'jose'
import test, { type ExecutionContext } from 'ava'
import { createGrantryClient } from '../../src/client/index.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { withdrawConsent } from '../../src/registry/consents/withdraw.ts'
import { endSession } from '../../src/registry/sessions/end.ts'
import { disableUser, enableUser } from '../../src/registry/users/disable.ts'
import {
  createRevocationList,
  createTokenVerifier,
  TokenError,
  type RevocationList,
  type TokenVerifier,
} from '../../src/resource-server/index.ts'
import type { TestServer } from '../support/auth-server.ts'
import { startManagement } from '../support/management.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'

let server: TestServer
let revocations: RevocationList
let verifier: TokenVerifier
const ends: (() => unknown)[] = []

test.before(async () => {
  ;({ server } = await startManagement({ teardown: (end) => void ends.push(end) }))
  await buildResource(server.db)
  const scopes = ['events:read', 'users:read', 'clients:read']
  const { value: apiKey } = await createApiKey(server.db.knex, { name: 'Orders API', scopes, actor: 'test' })
  const client = createGrantryClient({ issuer: server.issuer, credentials: { apiKey } })
  revocations = createRevocationList({ follow: (from) => client.followEvents(from), whenBehind: 'refuse' })
  ends.push(() => revocations.stop())
  verifier = createTokenVerifier({ issuer: server.issuer, audience: API, revocations })
  await revocations.ready()
})
test.after.always(async () => {
  for (let end = ends.pop(); end; end = ends.pop()) await end()
})

const SCOPE = 'openid orders:read orders:write'

/** Signs a person in at a browser of its own. */
async function signIn(client: TestClient, person: { username: string; password: string }) {
  const answer = await new Visitor(server.issuer).authorize(client, person, { scope: SCOPE, resource: API })
  const { body } = await redeem(server.issuer, client, answer)
  return { jwt: body.access_token ?? '', refreshToken: body.refresh_token, answer }
}

async function scene() {
  const [person, client] = await Promise.all([buildUser(server.db), buildClient(server.db)])
  const [phone, laptop] = [await signIn(client, person), await signIn(client, person)]
  return { person, client, phone, laptop }
}

async function revoke({ client_id, client_secret }: TestClient, value = ''): Promise<void> {
  const headers = { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` }
  await fetch(`${server.issuer}/revoke`, { method: 'POST', headers, body: new URLSearchParams({ token: value }) })
}

async function isGood(jwt: string): Promise<boolean> {
  try {
    await verifier.verify(jwt)
    return true
  } catch (error) {
    if (error instanceof TokenError && error.error === 'invalid_token') return false
    throw error
  }
}

async function refusedWithinTwoSeconds(t: ExecutionContext, jwt: string, why: string): Promise<void> {
  for (const end = Date.now() + 2000; (await isGood(jwt)) && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.false(await isGood(jwt), why)
}

test('a token family ends alone: revoked by its client, by reuse of its code or refresh token, or with its browser', async (t) => {
  const { person, client, phone, laptop } = await scene()
  t.deepEqual([await isGood(phone.jwt), await isGood(laptop.jwt)], [true, true])
  t.not(decodeJwt(phone.jwt).grant_id, decodeJwt(laptop.jwt).grant_id)

  await revoke(client, phone.refreshToken)
  await refusedWithinTwoSeconds(t, phone.jwt, 'revoked')

  const intercepted = await signIn(client, person)
  t.is((await redeem(server.issuer, client, intercepted.answer)).status, 400)
  await refusedWithinTwoSeconds(t, intercepted.jwt, 'its code was used twice')

  const stolen = await signIn(client, person)
  const renewed = (await refresh(server.issuer, client, stolen.refreshToken)).body.access_token ?? ''
  t.is(decodeJwt(renewed).grant_id, decodeJwt(stolen.jwt).grant_id)
  const hourAgo = server.db.knex.raw(`consumed_at - interval '1 hour'`)
  await server.db.knex('refresh_tokens').whereNotNull('consumed_at').update({ consumed_at: hourAgo })
  t.is((await refresh(server.issuer, client, stolen.refreshToken)).status, 400)
  await refusedWithinTwoSeconds(t, renewed, 'its refresh token was used twice')
  await refusedWithinTwoSeconds(t, stolen.jwt, 'of the same family')

  const cafe = await signIn(client, person)
  const [{ session_uid: uid }] = (await server.db.knex('grants').where({ id: decodeJwt(cafe.jwt).grant_id })) as [
    { session_uid: string },
  ]
  t.true(await endSession(server.db.knex, { userId: person.id, uid, actor: person.id }))
  await refusedWithinTwoSeconds(t, cafe.jwt, 'its browser was signed out')

  t.true(await isGood(laptop.jwt), 'another browser of the same person and client')
})

test('a person who takes back a consent, or is disabled, has no tokens left; others do, and so do they once enabled', async (t) => {
  const { person, client, phone, laptop } = await scene()
  const other = await buildClient(server.db)
  const elsewhere = await signIn(other, person)
  const neighbour = await signIn(client, await buildUser(server.db))
  await withdrawConsent(server.db.knex, { userId: person.id, clientId: client.client_id, actor: person.id })
  await refusedWithinTwoSeconds(t, phone.jwt, 'consent withdrawn')
  t.deepEqual([await isGood(laptop.jwt), await isGood(elsewhere.jwt)], [false, true])

  await disableUser(server.db.knex, { userId: person.id, actor: 'test' })
  await refusedWithinTwoSeconds(t, elsewhere.jwt, 'disabled')
  await enableUser(server.db.knex, { userId: person.id, actor: 'test' })
  t.false(await isGood(elsewhere.jwt))
  // Times of issue are in whole seconds: what is issued in the second of the ending counts as before it.
  await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)))
  const again = await signIn(other, person)
  for (const end = Date.now() + 2000; !(await isGood(again.jwt)) && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.true(await isGood(again.jwt))
  t.true(await isGood(neighbour.jwt))
})

test('a token of a client’s own ends alone when it is revoked; of a client that is deleted nothing is left', async (t) => {
  const { phone, client } = await scene()
  const service = await buildClient(server.db, { kind: 'service' })
  const own = async (one: TestClient) =>
    (await token(server.issuer, one, { grant_type: 'client_credentials', scope: 'orders:read' })).body.access_token ??
    ''
  const [jwt, others] = [await own(service), await own(await buildClient(server.db, { kind: 'service' }))]
  t.is(decodeJwt(jwt).grant_id, undefined)
  t.true(await isGood(jwt))
  const single = await own(service)
  await revoke(service, single)
  await refusedWithinTwoSeconds(t, single, 'revoked by itself')
  t.true(await isGood(jwt), 'another of the same client')
  for (const { client_id: id } of [client, service]) {
    await deleteClient(server.db.knex, id, { actor: 'test', ifVersion: undefined })
  }
  await refusedWithinTwoSeconds(t, jwt, 'deleted')
  await refusedWithinTwoSeconds(t, phone.jwt, 'deleted')
  t.true(await isGood(others))
  t.true(revocations.isLive())
})

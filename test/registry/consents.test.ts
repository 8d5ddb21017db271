import test from 'ava'
import type { Knex } from 'knex'
import { newId } from '../../src/lib/ids.ts'
import { grantConsent, type GrantConsent } from '../../src/registry/consents/grant.ts'
import { presentConnectedApp } from '../../src/registry/consents/present.ts'
import { consentedScopes, listConnectedApps } from '../../src/registry/consents/queries.ts'
import { withdrawConsent } from '../../src/registry/consents/withdraw.ts'
import { RegistryError } from '../../src/registry/registry-error.ts'
import { testDatabase } from '../support/database.ts'
import { api, app, events, families, family, person, waitingForLocks } from './people.ts'

const ORDERS = 'https://orders.example.com'
const BILLS = 'https://bills.example.com'

async function scene(knex: Knex): Promise<{ userId: string; clientId: string }> {
  await api(knex, ORDERS, ['orders:read', 'orders:write'])
  await api(knex, BILLS, ['bills:read'])
  const { id: userId } = await person(knex, { username: 'ada' })
  return { userId, clientId: await app(knex) }
}

function allow(knex: Knex, consent: Omit<GrantConsent, 'actor'>): Promise<void> {
  return knex.transaction((trx) => grantConsent(trx, { ...consent, actor: consent.userId }))
}

test('what was allowed adds up, and is kept by resource server', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const who = await scene(knex)
  t.deepEqual(await consentedScopes(pool, who.userId, who.clientId), { openid: [], resources: {} })
  await allow(knex, { ...who, openid: ['openid', 'profile'], resources: { [ORDERS]: ['orders:read'] } })
  await allow(knex, {
    ...who,
    openid: ['openid', 'email'],
    resources: { [ORDERS]: ['orders:write'], [BILLS]: ['bills:read'] },
  })
  t.deepEqual(await consentedScopes(pool, who.userId, who.clientId), {
    openid: ['email', 'openid', 'profile'],
    resources: { [ORDERS]: ['orders:read', 'orders:write'], [BILLS]: ['bills:read'] },
  })
  t.deepEqual(await consentedScopes(pool, who.userId, await app(knex)), { openid: [], resources: {} })
  const [event] = await events(knex, 'consent.granted')
  t.like(event, { actor: who.userId, user_id: who.userId, client_id: who.clientId })
  t.deepEqual(event?.data, {
    openid: ['openid', 'profile'],
    resources: { [ORDERS]: ['orders:read'] },
    expires_at: null,
  })
})

test('twenty consents given at once lose nothing', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const names = Array.from({ length: 20 }, (_, n) => `scope:${n}`)
  await api(knex, 'https://a.example.com', names)
  await api(knex, 'https://b.example.com', names)
  const { id: userId } = await person(knex, { username: 'ada' })
  const clientId = await app(knex)
  await Promise.all(
    names.map((name, n) => {
      const resources: [string, string[]][] = [
        ['https://a.example.com', [name]],
        ['https://b.example.com', [name]],
      ]
      return allow(knex, {
        userId,
        clientId,
        openid: ['openid'],
        resources: Object.fromEntries(n % 2 ? resources : resources.toReversed()),
      })
    }),
  )
  const { resources } = await consentedScopes(pool, userId, clientId)
  t.deepEqual(resources, { 'https://a.example.com': names.toSorted(), 'https://b.example.com': names.toSorted() })
})

test('what has expired is not allowed any more, and a new yes to something else does not bring it back', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const who = await scene(knex)
  await allow(knex, {
    ...who,
    openid: [],
    resources: { [ORDERS]: ['orders:write'] },
    expiresAt: new Date(Date.now() + 3_600_000),
  })
  await knex('consents').update({ expires_at: knex.raw(`now() - interval '1 second'`) })
  t.deepEqual(await consentedScopes(pool, who.userId, who.clientId), { openid: [], resources: {} })
  t.deepEqual(await listConnectedApps(knex, who.userId), [])
  await allow(knex, { ...who, openid: [], resources: { [ORDERS]: ['orders:read'] } })
  t.deepEqual((await consentedScopes(pool, who.userId, who.clientId)).resources, { [ORDERS]: ['orders:read'] })
})

test('a yes to one thing does not prolong a yes to another', async (t) => {
  const { knex } = await testDatabase(t)
  const who = await scene(knex)
  const soon = new Date(Date.now() + 3_600_000)
  const end = async () => (await knex('consents').first('expires_at')).expires_at
  await allow(knex, { ...who, openid: [], resources: { [ORDERS]: ['orders:write'] }, expiresAt: soon })
  await allow(knex, { ...who, openid: [], resources: { [ORDERS]: ['orders:read'] } })
  t.deepEqual(await end(), soon)
  await allow(knex, { ...who, openid: [], resources: { [ORDERS]: ['orders:read', 'orders:write'] } })
  t.is(await end(), null)
})

test('a consent for what does not exist is not found and leaves nothing', async (t) => {
  const { knex } = await testDatabase(t)
  const who = await scene(knex)
  const odd = [
    { ...who, openid: ['openid'], resources: { 'https://nowhere.example.com': ['x'] } },
    { ...who, userId: newId('usr'), openid: ['openid'], resources: {} },
    { ...who, clientId: newId('cli'), openid: ['openid'], resources: {} },
  ]
  for (const consent of odd) {
    t.is((await t.throwsAsync(allow(knex, consent), { instanceOf: RegistryError }))?.code, 'not_found')
  }
  t.is((await knex('consents')).length, 0)
  t.is((await events(knex, 'consent.granted')).length, 0)
})

test('withdrawing takes the consents and every token family of that app, and of no other', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const who = await scene(knex)
  const otherApp = await app(knex, 'spa')
  for (const clientId of [who.clientId, otherApp]) {
    await allow(knex, { ...who, clientId, openid: ['openid'], resources: { [ORDERS]: ['orders:read'] } })
  }
  await family(knex, who.userId, who.clientId)
  await family(knex, who.userId, who.clientId)
  const kept = await family(knex, who.userId, otherApp)

  t.deepEqual(await withdrawConsent(knex, { ...who, actor: who.userId }), { grantsRevoked: 2 })
  t.deepEqual(await consentedScopes(pool, who.userId, who.clientId), { openid: [], resources: {} })
  t.deepEqual((await consentedScopes(pool, who.userId, otherApp)).openid, ['openid'])
  t.deepEqual(await families(knex, who.userId), [kept])
  t.is((await knex('refresh_tokens')).length, 1)

  await withdrawConsent(knex, { ...who, actor: who.userId })
  await withdrawConsent(knex, { userId: who.userId, clientId: '\0', actor: who.userId })
  const told = await events(knex, 'consent.withdrawn')
  t.is(told.length, 1)
  t.like(told[0], { subject: who.clientId, user_id: who.userId, data: { grants_revoked: 2 } })
})

test('withdrawing is one transaction: when its event can not be written, everything stays', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const who = await scene(knex)
  await allow(knex, { ...who, openid: ['openid'], resources: {} })
  const grant = await family(knex, who.userId, who.clientId)
  await knex.raw(`alter table events add constraint broken check (type <> 'consent.withdrawn')`)
  await t.throwsAsync(withdrawConsent(knex, { ...who, actor: who.userId }))
  t.deepEqual((await consentedScopes(pool, who.userId, who.clientId)).openid, ['openid'])
  t.deepEqual(await families(knex, who.userId), [grant])
})

test('the connected apps tell who may do what, in words, since when, and where the browser is sent', async (t) => {
  const { knex } = await testDatabase(t)
  const who = await scene(knex)
  const phone = await app(knex, 'native', { name: 'A phone app' })
  const own = await app(knex, 'web', { name: 'An own app', first_party: true })
  await allow(knex, { ...who, openid: ['openid'], resources: { [ORDERS]: ['orders:read'], [BILLS]: ['bills:read'] } })
  await allow(knex, { ...who, clientId: phone, openid: ['openid'], resources: {} })
  await family(knex, who.userId, who.clientId)
  await family(knex, who.userId, who.clientId)
  await family(knex, who.userId, own)
  await knex('refresh_tokens').update({ issued_at: knex.raw(`now() + interval '1 hour'`) })
  await person(knex, { username: 'bob' })

  const apps = await listConnectedApps(knex, who.userId)
  t.deepEqual(
    apps.map((one) => [one.name, one.firstParty, one.liveFamilies, one.redirectHosts, one.consentedAt instanceof Date]),
    [
      ['A phone app', false, 0, ['com.example.app:'], true],
      ['An own app', true, 1, ['app.example.com'], false],
      ['The web app', false, 2, ['app.example.com'], true],
    ],
  )
  const web = apps[2]
  t.deepEqual(web?.openid, ['openid'])
  t.deepEqual(web?.resources, [
    {
      audience: BILLS,
      name: `API ${BILLS}`,
      scopes: [{ name: 'bills:read', description: 'may bills:read', descriptionDe: 'darf bills:read' }],
    },
    {
      audience: ORDERS,
      name: `API ${ORDERS}`,
      scopes: [{ name: 'orders:read', description: 'may orders:read', descriptionDe: 'darf orders:read' }],
    },
  ])
  t.true((web?.lastUsedAt?.getTime() ?? 0) > Date.now() + 3_000_000)
  t.is(apps[0]?.lastUsedAt, null)
  t.like(presentConnectedApp(apps[0]!), { id: phone, live_families: 0, redirect_hosts: ['com.example.app:'] })
})

test('a consent and a grant that are being written while all is withdrawn do not survive it', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const who = await scene(knex)
  const writing = await knex.transaction()
  await grantConsent(writing, { ...who, openid: ['openid'], resources: {}, actor: who.userId })
  await family(writing, who.userId, who.clientId)
  const withdrawing = withdrawConsent(knex, { ...who, actor: who.userId })
  await waitingForLocks(knex)
  await writing.commit()
  t.deepEqual(await withdrawing, { grantsRevoked: 1 })
  t.deepEqual((await consentedScopes(pool, who.userId, who.clientId)).openid, [])
  t.deepEqual(await families(knex, who.userId), [])
})

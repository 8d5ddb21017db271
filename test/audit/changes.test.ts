import test from 'ava'
import { createClient } from '../../src/registry/clients/create.ts'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { presentClient } from '../../src/registry/clients/present.ts'
import { findClient } from '../../src/registry/clients/queries.ts'
import { rotateSecret } from '../../src/registry/clients/rotate-secret.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { grantConsent } from '../../src/registry/consents/grant.ts'
import { findConsent } from '../../src/registry/consents/queries.ts'
import { presentConsent } from '../../src/registry/consents/present.ts'
import { withdrawConsent } from '../../src/registry/consents/withdraw.ts'
import { presentResource } from '../../src/registry/resources/present.ts'
import { findResource } from '../../src/registry/resources/queries.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { disableUser, enableUser } from '../../src/registry/users/disable.ts'
import { presentUser } from '../../src/registry/users/present.ts'
import { findUser } from '../../src/registry/users/queries.ts'
import { setPassword } from '../../src/registry/users/set-password.ts'
import { updateUser } from '../../src/registry/users/update.ts'
import { createResource } from '../../src/registry/resources/create.ts'
import { testDatabase } from '../support/database.ts'
import { api, app, hasher, OTHER_PASSWORD, person, waitingForLocks } from '../registry/people.ts'
import { AUDIENCE, entries, replay, settings } from './fixture.ts'

const actor = 'cli'
const scope = (name: string) => ({ name, description: name, descriptionDe: null })

test('of an update the entry holds the fields that changed, before and after, and no others', async (t) => {
  const { knex } = await testDatabase(t)
  const { id } = await person(knex, { username: 'ada', email: 'ada@example.com', emailVerified: true, name: 'Ada' })
  await updateUser(knex, { userId: id, changes: { email: 'ada@example.org', name: 'Ada' }, actor })
  await updateUser(knex, { userId: id, changes: { name: null, roles: ['b', 'a'] }, actor })
  const resource = await createResource(knex, { audience: AUDIENCE, name: 'Orders', scopes: [scope('read')], actor })
  await updateResource(knex, AUDIENCE, { accessTokenTtl: 60, name: ' Orders ' }, { actor })
  const access = [{ resource: AUDIENCE, scopes: ['read'] }]
  const { client } = await createClient(knex, { kind: 'service', name: 'Machine', actor })
  await updateClient(knex, client.id, { name: 'Robot', access }, { actor })

  const log = await entries(knex)
  const told = log.map(({ action, subject_kind, subject_id, user_id, before, after }) => {
    return { action, subject_kind, subject_id, user_id, before, after }
  })
  t.deepEqual(
    told.filter(({ action }) => action.endsWith('.update')),
    [
      {
        action: 'user.update',
        subject_kind: 'user',
        subject_id: id,
        user_id: id,
        before: { email: 'ada@example.com', email_verified: true },
        after: { email: 'ada@example.org', email_verified: false },
      },
      {
        action: 'user.update',
        subject_kind: 'user',
        subject_id: id,
        user_id: id,
        before: { name: 'Ada', roles: [] },
        after: { name: null, roles: ['a', 'b'] },
      },
      {
        action: 'resource.update',
        subject_kind: 'resource',
        subject_id: resource.id,
        user_id: null,
        before: { access_token_ttl: null },
        after: { access_token_ttl: 60 },
      },
      {
        action: 'client.update',
        subject_kind: 'client',
        subject_id: client.id,
        user_id: null,
        before: { name: 'Machine', access: [] },
        after: {
          name: 'Robot',
          access: [{ resource_id: resource.id, audience: resource.audience, scopes: ['read'] }],
        },
      },
    ],
  )
  t.is(log.find(({ action }) => action === 'client.create')?.before, null)
  t.deepEqual(log.find(({ action }) => action === 'resource.create')?.after, {
    ...settings(presentResource(resource)),
    access_token_ttl: null,
  })
})

test('changes that come at once leave entries that follow on one another and end in what is stored', async (t) => {
  const { knex } = await testDatabase(t, { poolMax: 8 })
  const { id: userId } = await person(knex, { username: 'ada', name: 'Ada' })
  const resource = await createResource(knex, { audience: AUDIENCE, name: 'Orders', scopes: [scope('s0')], actor })
  const access = [{ resource: AUDIENCE, scopes: ['s0'] }]
  const { client } = await createClient(knex, { kind: 'service', name: 'Machine', actor })
  const clientId = client.id

  const change = (n: number): Promise<unknown>[] => [
    updateUser(knex, { userId, changes: { name: `Ada ${n}`, roles: [`role${n}`] }, actor }),
    n % 2 ? disableUser(knex, { userId, actor }) : enableUser(knex, { userId, actor }),
    updateClient(knex, clientId, n % 2 ? { name: `Machine ${n}`, access } : { access: [] }, { actor }),
    n % 2 ? disableClient(knex, clientId, { actor }) : enableClient(knex, clientId, { actor }),
    rotateSecret(knex, { clientId, overlapSeconds: n % 2 ? 0 : 600, actor }),
    updateResource(knex, resource.id, { name: `Orders ${n}`, scopes: [scope('s0'), scope(`s${n}`)] }, { actor }),
  ]
  // Not more at a time than get a connection within the pool's patience on a busy machine.
  for (const n of [1, 3, 5, 7]) await Promise.all([...change(n), ...change(n + 1)])
  await setPassword(knex, { hasher }, { userId, password: OTHER_PASSWORD, actor })

  const now = {
    [userId]: settings(presentUser((await findUser(knex, userId))!)),
    [clientId]: settings(presentClient((await findClient(knex, clientId))!)),
    [resource.id]: settings(presentResource((await findResource(knex, resource.id))!)),
  }
  for (const [subject, state] of Object.entries(now)) {
    const log = await entries(knex, { subject })
    t.true(log.length > 4)
    t.deepEqual(replay(log), state)
    t.deepEqual(
      log,
      log.toSorted((a, b) => a.at.getTime() - b.at.getTime()),
      'in the order of time',
    )
  }
})

test('each yes to an app and its withdrawal tell what was allowed before and is allowed after', async (t) => {
  const { knex } = await testDatabase(t, { poolMax: 8 })
  const { id: userId } = await person(knex, { username: 'ada' })
  const clientId = await app(knex)
  await api(knex, AUDIENCE, ['a', 'b', 'c', 'd'])
  const yes = (scopes: string[], openid: string[] = [], mayCommit?: Promise<void>) =>
    knex.transaction(async (trx) => {
      await grantConsent(trx, { userId, clientId, openid, resources: { [AUDIENCE]: scopes }, actor: userId })
      await mayCommit
    })
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
  const slow = yes(['a'], ['openid'], mayCommit)
  const others = [yes(['b']), yes(['c'], ['email']), yes(['d'])]
  await waitingForLocks(knex, others.length)
  commit()
  await Promise.all([slow, ...others])
  const consent = await findConsent(knex, userId, clientId)
  t.deepEqual(consent?.resources, { [AUDIENCE]: ['a', 'b', 'c', 'd'] })
  t.deepEqual(replay(await entries(knex, { subject: clientId })), presentConsent(consent))

  await withdrawConsent(knex, { userId, clientId, actor: userId })
  const last = (await entries(knex, { subject: clientId })).at(-1)
  t.deepEqual(last?.before, { ...presentConsent(consent), live_families: 0 })
  t.is(last?.after, null)
})

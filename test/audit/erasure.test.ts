import test from 'ava'
import type { Knex } from 'knex'
import type { Database } from '../../src/database/connect.ts'
import { recordChange } from '../../src/events/audit.ts'
import type { Origin } from '../../src/lib/actor.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { grantConsent } from '../../src/registry/consents/grant.ts'
import { endSession } from '../../src/registry/sessions/end.ts'
import { createUser } from '../../src/registry/users/create.ts'
import { deleteUser } from '../../src/registry/users/delete.ts'
import { setPassword } from '../../src/registry/users/set-password.ts'
import { signIn } from '../../src/registry/users/sign-in.ts'
import { createLoginThrottle } from '../../src/registry/users/throttle.ts'
import { updateUser } from '../../src/registry/users/update.ts'
import { app, hasher, OTHER_PASSWORD, PASSWORD, person, session } from '../registry/people.ts'
import { testDatabase } from '../support/database.ts'
import { dump, entries, waitingForAdvisoryLock } from './fixture.ts'

const traceId = '0123456789abcdef0123456789abcdef'
const cli: Origin = { actor: 'cli', channel: 'cli', osUser: 'operator', address: '192.0.2.1', traceId }

function atHome(actor: string): Origin {
  return { actor, channel: 'page', address: '198.51.100.77', userAgent: 'Adas Browser/1.0', traceId }
}

/** What tells who somebody is, or was, or where. */
const PERSONAL = ['adalovelace', 'ada@byron', 'countess@king', 'Lovelace', 'Augusta', '198.51.100.77', 'Adas Browser']

/** A life: made, renamed, signed in, refused at the door, signed out, and acting on other things. */
async function live({ knex, pool }: Database): Promise<{ userId: string; clientId: string }> {
  const given = { username: 'adalovelace', email: 'ada@byron.example', name: 'Ada Lovelace', password: PASSWORD }
  const { id: userId } = await createUser(knex, { hasher }, { ...given, actor: cli })
  const me = atHome(userId)
  const attempt = { login: 'AdaLovelace', password: 'wrong', address: '198.51.100.77' }
  await signIn(pool, { hasher, throttle: createLoginThrottle() }, attempt)
  const changes = { username: 'countess@king.example', name: 'Augusta King' }
  await updateUser(knex, { userId, changes, actor: cli })
  await updateUser(knex, { userId, changes: { roles: ['admin'] }, actor: me })
  await setPassword(knex, { hasher }, { userId, password: OTHER_PASSWORD, actor: me })
  const browser = { user_agent: 'Adas Browser/1.0', address: '198.51.100.77' }
  await endSession(knex, { userId, uid: await session(knex, userId, browser), actor: me })
  await session(knex, userId, browser)
  const clientId = await app(knex)
  await knex.transaction((trx) => grantConsent(trx, { userId, clientId, openid: ['openid'], resources: {}, actor: me }))
  await createClient(knex, { kind: 'service', name: 'Engine', actor: me })
  return { userId, clientId }
}

async function mentions(knex: Knex): Promise<string[]> {
  const text = (await dump(knex)).join('\n').toLowerCase()
  return PERSONAL.filter((word) => text.includes(word.toLowerCase()))
}

test('of a deleted person no name, address or browser is left anywhere in the database', async (t) => {
  const db = await testDatabase(t)
  const { knex } = db
  const { userId } = await live(db)
  t.deepEqual(await mentions(knex), PERSONAL, 'there was something to erase')
  await deleteUser(knex, { userId, actor: cli })
  t.deepEqual(await mentions(knex), [])
})

test('nor of one who deletes the own account', async (t) => {
  const db = await testDatabase(t)
  const { knex } = db
  const { userId } = await live(db)
  await deleteUser(knex, { userId, actor: atHome(userId) })
  t.deepEqual(await mentions(knex), [])
})

test('what they did stays, under one pseudonym, and nobody else loses anything', async (t) => {
  const db = await testDatabase(t)
  const { knex } = db
  const bob = await person(knex, { username: 'bob', email: 'bob@example.com', name: 'Bob', actor: cli })
  await updateUser(knex, { userId: bob.id, changes: { name: 'Robert' }, actor: { ...cli, actor: bob.id } })
  const { userId, clientId } = await live(db)
  const [before, events] = [await entries(knex), await knex('events').count()]
  await deleteUser(knex, { userId, actor: cli })
  const after = await entries(knex)

  const bare = (log: typeof after) =>
    log.map(({ id, at, actor, action, subject_id }) => [id, at, actor, action, subject_id])
  t.deepEqual(bare(after).slice(0, -1), bare(before), 'who did what, when and on what')
  t.deepEqual(await knex('events').count(), [{ count: Number(events[0]?.count) + 1 }])
  const isHers = ({ actor, user_id }: (typeof after)[number]) => actor === userId || user_id === userId
  t.deepEqual(
    after.filter((entry) => !isHers(entry)),
    before.filter((entry) => !isHers(entry)),
  )

  const [pseudonym = '', ...others] = new Set(JSON.stringify(after).match(/erased:[0-9a-f]{8}/g))
  t.deepEqual(others, [], 'one for all')
  t.not(pseudonym, '')
  const of = (action: string) => after.findLast((entry) => entry.action === action && isHers(entry))
  t.like(of('user.create'), { address: '192.0.2.1', os_user: 'operator', actor: 'cli' }, 'the operator stays known')
  t.like(of('user.create')?.after, { username: pseudonym, email: pseudonym, name: pseudonym, email_verified: false })
  t.deepEqual(of('user.update')?.after, { roles: ['admin'] })
  t.like(of('user.delete'), { subject_id: userId, after: null })
  t.like(of('user.delete')?.before, { username: pseudonym, roles: ['admin'] })
  t.like(of('session.end')?.before, { address: pseudonym, user_agent: pseudonym })
  t.like(of('consent.grant'), { subject_id: clientId, address: pseudonym, user_agent: pseudonym, trace_id: traceId })
  t.like(of('client.create')?.after, { name: 'Engine' })
})

test('a change that a person makes while being deleted does not bring their address back', async (t) => {
  const db = await testDatabase(t)
  const { knex } = db
  const { userId } = await live(db)
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
  const { promise: written, resolve: wrote } = Promise.withResolvers<void>()
  const change = { action: 'client.update', subject: 'cli_x', before: { name: 'a' }, after: { name: 'b' } } as const
  const changing = knex.transaction(async (trx) => {
    await recordChange(trx, atHome(userId), change)
    wrote()
    await mayCommit
  })
  await written
  const deleting = deleteUser(knex, { userId, actor: cli })
  await Promise.race([deleting, waitingForAdvisoryLock(knex)])
  commit()
  await Promise.all([changing, deleting])
  t.deepEqual(await mentions(knex), [])

  await knex.transaction((trx) => recordChange(trx, atHome(userId), change))
  t.deepEqual(await mentions(knex), [], 'nor does one that is recorded afterwards')
})

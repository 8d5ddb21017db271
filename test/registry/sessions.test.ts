import test from 'ava'
import { endOtherSessions, endSession } from '../../src/registry/sessions/end.ts'
import { presentSession } from '../../src/registry/sessions/present.ts'
import { listSessions } from '../../src/registry/sessions/queries.ts'
import { testDatabase } from '../support/database.ts'
import { app, events, families, family, liveSessions, person, session, waitingForLocks } from './people.ts'

test('a person sees the live sessions, latest first, and neither ended nor expired ones nor those of others', async (t) => {
  const { knex } = await testDatabase(t)
  const [ada, bob] = [await person(knex, { username: 'ada' }), await person(knex, { username: 'bob' })]
  const old = await session(knex, ada.id, { last_seen_at: knex.raw(`now() - interval '1 hour'`) })
  const recent = await session(knex, ada.id, { user_agent: 'Firefox', address: '192.0.2.7' })
  await session(knex, ada.id, { ended_at: knex.fn.now() })
  await session(knex, ada.id, { expires_at: knex.raw(`now() - interval '1 second'`) })
  await session(knex, bob.id)

  const sessions = await listSessions(knex, ada.id)
  t.deepEqual(
    sessions.map(({ uid }) => uid),
    [recent, old],
  )
  t.like(sessions[0], { userAgent: 'Firefox', address: '192.0.2.7' })
  t.like(presentSession(sessions[0]!, recent), { id: recent, current: true, user_agent: 'Firefox' })
  t.false(Object.values(presentSession(sessions[1]!, recent))[1])
  t.deepEqual(await listSessions(knex, '\0'), [])
})

test('ending a session takes along what apps in that browser got in it; apps on a device stay', async (t) => {
  const { knex } = await testDatabase(t)
  const { id: userId } = await person(knex, { username: 'ada' })
  const [web, spa, native] = [await app(knex, 'web'), await app(knex, 'spa'), await app(knex, 'native')]
  const [here, there] = [await session(knex, userId), await session(knex, userId)]
  const ended = [await family(knex, userId, web, there), await family(knex, userId, spa, there)]
  const kept = [
    await family(knex, userId, native, there),
    await family(knex, userId, web, here),
    await family(knex, userId, web),
  ]

  t.true(await endSession(knex, { userId, uid: there, actor: userId }))
  t.deepEqual(await liveSessions(knex, userId), [here])
  t.deepEqual(await families(knex, userId), kept.toSorted())
  const [event] = await events(knex, 'session.ended')
  t.like(event, { subject: there, user_id: userId, actor: userId, data: { grants_revoked: 2 } })
  const told = await events(knex, 'grant.revoked')
  t.deepEqual(
    told.map(({ subject, client_id }) => [subject, client_id]).toSorted(),
    [
      [ended[0], web],
      [ended[1], spa],
    ].toSorted(),
  )
})

test("nobody ends another's session, and ending twice or nonsense does nothing", async (t) => {
  const { knex } = await testDatabase(t)
  const [ada, eve] = [await person(knex, { username: 'ada' }), await person(knex, { username: 'eve' })]
  const uid = await session(knex, ada.id)
  t.false(await endSession(knex, { userId: eve.id, uid, actor: eve.id }))
  t.deepEqual(await liveSessions(knex, ada.id), [uid])
  const ended = await Promise.all([1, 2, 3].map(() => endSession(knex, { userId: ada.id, uid, actor: ada.id })))
  t.is(ended.filter(Boolean).length, 1)
  for (const bad of ['', '\0', "' or 1=1 --", 'x'.repeat(10_000)]) {
    t.false(await endSession(knex, { userId: ada.id, uid: bad, actor: ada.id }))
    t.false(await endSession(knex, { userId: bad, uid, actor: ada.id }))
  }
  t.is((await events(knex, 'session.ended')).length, 1)
})

test('signing out everywhere else keeps this session and what was got in it', async (t) => {
  const { knex } = await testDatabase(t)
  const { id: userId } = await person(knex, { username: 'ada' })
  const web = await app(knex)
  const here = await session(knex, userId)
  for (const uid of [await session(knex, userId), await session(knex, userId)]) await family(knex, userId, web, uid)
  const kept = await family(knex, userId, web, here)

  t.is(await endOtherSessions(knex, { userId, keepUid: here, actor: userId }), 2)
  t.deepEqual(await liveSessions(knex, userId), [here])
  t.deepEqual(await families(knex, userId), [kept])
  t.is((await events(knex, 'session.ended')).length, 2)

  t.is(await endOtherSessions(knex, { userId, actor: 'cli' }), 1)
  t.deepEqual(await liveSessions(knex, userId), [])
})

test('ending is one transaction: when its event can not be written, the session and its grants stay', async (t) => {
  const { knex } = await testDatabase(t)
  const { id: userId } = await person(knex, { username: 'ada' })
  const uid = await session(knex, userId)
  const grant = await family(knex, userId, await app(knex), uid)
  await knex.raw(`alter table events add constraint broken check (type <> 'session.ended')`)
  await t.throwsAsync(endSession(knex, { userId, uid, actor: userId }))
  t.deepEqual([await liveSessions(knex, userId), await families(knex, userId)], [[uid], [grant]])
})

test('a grant that is being minted in a session while it ends does not survive it', async (t) => {
  const { knex } = await testDatabase(t)
  const { id: userId } = await person(knex, { username: 'ada' })
  const [web, uid] = [await app(knex), await session(knex, userId)]
  const minting = await knex.transaction()
  await family(minting, userId, web, uid)
  const ending = endSession(knex, { userId, uid, actor: userId })
  await waitingForLocks(knex)
  await minting.commit()
  t.true(await ending)
  t.deepEqual(await families(knex, userId), [])
})

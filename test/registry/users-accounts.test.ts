import test from 'ava'
import { RegistryError } from '../../src/registry/registry-error.ts'
import { deleteUser } from '../../src/registry/users/delete.ts'
import { disableUser, enableUser } from '../../src/registry/users/disable.ts'
import { listUsers, userSortings } from '../../src/registry/users/list.ts'
import { presentUser } from '../../src/registry/users/present.ts'
import { findActiveUser, findCredentials, findUser, findUserByLogin } from '../../src/registry/users/queries.ts'
import { setPassword } from '../../src/registry/users/set-password.ts'
import { updateUser } from '../../src/registry/users/update.ts'
import { testDatabase } from '../support/database.ts'
import {
  app,
  events,
  families,
  family,
  hasher,
  liveSessions,
  OTHER_PASSWORD,
  PASSWORD,
  person,
  session,
  waitingForLocks,
} from './people.ts'

test('a user is found by id, by username and by e-mail address in any spelling', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const ada = await person(knex, { username: 'Ada', email: 'Ada@Example.com', name: 'Ada', roles: ['staff', 'admin'] })
  t.is(ada.username, 'ada')
  t.deepEqual(ada.roles, ['admin', 'staff'])
  for (const login of ['ada', ' ADA ', 'ada@example.com', 'ADA@EXAMPLE.COM']) {
    t.deepEqual(await findUserByLogin(knex, login), ada)
  }
  t.deepEqual(await findUser(knex, ada.id), ada)
  t.deepEqual(await findActiveUser(pool, ada.id), ada)
})

test('hostile ids and login names find nobody and raise nothing', async (t) => {
  const { knex, pool } = await testDatabase(t)
  for (const bad of ['', '\0', 'usr_\0', "' or 1=1 --", '\ud800', 'x'.repeat(100_000), '%', 'null']) {
    t.is(await findUser(knex, bad), undefined)
    t.is(await findActiveUser(pool, bad), undefined)
    t.is(await findUserByLogin(knex, bad), undefined)
  }
})

test('what may leave the server holds no hash', async (t) => {
  const { knex } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  t.is(Object.keys(presentUser(ada))[0], 'id')
  t.notRegex(JSON.stringify([ada, presentUser(ada)]), /argon2|hash/i)
})

test('a weak password makes no account, and neither does one with the name of its owner in it', async (t) => {
  const { knex } = await testDatabase(t)
  for (const password of ['short', 'passwordpassword', 'lovelace wkzvq mptd']) {
    await t.throwsAsync(person(knex, { username: 'lovelace', password }), {
      instanceOf: RegistryError,
      message: /^password /,
    })
  }
  t.deepEqual(await listUsers(knex, { limit: 10 }), { users: [] })
  t.deepEqual(await events(knex), [])
})

test('of accounts with one username or address made at once, one is made and the others name the field', async (t) => {
  const { knex } = await testDatabase(t)
  const made = await Promise.allSettled([
    ...['ada', 'ADA', 'ａｄａ'].map((username) => person(knex, { username })),
    ...['bob', 'eve'].map((username) => person(knex, { username, email: 'shared@example.com' })),
  ])
  t.is(made.filter(({ status }) => status === 'fulfilled').length, 2)
  const refused = made.flatMap((result) => (result.status === 'rejected' ? [result.reason as RegistryError] : []))
  t.deepEqual(
    refused.map(({ code, field }) => `${code} ${field}`),
    ['conflict username', 'conflict username', 'conflict email'],
  )
  t.is((await events(knex, 'user.created')).length, 2)
})

test("nobody can take another's e-mail address for a username", async (t) => {
  const { knex } = await testDatabase(t)
  await person(knex, { username: 'ada', email: 'ada@example.com' })
  await t.throwsAsync(person(knex, { username: 'ada@example.com' }), { instanceOf: RegistryError })
  const eve = await person(knex, { username: 'eve' })
  const theft = updateUser(knex, { userId: eve.id, changes: { username: 'ada@example.com' }, actor: 'cli' })
  t.is((await t.throwsAsync(theft, { instanceOf: RegistryError }))?.field, 'email')
  await t.throwsAsync(knex('users').where({ id: eve.id }).update({ username: 'ada@example.com' }), {
    message: /username_with_at_is_the_email/,
  })
})

test('every write leaves its event, with who did it and without names, addresses or secrets', async (t) => {
  const { knex } = await testDatabase(t)
  const { id: userId } = await person(knex, {
    username: 'ada',
    email: 'ada@example.com',
    name: 'Ada',
    actor: 'usr_admin',
  })
  await updateUser(knex, { userId, changes: { name: 'Lady Ada', roles: ['admin'] }, actor: 'usr_admin' })
  await setPassword(knex, { hasher }, { userId, password: OTHER_PASSWORD, actor: userId })
  await disableUser(knex, { userId, actor: 'cli' })
  await enableUser(knex, { userId, actor: 'cli' })
  await deleteUser(knex, { userId, actor: 'cli' })
  const log = await events(knex)
  t.deepEqual(
    log.map(({ type, actor }) => `${type} ${actor}`),
    [
      'user.created usr_admin',
      'user.updated usr_admin',
      `user.password_changed ${userId}`,
      'user.disabled cli',
      'user.enabled cli',
      'user.deleted cli',
    ],
  )
  t.true(log.every((event) => event.subject === userId && event.user_id === userId))
  t.notRegex(JSON.stringify(log), /Lady|example\.com|argon2|lantern|thimble/)
})

test('an update counts the version, writes only what differs, and un-verifies a new address', async (t) => {
  const { knex } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada', email: 'ada@example.com', emailVerified: true })
  t.true(ada.emailVerified)
  const same = await updateUser(knex, {
    userId: ada.id,
    changes: { email: 'ADA@example.com', roles: [] },
    actor: 'cli',
  })
  t.deepEqual(same, ada)
  t.is((await events(knex, 'user.updated')).length, 0)

  const moved = await updateUser(knex, { userId: ada.id, changes: { email: 'ada@example.org' }, actor: 'cli' })
  t.false(moved.emailVerified)
  t.is(moved.version, ada.version + 1)
  const cleared = await updateUser(knex, {
    userId: ada.id,
    changes: { email: null, emailVerified: true },
    actor: 'cli',
  })
  t.is(cleared.email, null)
  t.false(cleared.emailVerified)
})

test('of two writers who read the same version, the second is told', async (t) => {
  const { knex } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  const write = (name: string) =>
    updateUser(knex, { userId: ada.id, changes: { name }, ifVersion: ada.version, actor: 'cli' })
  const results = await Promise.allSettled([write('One'), write('Two')])
  t.is(results.filter(({ status }) => status === 'fulfilled').length, 1)
  const lost = results.find((result) => result.status === 'rejected')?.reason as RegistryError
  t.is(`${lost.code} ${lost.field}`, 'conflict version')
  await t.throwsAsync(deleteUser(knex, { userId: ada.id, ifVersion: ada.version, actor: 'cli' }), {
    instanceOf: RegistryError,
  })
})

test('an address or username that is taken is refused in an update, too', async (t) => {
  const { knex } = await testDatabase(t)
  await person(knex, { username: 'ada', email: 'ada@example.com' })
  const eve = await person(knex, { username: 'eve' })
  for (const [field, changes] of [
    ['username', { username: 'ADA' }],
    ['email', { email: 'ada@EXAMPLE.com' }],
  ] as const) {
    const error = await t.throwsAsync(updateUser(knex, { userId: eve.id, changes, actor: 'cli' }), {
      instanceOf: RegistryError,
    })
    t.is(`${error?.code} ${error?.field}`, `conflict ${field}`)
  }
})

test('what does not exist is not found, by every verb', async (t) => {
  const { knex } = await testDatabase(t)
  for (const userId of [`usr_${'a'.repeat(26)}`, 'nonsense', '\0']) {
    const verbs = [
      updateUser(knex, { userId, changes: { name: 'x' }, actor: 'cli' }),
      setPassword(knex, { hasher }, { userId, password: PASSWORD, actor: 'cli' }),
      disableUser(knex, { userId, actor: 'cli' }),
      enableUser(knex, { userId, actor: 'cli' }),
      deleteUser(knex, { userId, actor: 'cli' }),
    ]
    for (const verb of verbs) t.is((await t.throwsAsync(verb, { instanceOf: RegistryError }))?.code, 'not_found')
  }
})

test('changing the password ends other sessions and every grant, and keeps the session it was done in', async (t) => {
  const { knex } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  const bob = await person(knex, { username: 'bob' })
  const clientId = await app(knex)
  const here = await session(knex, ada.id)
  await session(knex, ada.id)
  await family(knex, ada.id, clientId, here)
  await family(knex, ada.id, clientId)
  const others = [await session(knex, bob.id), await family(knex, bob.id, clientId)]

  const changed = await setPassword(
    knex,
    { hasher },
    { userId: ada.id, password: OTHER_PASSWORD, actor: ada.id, keepSessionUid: here },
  )

  t.true(changed.passwordChangedAt instanceof Date)
  t.deepEqual(await liveSessions(knex, ada.id), [here])
  t.deepEqual(await families(knex, ada.id), [])
  t.deepEqual([...(await liveSessions(knex, bob.id)), ...(await families(knex, bob.id))], others)
  t.deepEqual((await events(knex, 'user.password_changed'))[0]?.data, { sessions_ended: 1, grants_revoked: 2 })
  const ended = await knex('sessions').where({ user_id: ada.id }).whereNotNull('ended_at').first()
  t.deepEqual([ended.id_digest, ended.payload], [null, {}])
})

test('changing the password is one transaction: when its event can not be written, nothing has changed', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  const uid = await session(knex, ada.id)
  const grant = await family(knex, ada.id, await app(knex))
  await knex.raw(`alter table events add constraint broken check (type <> 'user.password_changed')`)

  await t.throwsAsync(setPassword(knex, { hasher }, { userId: ada.id, password: OTHER_PASSWORD, actor: ada.id }))

  t.deepEqual(await findUser(knex, ada.id), ada)
  t.deepEqual([await liveSessions(knex, ada.id), await families(knex, ada.id)], [[uid], [grant]])
  const kept = await findCredentials(pool, 'ada')
  t.true((await hasher.verify(kept?.passwordHash, PASSWORD)).valid)
})

test('a grant that is being minted while the password changes does not survive it', async (t) => {
  const { knex } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  const clientId = await app(knex)
  const minting = await knex.transaction()
  await family(minting, ada.id, clientId)

  const change = setPassword(knex, { hasher }, { userId: ada.id, password: OTHER_PASSWORD, actor: ada.id })
  await waitingForLocks(knex)
  await minting.commit()
  await change

  t.deepEqual(await families(knex, ada.id), [])
})

test('disabling a user ends sessions and grants, and hides the user from the token path at once', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  await session(knex, ada.id)
  await family(knex, ada.id, await app(knex))
  const disabled = await disableUser(knex, { userId: ada.id, actor: 'cli' })
  t.true(disabled.disabledAt instanceof Date)
  t.is(await findActiveUser(pool, ada.id), undefined)
  t.deepEqual([await liveSessions(knex, ada.id), await families(knex, ada.id)], [[], []])

  await disableUser(knex, { userId: ada.id, actor: 'cli' })
  t.is((await events(knex, 'user.disabled')).length, 1)
})

test('re-enabling revives nothing, not even what slipped in while the account was shut', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  const clientId = await app(knex)
  await session(knex, ada.id)
  await family(knex, ada.id, clientId)
  await disableUser(knex, { userId: ada.id, actor: 'cli' })
  await session(knex, ada.id)
  await family(knex, ada.id, clientId)

  await enableUser(knex, { userId: ada.id, actor: 'cli' })

  t.is((await findActiveUser(pool, ada.id))?.id, ada.id)
  t.deepEqual([await liveSessions(knex, ada.id), await families(knex, ada.id)], [[], []])
})

test('a deleted user takes sessions, grants, tokens and consents along and leaves the history', async (t) => {
  const { knex } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  await session(knex, ada.id)
  await family(knex, ada.id, await app(knex))
  await deleteUser(knex, { userId: ada.id, actor: 'cli' })
  for (const table of ['users', 'sessions', 'grants', 'refresh_tokens']) t.is((await knex(table)).length, 0, table)
  t.deepEqual(
    (await events(knex)).map(({ type }) => type),
    ['user.created', 'user.deleted'],
  )
})

test('a list read page by page tells everyone once, in every order, while others come and go', async (t) => {
  const { knex } = await testDatabase(t)
  // One insert: all share the microsecond in which they were made.
  await knex.raw(`insert into users (id, username, roles)
    select 'usr_' || repeat('a', 24) || chr(97 + n / 26) || chr(97 + n % 26), 'user' || n, array['even']
    from generate_series(0, 29) n`)
  await knex.raw(`update users set created_at = created_at + interval '1 microsecond' * length(username)`)
  const sortings = userSortings.flatMap((by) => [false, true].map((descending) => ({ by, descending })))
  for (const sorting of sortings) {
    const whole = await listUsers(knex, { limit: 100, sorting })
    t.is(whole.next, undefined)
    const seen: string[] = []
    for (let page = await listUsers(knex, { limit: 7, sorting }); ;) {
      seen.push(...page.users.map(({ username }) => username))
      if (!page.next) break
      page = await listUsers(knex, { limit: 7, sorting, after: page.next })
    }
    t.deepEqual(
      seen,
      whole.users.map(({ username }) => username),
    )
    t.is(new Set(seen).size, 30)
  }
  const byName = await listUsers(knex, { limit: 100, sorting: { by: 'username', descending: true } })
  t.deepEqual(
    byName.users
      .map(({ username }) => username)
      .toSorted()
      .toReversed(),
    byName.users.map(({ username }) => username),
  )

  const first = await listUsers(knex, { limit: 10, sorting: { by: 'username', descending: false } })
  await knex('users').where({ id: first.next?.id }).delete()
  const second = await listUsers(knex, {
    limit: 100,
    sorting: { by: 'username', descending: false },
    after: first.next,
  })
  t.is(second.users.length, 20)
  t.is((await listUsers(knex, { limit: 100, role: 'even', disabled: false })).users.length, 29)
  t.is((await listUsers(knex, { limit: 100, role: 'odd' })).users.length, 0)
  t.is((await listUsers(knex, { limit: 100, disabled: true })).users.length, 0)

  const byNumber = await listUsers(knex, { limit: 10, offset: 20, wantsTotal: true })
  t.deepEqual([byNumber.users.length, byNumber.total, byNumber.next], [9, 29, undefined])
})

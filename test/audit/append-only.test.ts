import test from 'ava'
import type { Knex } from 'knex'
import { sweep } from '../../src/database/sweeper.ts'
import { expiredAuditEntries } from '../../src/events/audit-retention.ts'
import { deleteUser } from '../../src/registry/users/delete.ts'
import { updateUser } from '../../src/registry/users/update.ts'
import { testDatabase } from '../support/database.ts'
import { person } from '../registry/people.ts'
import { entries } from './fixture.ts'

const REFUSED = { code: '42501', message: /append-only/ }

const actor = { actor: 'cli', channel: 'cli', address: '192.0.2.1' } as const

const ATTEMPTS = [
  `update audit_log set actor = 'somebody else'`,
  `update audit_log set at = at - interval '1 day'`,
  `update audit_log set id = default`,
  `update audit_log set after = '{}' where after is not null`,
  `update audit_log set address = null, user_agent = null, before = null`,
  `delete from audit_log`,
  `delete from audit_log where id = (select max(id) from audit_log)`,
  `truncate audit_log`,
  `truncate audit_log, events cascade`,
]

async function refuse(
  t: { throwsAsync: (promise: Promise<unknown>, expected: object, message: string) => unknown },
  db: Knex,
  attempts: string[],
) {
  for (const attempt of attempts) await t.throwsAsync(Promise.resolve(db.raw(attempt)), REFUSED, attempt)
}

test("entries can't be changed, deleted or truncated by the application's own role", async (t) => {
  const { knex } = await testDatabase(t)
  await person(knex, { username: 'ada', actor })
  const log = await entries(knex)
  await refuse(t, knex, ATTEMPTS)
  t.deepEqual(await entries(knex), log)
})

test('nor as a replica would, which fires no ordinary trigger', async (t) => {
  const { knex } = await testDatabase(t)
  await person(knex, { username: 'ada', actor })
  const log = await entries(knex)
  for (const attempt of ATTEMPTS) {
    const asReplica = knex.transaction(async (trx) => {
      await trx.raw('set local session_replication_role = replica')
      await trx.raw(attempt)
    })
    await t.throwsAsync(asReplica, REFUSED, attempt)
  }
  t.deepEqual(await entries(knex), log)
})

test('nor by pretending to erase: who is there stays named, and who is gone leaves no more room than a pseudonym', async (t) => {
  const { knex } = await testDatabase(t)
  const [ada, bob] = [await person(knex, { username: 'ada' }), await person(knex, { username: 'bob' })]
  await updateUser(knex, { userId: ada.id, changes: { roles: ['admin'] }, actor: bob.id })
  const erase = (id: string) => `update audit_log
    set after = erased_fields(after, erased_name('${id}')), address = erased_name('${id}') where user_id = '${id}'`
  await refuse(t, knex, [erase(ada.id)])

  await deleteUser(knex, { userId: ada.id, actor: 'cli' })
  const log = await entries(knex)
  await refuse(t, knex, [
    erase(ada.id),
    `update audit_log set after = after || '{"username":"erased:00000000"}' where user_id = '${ada.id}'`,
    `update audit_log set after = after || '{"roles":[]}' where user_id = '${ada.id}'`,
    `update audit_log set action = 'user.disable' where user_id = '${ada.id}'`,
    `update audit_log set user_id = null where user_id = '${ada.id}'`,
    `update audit_log set after = erased_fields(after, erased_name(user_id)) where user_id = '${bob.id}'`,
  ])
  t.deepEqual(await entries(knex), log)
})

test('old entries go only by the retention that the operator has set, and those of the last 90 days never', async (t) => {
  const db = await testDatabase(t)
  const { knex } = db
  const ages = [500, 400, 100, 91, 89, 1]
  for (const days of ages) {
    await knex('audit_log').insert({
      at: knex.raw('now() - make_interval(days => ?)', [days]),
      actor: 'cli',
      channel: 'cli',
      action: 'user.create',
      subject_kind: 'user',
      subject_id: `${days} days`,
    })
  }
  const left = async () => (await knex('audit_log').orderBy('at')).map((row: { subject_id: string }) => row.subject_id)
  await refuse(t, knex, [`delete from audit_log where at < now() - interval '1 year'`])
  for (const said of ['1 second', '89 days', '-1 years', '450 days']) {
    const attempt = `set local grantry.audit_retention = '${said}'; delete from audit_log where subject_id = '400 days'`
    await refuse(t, knex, [attempt])
  }
  t.is(await sweep(db, [expiredAuditEntries(450 * 86_400)]), 1)
  t.deepEqual(await left(), ['400 days', '100 days', '91 days', '89 days', '1 days'])
  t.is(await sweep(db, [expiredAuditEntries(90 * 86_400)]), 3)
  t.deepEqual(await left(), ['89 days', '1 days'])
  t.is(await sweep(db, [expiredAuditEntries(30 * 86_400)]), 0, 'refused by the database')
  t.deepEqual(await left(), ['89 days', '1 days'])
})

/** The audit log in the management API. */
import anyTest, { type TestFn } from 'ava'
import { disableUser } from '../../src/registry/users/disable.ts'
import { updateUser } from '../../src/registry/users/update.ts'
import { startManagement, type Caller, type Management } from '../support/management.ts'
import { buildUser } from '../support/registry.ts'

interface Parts extends Management {
  auditor: Caller
  /** Ids of entries of one user, in the order in which they were written. */
  ids: string[]
  userId: string
}

const test = anyTest as TestFn<Parts>
const ends: (() => unknown)[] = []

test.before(async (t) => {
  const management = await startManagement({ teardown: (end) => void ends.unshift(end) })
  const { knex } = management.server.db
  const { id: userId } = await buildUser(management.server.db, { username: 'ada', actor: 'cli' })
  for (const name of ['One', 'Two', 'Three']) await updateUser(knex, { userId, changes: { name }, actor: 'first-run' })
  await disableUser(knex, { userId, actor: 'cli' })
  const ids = (await knex('audit_log').where({ subject_id: userId }).orderBy('id').pluck<number[]>('id')).map(String)
  t.context = { ...management, auditor: await management.withKey('audit-events:read'), ids, userId }
})

test.after.always(async () => {
  for (const end of ends) await end()
})

async function list({ auditor }: Parts, query: string): Promise<string[]> {
  const { status, body } = await auditor('GET', `/audit-events?${query}`)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body.data.map(({ id }: { id: string }) => id)
}

test('who changed what is told, the latest first', async (t) => {
  const { ids, userId, auditor, server } = t.context
  t.deepEqual(await list(t.context, `subject=${userId}`), ids.toReversed())
  const { body } = await auditor('GET', `/audit-events/${ids[2]}`)
  t.like(body, {
    id: ids[2],
    actor: 'first-run',
    action: 'user.update',
    subject_kind: 'user',
    subject_id: userId,
    user_id: userId,
    before: { name: 'One' },
    after: { name: 'Two' },
    os_user: null,
  })
  const [self, history] = [body.links.self.href, body.links.subject_history.href]
  t.is(self, `${server.issuer}/api/v1/audit-events/${ids[2]}`)
  t.deepEqual(await list(t.context, new URL(history).search.slice(1)), ids.toReversed())
})

test('filters narrow the list together', async (t) => {
  const { ids, userId } = t.context
  t.deepEqual(await list(t.context, `user_id=${userId}&actor=first-run&sort=at`), ids.slice(1, 4))
  t.deepEqual(await list(t.context, `user_id=${userId}&action=user.disable`), ids.slice(4))
  t.deepEqual(await list(t.context, `user_id=${userId}&actor=system`), [])
  t.deepEqual(await list(t.context, 'subject=nobody'), [])
  const times = await t.context.server.db.knex('audit_log').whereIn('id', [ids[1]!, ids[3]!]).orderBy('id').pluck('at')
  const [from, until] = times.map((at: Date) => at.toISOString())
  const between = await list(t.context, `subject=${userId}&sort=at&at[gte]=${from}&at[lte]=${until}`)
  t.true(ids.slice(1, 4).every((id) => between.includes(id)))
  t.deepEqual(await list(t.context, `subject=${userId}&at[gt]=${new Date(Date.now() + 60_000).toISOString()}`), [])
})

test('paging while entries are written tells each once', async (t) => {
  const { auditor, server, ids } = t.context
  const { knex } = server.db
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await auditor('GET', `/audit-events?limit=2&cursor=${cursor}`)
    seen.push(...body.data.map(({ id }: { id: string }) => id))
    cursor = body.pagination.next_cursor
    await knex('audit_log').insert({
      actor: 'system',
      channel: 'system',
      action: 'key.publish',
      subject_kind: 'key',
      subject_id: 'k',
    })
  } while (cursor)
  t.is(new Set(seen).size, seen.length)
  t.deepEqual(
    seen,
    seen.toSorted((a, b) => Number(b) - Number(a)),
  )
  for (const id of ids) t.true(seen.includes(id))
})

test('the list is told as a table', async (t) => {
  const { auditor, userId, ids } = t.context
  const { headers, body } = await auditor('GET', `/audit-events?subject=${userId}`, { headers: { accept: 'text/csv' } })
  t.regex(headers.get('content-type') ?? '', /^text\/csv/)
  const lines = String(body).trim().split('\r\n')
  t.is(lines.length, ids.length + 1)
  t.true(lines[1]!.startsWith(`${ids[4]},`))
})

test('what is not there, or not to be asked for, is refused', async (t) => {
  const { auditor, withKey, withToken } = t.context
  for (const id of ['0', '01', '999999999', '99999999999999999999999', '-1', '1.5', 'x', '%20']) {
    t.is((await auditor('GET', `/audit-events/${id}`)).status, 404, id)
  }
  for (const query of ['sort=actor', 'page=1', 'action=user.eat', 'at=2030-01-01', 'at[gte]=soon', 'trace_id=x']) {
    t.is((await auditor('GET', `/audit-events?${query}`)).status, 400, query)
  }
  const other = await withKey('users:read', 'users:write', 'events:read')
  for (const path of ['/audit-events', `/audit-events/${t.context.ids[0]}`]) {
    t.is((await other('GET', path)).status, 403)
    t.is((await withToken(undefined)('GET', path)).status, 401)
    t.is((await auditor('DELETE', path)).status, 405)
  }
})

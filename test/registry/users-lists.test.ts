/** Lists of users at a size where reading everything would show. One database of many users, read by all tests. */
import test from 'ava'
import type { Position } from '../../src/lib/keyset.ts'
import { listUsers, userSortings, type UserListOptions } from '../../src/registry/users/list.ts'
import { testDatabase, type TestDatabase, type Teardown } from '../support/database.ts'
import { person } from './people.ts'

const MANY = 20_000

const endings: (() => unknown)[] = []
const collector: Teardown = { teardown: (end) => void endings.unshift(end) }
let db: TestDatabase

test.before(async () => {
  db = await testDatabase(collector)
  await db.knex.raw(
    `insert into users (id, username, email, name, roles, disabled_at, created_at, updated_at)
     select 'usr_' || lpad(translate(to_hex(n * 7919 % 1000003), '0189', 'wxyz'), 26, 'a'), 'user' || n,
       'mail' || n || '@example.com', 'Person ' || n, case when n % 1000 = 0 then array['rare'] else array['staff'] end,
       case when n % 500 = 0 then now() end, now() - n * interval '1 second', now() - (n * 31 % 20011) * interval '1 second'
     from generate_series(1, ?) n`,
    [MANY],
  )
  await db.knex.raw('vacuum analyze users')
})

test.after.always(async () => {
  for (const end of endings) await end()
})

interface Plan {
  'Node Type': string
  'Actual Rows': number
  'Rows Removed by Filter'?: number
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  Plans?: Plan[]
}

/** What the statement behind a list cost: pages of the table and its indexes, rows at its leaves, and how it went. */
async function costOf(options: UserListOptions): Promise<{ blocks: number; rows: number; nodes: string[] }> {
  const statements: { sql: string; bindings: unknown[] }[] = []
  const note = (query: (typeof statements)[number]) => statements.push(query)
  db.knex.on('query', note)
  await listUsers(db.knex, options)
  db.knex.off('query', note)
  const [{ sql, bindings }] = statements as [(typeof statements)[number]]
  const { rows } = await db.pool.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `explain (analyze, buffers, format json) ${sql}`,
    bindings,
  )
  const plan = rows[0]!['QUERY PLAN'][0].Plan
  const nodes = flatten(plan)
  const leaves = nodes.filter(({ Plans }) => !Plans)
  return {
    blocks: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
    rows: leaves.reduce((sum, leaf) => sum + leaf['Actual Rows'] + (leaf['Rows Removed by Filter'] ?? 0), 0),
    nodes: nodes.map((node) => node['Node Type']),
  }
}

function flatten(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(flatten)]
}

/** The position after so many users. */
async function positionAfter(count: number, options: Omit<UserListOptions, 'limit'>): Promise<Position> {
  const { next } = await listUsers(db.knex, { ...options, offset: count - 1, limit: 1 })
  return next!
}

test.serial('a page far back reads no more than the first, in every order', async (t) => {
  for (const by of userSortings) {
    for (const descending of [false, true]) {
      const options = { sorting: { by, descending }, limit: 20 }
      const first = await costOf(options)
      const far = await costOf({ ...options, after: await positionAfter(MANY - 1000, options) })
      const order = `${descending ? '-' : ''}${by}`
      t.true(far.rows <= 30, `${order}: ${far.rows} rows`)
      t.true(far.blocks <= first.blocks * 1.3 + 10, `${order}: ${far.blocks} blocks after ${first.blocks}`)
      t.false(far.nodes.includes('Seq Scan'), order)
    }
  }
})

test.serial('filters that few users pass do not read the others', async (t) => {
  const filters = { rare: { role: 'rare' }, disabled: { disabled: true }, prefix: { prefix: 'USER1999' } }
  for (const [name, filter] of Object.entries(filters)) {
    const { rows, nodes } = await costOf({ ...filter, sorting: { by: 'created_at', descending: true }, limit: 20 })
    t.true(rows < 300, `${name}: ${rows} rows`)
    t.false(nodes.includes('Seq Scan'), name)
  }
})

test.serial('a list is counted whole, whatever part of it is shown', async (t) => {
  const { users, total } = await listUsers(db.knex, { disabled: true, limit: 3, wantsTotal: true })
  t.deepEqual([users.length, total], [3, MANY / 500])
})

test.serial('users are found by any spelling of a login name, and by how a name begins', async (t) => {
  const { knex } = db
  await person(knex, { username: 'zoe', email: 'Zoe_100%@Example.com', name: 'Zoë Ålund', roles: ['odd'] })
  const found = async (filter: Partial<UserListOptions>) =>
    (await listUsers(knex, { limit: 10, ...filter })).users.map(({ username }) => username)
  for (const username of ['zoe', ' ZOE ', 'ｚｏｅ']) t.deepEqual(await found({ username }), ['zoe'], username)
  t.deepEqual(await found({ email: 'ZOE_100%@EXAMPLE.COM' }), ['zoe'])
  for (const prefix of ['Zo', 'zoë å', 'ZOË Å', 'zoe_', 'zoe_100%@', ' zoe']) {
    t.deepEqual(await found({ prefix }), ['zoe'], prefix)
  }
  for (const prefix of ['%zoe', '_oe', 'zo%', 'zoe\\', 'lund', 'zoe100'])
    t.deepEqual(await found({ prefix }), [], prefix)
  for (const hostile of ['\0', '\ud800', 'usr_\0', '@', 'a@b', 'x'.repeat(300)]) {
    t.deepEqual(await found({ username: hostile }), [])
    t.deepEqual(await found({ email: hostile }), [])
  }
  t.deepEqual(await found({ username: 'zoe', role: 'staff' }), [])
})

test.serial('a list between two times holds what was made between them', async (t) => {
  const [first, , third] = (await listUsers(db.knex, { limit: 3 })).users
  const createdAt = { gte: first!.createdAt.toISOString(), lt: third!.createdAt.toISOString() }
  const { users } = await listUsers(db.knex, { limit: 10, createdAt })
  t.is(users.length, 2)
  t.is(users[0]!.id, first!.id)
})

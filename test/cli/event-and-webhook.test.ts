/** The feed and its webhooks by command: in one order, with cursors, beside a server or without one. */
import test from 'ava'
import { startOrdering } from '../../src/events/order.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { testDatabase } from '../support/database.ts'
import { operator } from './operator.ts'

interface Line {
  cursor: string | null
  id: string
  type: string
  subject: string
}

const log = createLogger({ level: 'silent' })

test('what has no place in the feed yet is listed last, and what has one by its cursor', async (t) => {
  const db = await testDatabase(t)
  const { json } = await operator(t, db.url)
  for (const username of ['ann', 'bob', 'cid']) await json(['user', 'create', '--username', username])
  const ordering = await startOrdering({ db, log })
  while ((await db.knex('events').whereNull('position')).length > 0)
    await new Promise((resolve) => setTimeout(resolve, 5))
  await ordering.stop()
  await json(['user', 'create', '--username', 'dan'])
  const all: Line[] = await json(['event', 'list'])
  t.deepEqual(
    all.map(({ cursor }) => cursor),
    ['1', '2', '3', null],
  )
  t.deepEqual(await json(['event', 'list', '--limit', '2']), all.slice(-2))
  t.deepEqual(await json(['event', 'list', '--after', '1', '--limit', '1']), all.slice(1, 2))
  t.deepEqual(await json(['event', 'list', '--after', '2']), all.slice(2))
})

test('tail begins after a cursor, puts in order what nobody has, and tells what fits the filter', async (t) => {
  const db = await testDatabase(t)
  const { spawn, json, run } = await operator(t, db.url)
  for (const username of ['ann', 'bob']) await json(['user', 'create', '--username', username])
  await json(['client', 'create', '--kind', 'service', '--name', 'Machine'])
  let acted = false
  const { status, stdout } = await spawn(['event', 'tail', '--after', '1', '--channel', 'users', '--json'], {
    onOutput: (child, sofar) => {
      const lines = sofar.split('\n').length - 1
      if (lines === 1 && !acted) {
        acted = true
        void json(['client', 'create', '--kind', 'service', '--name', 'Another']).then(() =>
          json(['user', 'create', '--username', 'cid']),
        )
      }
      if (lines === 2) child.kill('SIGINT')
    },
  })
  t.is(status, 0)
  const told = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  t.deepEqual(
    told.map(({ cursor, type }) => [cursor, type]),
    [
      ['2', 'user.created'],
      ['5', 'user.created'],
    ],
  )
  const { stderr } = await run(['event', 'tail', '--after', '4711'])
  t.is(stderr, 'grantry: there is no event at this cursor yet\n')
})

test('a webhook is made, shown, sent what it missed, and deleted', async (t) => {
  const db = await testDatabase(t)
  const { json, run } = await operator(t, db.url)
  for (const username of ['ann', 'bob']) await json(['user', 'create', '--username', username])
  const url = 'http://127.0.0.1:9/hook'
  const { secret, ...made } = await json(['webhook', 'create', '--url', url, '--event', 'user.*'])
  t.regex(secret, /^whsec_/)
  t.like(made, { url, events: ['user.*'], owner: 'cli', state: 'active' })
  t.deepEqual(await json(['webhook', 'show', made.id]), made)
  t.deepEqual(await json(['webhook', 'list']), [made])
  t.false((await run(['webhook', 'list'])).stdout.includes(secret))

  const queued = () =>
    db.knex('webhook_deliveries').where({ webhook_id: made.id }).orderBy('created_at').pluck('event_id')
  const replay = ['event', 'replay', '--webhook', made.id]
  t.deepEqual(await json([...replay, '--from', '1']), { webhook: made.id, deliveries: 2 })
  const events: Line[] = await json(['event', 'list'])
  t.deepEqual(
    (await queued()).toSorted(),
    events.slice(0, 2).map(({ id }) => id),
  )
  t.deepEqual(await json([...replay, '--event', events[1]!.id]), { webhook: made.id, deliveries: 1 })
  t.deepEqual(await json([...replay, '--from', '1', '--to', '1']), { webhook: made.id, deliveries: 1 })
  t.is((await queued()).length, 4)
  for (const [args, message] of [
    [replay, 'give --event or --from'],
    [[...replay, '--event', 'evt_1', '--from', '1'], 'give --event or --from'],
    [['event', 'replay', '--webhook', 'whk_none', '--from', '1'], 'there is no webhook "whk_none"'],
    [['webhook', 'create', '--url', url, '--event', 'user.made'], 'there is no event "user.made"; '],
  ] as const) {
    const { status, stderr } = await run([...args])
    t.is(status, 1)
    t.true(stderr.startsWith(`grantry: ${message}`), stderr)
  }
  t.deepEqual(await json(['webhook', 'delete', made.id]), { id: made.id, deleted: true })
  t.is((await run(['webhook', 'show', made.id])).stderr, `grantry: there is no webhook "${made.id}"\n`)
})

/** Tokens that are given out, as events: counted, or one by one. */
import test from 'ava'
import { startTokenCounts } from '../../src/events/token-counts.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { testDatabase } from '../support/database.ts'

const log = createLogger({ level: 'silent' })
const told = ({ knex }: { knex: import('knex').Knex }) =>
  knex('events').where('type', 'like', 'token.%').orderBy('id').select('type', 'client_id', 'user_id', 'data')

test('what a client got is one event for each grant type, written in its time and at a stop', async (t) => {
  const db = await testDatabase(t)
  let at = Date.UTC(2030, 0, 1)
  const counts = startTokenCounts({ pool: db.pool, log, mode: 'counted', now: () => at })
  for (const grantType of ['authorization_code', 'refresh_token', 'refresh_token', 'refresh_token']) {
    counts.take({ clientId: 'cli_a', grantType, userId: 'usr_a' })
    at += 1000
  }
  counts.take({ clientId: 'cli_b', grantType: 'client_credentials', userId: undefined })
  t.deepEqual(await told(db), [], 'whoever takes note does not write')
  t.is(await counts.flush(), 3)
  const first = (seconds: number) => new Date(Date.UTC(2030, 0, 1, 0, 0, seconds)).toISOString()
  const about = (client_id: string, grant_type: string, count: number, from: number, to: number) => ({
    type: grant_type === 'refresh_token' ? 'token.refreshed' : 'token.issued',
    client_id,
    user_id: null,
    data: { client_id, grant_type, count, from: first(from), to: first(to) },
  })
  t.deepEqual(await told(db), [
    about('cli_a', 'authorization_code', 1, 0, 0),
    about('cli_a', 'refresh_token', 3, 1, 3),
    about('cli_b', 'client_credentials', 1, 4, 4),
  ])
  counts.take({ clientId: 'cli_b', grantType: 'client_credentials', userId: undefined })
  await counts.stop()
  t.is((await told(db)).length, 4)
})

test('what could not be written is written the next time, added up', async (t) => {
  const db = await testDatabase(t)
  let isAway = true
  const query = ((statement: never) => {
    return isAway ? Promise.reject(new Error('the database is away')) : db.pool.query(statement)
  }) as typeof db.pool.query
  const counts = startTokenCounts({ pool: { query }, log, mode: 'counted' })
  const take = () => counts.take({ clientId: 'cli_a', grantType: 'refresh_token', userId: 'usr_a' })
  take()
  await t.throwsAsync(counts.flush(), { message: 'the database is away' })
  take()
  isAway = false
  await counts.stop()
  const [event, ...more] = await told(db)
  t.is(event.data.count, 2)
  t.deepEqual(more, [])
})

test('one by one they name the person, and are written soon', async (t) => {
  const db = await testDatabase(t)
  const counts = startTokenCounts({ pool: db.pool, log, mode: 'each' })
  for (const userId of ['usr_a', 'usr_a', undefined])
    counts.take({ clientId: 'cli_a', grantType: 'refresh_token', userId })
  await counts.stop()
  const events = await told(db)
  t.deepEqual(
    events.map(({ user_id, data }) => [user_id, data.count]),
    [
      ['usr_a', 1],
      ['usr_a', 1],
      [null, 1],
    ],
  )
})

import { EVENTS_CHANNEL, MOST_EVENTS, type AccountEvent, type Db } from './event.ts'

/**
 * Keeps an event once, whoever delivers it how often, and lets the oldest beyond MOST_EVENTS go. Writers take turns: a
 * position that is seen has none below it still to come, so a reader who goes on from it misses nothing.
 * @returns false when it was there already
 */
export function keepEvent(db: Db, event: AccountEvent): Promise<boolean> {
  return db.transaction(async (trx) => {
    await trx.raw(`select pg_advisory_xact_lock(hashtext('grantry-demo-events'))`)
    const { id, type, at, userId, subject, clientId, data } = event
    const { rowCount } = await trx.raw<{ rowCount: number }>(
      `insert into account_events (id, type, at, user_id, subject, client_id, data)
       select :id, :type, :at, :userId, :subject, :clientId, :data::jsonb
       where not exists (select from account_events where id = :id)`,
      { id, type, at, userId, subject, clientId, data: JSON.stringify(data) },
    )
    if (rowCount === 0) return false
    await trx.raw(
      `delete from account_events where position <=
         (select position from account_events order by position desc offset ? limit 1)`,
      [MOST_EVENTS],
    )
    await trx.raw('select pg_notify(?, ?)', [EVENTS_CHANNEL, userId])
    return true
  })
}

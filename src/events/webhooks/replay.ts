import type { Knex } from 'knex'
import { newId } from '../../lib/ids.ts'
import { HistoryGoneError, type EventFeed, type FeedEvent } from '../feed.ts'
import { bodyOf, DELIVERIES, insertDeliveries, typesFor, type RightsOf } from './fan-out.ts'

export interface ReplayTarget {
  id: string
  owner: string
  events: string[]
  legacyHeaders: boolean
}

/** What is to be delivered again: one event, or everything between two positions, both included. */
export type ReplayRange = { eventId: number } | { from: number; to: number }

/** So many deliveries one call may make. */
export const MOST_REPLAYED = 10_000
const PAGE = 500

/**
 * Delivers again what is in the range and was subscribed to, by the rights of the owner as they are now. Receivers know by
 * `webhook-id` what they have had.
 * @returns how many deliveries were made, and where a call that reached its limit has to go on
 * @throws HistoryGoneError when the range begins before what is kept
 */
export async function replay(
  { db, feed, rightsOf }: { db: Knex; feed: EventFeed; rightsOf: RightsOf },
  target: ReplayTarget,
  range: ReplayRange,
): Promise<{ made: number; next: number | undefined }> {
  const types = await typesFor(target, rightsOf)
  if (!types) return { made: 0, next: undefined }
  const { from, to } = 'eventId' in range ? await around(db, range.eventId) : range
  let made = 0
  for (let position = from - 1; position < Math.min(to, feed.latest());) {
    if (made >= MOST_REPLAYED) return { made, next: position + 1 }
    const page = await feed.read(position, { limit: PAGE, types })
    const events = page.events.filter((event) => event.position <= to)
    await queue(db, target, events)
    made += events.length
    if (page.upTo === position) break
    position = page.upTo
  }
  return { made, next: undefined }
}

async function queue(db: Knex, { id, legacyHeaders }: ReplayTarget, events: readonly FeedEvent[]): Promise<void> {
  if (events.length === 0) return
  await insertDeliveries(db, id, events, { legacyHeaders })
  await db.raw('select pg_notify(?, ?)', [DELIVERIES, ''])
}

async function around(db: Knex, id: number): Promise<{ from: number; to: number }> {
  const row = await db('events')
    .where({ id })
    .whereNotNull('position')
    .first<{ position: number } | undefined>('position')
  if (!row) throw new HistoryGoneError(0)
  return { from: row.position, to: row.position }
}

/** Puts an event that never happened into the queue of one webhook, so that its owner sees one arrive. @returns the delivery's id */
export async function sendTest(db: Knex, { id, legacyHeaders }: ReplayTarget, actor: string): Promise<string> {
  const at = new Date()
  const eventId = newId('evt')
  const event = { id: eventId, type: 'webhook.test', at: at.toISOString(), actor, subject: id }
  const data = { ...event, user_id: null, client_id: null, data: {} }
  const delivery = newId('dlv')
  await db('webhook_deliveries').insert({
    id: delivery,
    webhook_id: id,
    event_id: eventId,
    event_type: 'webhook.test',
    body: bodyOf('webhook.test', at, data, legacyHeaders),
  })
  await db.raw('select pg_notify(?, ?)', [DELIVERIES, ''])
  return delivery
}

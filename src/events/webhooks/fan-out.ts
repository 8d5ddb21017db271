import type { Knex } from 'knex'
import type { Database } from '../../database/connect.ts'
import { run, statement } from '../../database/statement.ts'
import { newId } from '../../lib/ids.ts'
import { recordChange } from '../audit.ts'
import type { EventType } from '../catalogue.ts'
import { typesOf, visibleTypes } from '../channels.ts'
import { HistoryGoneError, type EventFeed, type FeedEvent } from '../feed.ts'
import { appendEvent } from '../outbox.ts'
import { eventId, presentEvent } from '../present.ts'

/**
 * The scopes that somebody has now: a user, client or API key. Undefined: they are gone, or may do nothing any more.
 * Given by whoever knows them.
 */
export type RightsOf = (owner: string) => Promise<ReadonlySet<string> | undefined>

/** There may be deliveries to make; a hint for all instances. */
export const DELIVERIES = 'grantry_deliveries'

// Asked after every event.
const BEHIND = statement(`
  select id, owner, events, legacy_headers as "legacyHeaders", position from webhooks
  where state = 'active' and position < $1`)

type Subscription = {
  id: string
  owner: string
  events: string[]
  legacyHeaders: boolean
  position: number
}

export interface FanOut {
  /** Makes the deliveries of everything that is in the feed by now. @returns how many */
  run(): Promise<number>
}

const PAGE = 500
const LONGEST_QUEUE = 1000
/** So far a webhook's stored position may lie behind what was looked through: that much is looked through again after a restart. */
const FAR = 5000

/**
 * Makes deliveries from events. Instances may do it at once: each webhook's row is locked while its position moves on, and
 * whoever finds it locked leaves it to the other.
 */
export function createFanOut({ db, feed, rightsOf }: { db: Database; feed: EventFeed; rightsOf: RightsOf }): FanOut {
  /** What this process has looked through in vain, so that an event which nobody wants costs no write. */
  const scanned = new Map<string, number>()

  async function subscriptions(): Promise<Subscription[]> {
    const rows = await run<Subscription>(db.pool, BEHIND, [feed.latest()])
    const known = new Set(rows.map(({ id }) => id))
    for (const id of scanned.keys()) if (!known.has(id)) scanned.delete(id)
    return rows
  }

  /**
   * One page for one webhook.
   * @returns how many deliveries were made; undefined when there is nothing more to do for it now
   */
  async function serve(subscription: Subscription): Promise<number | undefined> {
    const from = Math.max(subscription.position, scanned.get(subscription.id) ?? 0)
    if (from >= feed.latest() || (await isFull(db.knex, subscription.id))) return undefined
    const types = await typesFor(subscription, rightsOf)
    if (!types) {
      const reason = 'its owner is gone, or has lost the right to follow these events'
      await stop(db.knex, subscription.id, { state: 'disabled', reason })
      return undefined
    }
    const { events, upTo } = await readOn(from, types)
    if (upTo === from) return undefined
    const isFar = upTo - subscription.position >= FAR
    const made = events.length > 0 || isFar ? await deliverTo(subscription, from, upTo, events) : 0
    if (made !== undefined) scanned.set(subscription.id, upTo)
    return made
  }

  async function readOn(from: number, types: ReadonlySet<EventType>) {
    try {
      return await feed.read(from, { limit: PAGE, types })
    } catch (error) {
      // It was paused for longer than events are kept: what is gone can't be delivered, the rest can.
      if (error instanceof HistoryGoneError) return feed.read(error.oldest - 1, { limit: PAGE, types })
      throw error
    }
  }

  /** @returns undefined when somebody else is at it, or has been here since */
  async function deliverTo(
    { id, legacyHeaders, position }: Subscription,
    from: number,
    upTo: number,
    events: FeedEvent[],
  ): Promise<number | undefined> {
    return db.knex.transaction(async (trx) => {
      const held = await trx('webhooks')
        .where({ id, state: 'active' })
        .andWhere('position', '>=', position)
        .andWhere('position', '<=', from)
        .forUpdate()
        .skipLocked()
        .first('id')
      if (!held) return undefined
      await insertDeliveries(trx, id, events, { legacyHeaders })
      await trx('webhooks').where({ id }).update({ position: upTo })
      await trx.raw('select pg_notify(?, ?)', [DELIVERIES, ''])
      return events.length
    })
  }

  return {
    async run() {
      let total = 0
      // A page for each in turn: one with a long way to go does not keep the others waiting.
      for (let waiting = await subscriptions(); waiting.length > 0;) {
        const more: Subscription[] = []
        for (const subscription of waiting) {
          const made = await serve(subscription)
          total += made ?? 0
          if (made !== undefined) more.push(subscription)
        }
        waiting = more
      }
      return total
    },
  }
}

/** @returns undefined when the owner may follow nothing of what was subscribed to */
export async function typesFor(
  { owner, events }: Pick<Subscription, 'owner' | 'events'>,
  rightsOf: RightsOf,
): Promise<Set<EventType> | undefined> {
  const rights = await rightsOf(owner)
  if (!rights) return undefined
  const visible = visibleTypes(rights)
  const types = new Set(events.flatMap((pattern) => typesOf(pattern) ?? []).filter((type) => visible.has(type)))
  return types.size > 0 ? types : undefined
}

/** Puts events, in their form for the wire, into the queue of one webhook. */
export async function insertDeliveries(
  trx: Knex,
  webhookId: string,
  events: readonly FeedEvent[],
  { legacyHeaders }: { legacyHeaders: boolean },
): Promise<string[]> {
  const ids = events.map(() => newId('dlv'))
  const bodies = events.map((event) => bodyOf(event.type, event.at, presentEvent(event), legacyHeaders))
  await trx.raw(
    `insert into webhook_deliveries (webhook_id, id, event_id, event_type, body)
     select ?, * from unnest(?::text[], ?::text[], ?::text[], ?::text[])`,
    [webhookId, ids, events.map(({ id }) => eventId(id)), events.map(({ type }) => type), bodies],
  )
  return ids
}

/**
 * Whether so much waits for one webhook that events are left in the feed for it. A receiver that is away for days costs a
 * bounded queue, and goes on from its position.
 */
async function isFull(db: Knex, webhookId: string): Promise<boolean> {
  const { rows } = await db.raw<{ rows: { waiting: number }[] }>(
    `select count(*)::integer as waiting from (
       select from webhook_deliveries where webhook_id = ? and state = 'pending' limit ${LONGEST_QUEUE}
     ) as queue`,
    [webhookId],
  )
  return (rows[0]?.waiting ?? 0) >= LONGEST_QUEUE
}

/** Standard Webhooks: `{ type, timestamp, data }`. Receivers of the older headers also find the type under `event`. */
export function bodyOf(type: string, at: Date, data: object, legacyHeaders: boolean): string {
  return JSON.stringify({ type, ...(legacyHeaders && { event: type }), timestamp: at.toISOString(), data })
}

/** Stops an active webhook, once: whoever else finds the same reason changes nothing. */
export async function stop(
  db: Knex,
  id: string,
  { state, reason }: { state: 'paused' | 'disabled'; reason: string },
): Promise<void> {
  await db.transaction(async (trx) => {
    const [row] = await trx('webhooks')
      .where({ id, state: 'active' })
      .update({
        state,
        state_reason: reason,
        version: trx.raw('version + 1'),
        updated_at: trx.raw('clock_timestamp()'),
      })
      .returning<{ owner: string }[]>('owner')
    if (!row) return
    await appendEvent(trx, { type: `webhook.${state}`, subject: id, data: { reason, owner: row.owner } })
    await recordChange(trx, 'system', {
      action: state === 'paused' ? 'webhook.pause' : 'webhook.disable',
      subject: id,
      before: { state: 'active', state_reason: null },
      after: { state, state_reason: reason },
    })
  })
}

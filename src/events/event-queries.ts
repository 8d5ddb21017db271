import type { Knex } from 'knex'
import type { EventType } from './catalogue.ts'
import type { FeedEvent } from './feed.ts'

/** An event; without a position as long as nobody has put it in order. */
export type ListedEvent = Omit<FeedEvent, 'position'> & { position: number | null }

export interface EventFilter {
  types?: ReadonlySet<EventType> | undefined
  userId?: string | undefined
  clientId?: string | undefined
}

export interface EventListOptions extends EventFilter {
  limit: number
  /** The first events after this position, in place of the latest. */
  after?: number | undefined
  /** Nothing after this position. */
  upTo?: number | undefined
}

/** Events in the order of the feed; those that have no place in it yet come last. */
export async function listEvents(db: Knex, options: EventListOptions): Promise<ListedEvent[]> {
  const { limit, after, upTo } = options
  const isLatest = after === undefined
  const direction = isLatest ? 'desc' : 'asc'
  // Looked at first: whatever gets its position meanwhile is then found twice, and not missed.
  const unplaced =
    upTo === undefined ? await filtered(db, options).whereNull('position').orderBy('id', direction).limit(limit) : []
  const query = filtered(db, options).whereNotNull('position')
  if (after !== undefined) query.where('position', '>', after)
  if (upTo !== undefined) query.where('position', '<=', upTo)
  const found = await query.orderBy('position', direction).limit(limit)
  const [placed, fresh] = isLatest ? [found.toReversed(), unplaced.toReversed()] : [found, unplaced]
  const known = new Set(placed.map(({ id }) => id))
  const all = [...placed, ...fresh.filter(({ id }) => !known.has(id))]
  return isLatest ? all.slice(-limit) : all.slice(0, limit)
}

/** Whether an event is one of those. */
export function matches({ type, userId, clientId }: ListedEvent, filter: EventFilter): boolean {
  return (
    (filter.types?.has(type) ?? true) &&
    (filter.userId === undefined || filter.userId === userId) &&
    (filter.clientId === undefined || filter.clientId === clientId)
  )
}

function filtered(db: Knex, { types, userId, clientId }: EventFilter): Knex.QueryBuilder<object, ListedEvent[]> {
  const query = db('events').select(
    'position',
    'id',
    'type',
    'at',
    'actor',
    'subject',
    'user_id as userId',
    'client_id as clientId',
    'data',
  )
  if (types) query.whereIn('type', [...types])
  if (userId !== undefined) query.where({ user_id: userId })
  if (clientId !== undefined) query.where({ client_id: clientId })
  return query as unknown as Knex.QueryBuilder<object, ListedEvent[]>
}

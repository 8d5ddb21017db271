import type { Knex } from 'knex'
import { isId } from '../../lib/ids.ts'
import { readPage, type PageOptions, type PageRules } from '../page.ts'

/** One event on its way to one webhook. */
export interface Delivery {
  /** `dlv_…` */
  id: string
  /** The same at every attempt, and when the event is delivered again: the `webhook-id` that the receiver sees. */
  eventId: string
  eventType: string
  state: 'pending' | 'delivered' | 'failed'
  attempts: number
  /** null once it is finished. */
  nextAttemptAt: Date | null
  createdAt: Date
  finishedAt: Date | null
}

export interface Attempt {
  number: number
  at: Date
  milliseconds: number
  /** null: there was no answer, and `problem` says why. */
  status: number | null
  problem: string | null
  /** The first bytes of the answer. */
  answer: string | null
}

interface DeliveryRow {
  id: string
  event_id: string
  event_type: string
  state: Delivery['state']
  attempts: number
  next_attempt_at: Date
  created_at: Date
  finished_at: Date | null
}

const COLUMNS = [
  'id',
  'event_id',
  'event_type',
  'state',
  'attempts',
  'next_attempt_at',
  'created_at',
  'finished_at',
] as const satisfies readonly (keyof DeliveryRow)[]

const LIST: PageRules = { sortColumns: { created_at: { column: 'created_at' } }, id: 'id' }

export interface DeliveryFilter {
  state?: Delivery['state'] | undefined
  eventType?: string | undefined
}

export async function listDeliveries(
  db: Knex,
  webhookId: string,
  { filter = {}, ...page }: PageOptions & { filter?: DeliveryFilter },
) {
  const query = db('webhook_deliveries')
    .where({ webhook_id: webhookId })
    .select(...COLUMNS)
  if (filter.state !== undefined) query.where({ state: filter.state })
  if (filter.eventType !== undefined) query.where({ event_type: filter.eventType })
  const { rows, next, total } = await readPage<DeliveryRow>(query, LIST, page)
  return { deliveries: rows.map(delivery), next, total }
}

/** A delivery with every attempt at it, oldest first. */
export async function findDelivery(
  db: Knex,
  webhookId: string,
  id: string,
): Promise<{ delivery: Delivery; attempts: Attempt[] } | undefined> {
  if (!isId('dlv', id) || !isId('whk', webhookId)) return undefined
  const row = await db('webhook_deliveries')
    .where({ id, webhook_id: webhookId })
    .first<DeliveryRow | undefined>(...COLUMNS)
  if (!row) return undefined
  const attempts = await db('webhook_attempts')
    .where({ delivery_id: id })
    .orderBy('number')
    .select<Attempt[]>('number', 'at', 'milliseconds', 'status', 'problem', 'answer')
  return { delivery: delivery(row), attempts }
}

function delivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    eventId: row.event_id,
    eventType: row.event_type,
    state: row.state,
    attempts: row.attempts,
    nextAttemptAt: row.finished_at ? null : row.next_attempt_at,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
  }
}

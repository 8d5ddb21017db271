/** Reads orders and items, one or a page of them. */
import type { Database } from '../../database/connect.ts'
import { keyset, type Position, type Sorting } from '../../lib/keyset.ts'
import { COLUMNS, type Db, type Item, type Order, type OrderStatus } from './order.ts'

type Query = ReturnType<Database['knex']['queryBuilder']>

export interface PageOptions {
  limit: number
  sorting: Sorting
  after?: Position | undefined
  offset?: number | undefined
  wantsTotal: boolean
}

export interface Page<T> {
  items: T[]
  /** Where the page ended, when there is more. */
  next: Position | undefined
  total: number | undefined
}

/** Bounds of a number or a time; times as text, because a JavaScript date would lose the microseconds. */
export interface Range<T> {
  gt?: T | undefined
  gte?: T | undefined
  lt?: T | undefined
  lte?: T | undefined
}

export interface OrderFilter {
  status?: OrderStatus | undefined
  currency?: string | undefined
  amountCents?: Range<number>
  createdAt?: Range<string>
}

/** What lists can be sorted by; no column may be null. */
export const ORDER_SORTS = ['created_at', 'amount_cents', 'item'] as const
export const ITEM_SORTS = ['position', 'item', 'amount_cents'] as const

export async function findOrder(db: Db, orderId: string, userId?: string): Promise<Order | undefined> {
  const { rows } = await db.raw<{ rows: Order[] }>(
    `select ${COLUMNS} from orders where id = ? and user_id = coalesce(?, user_id)`,
    [orderId, userId ?? null],
  )
  return rows[0]
}

export function listOrders(db: Db, userId: string, filter: OrderFilter, page: PageOptions): Promise<Page<Order>> {
  const { status, currency, amountCents, createdAt } = filter
  const query = db('orders').select(db.raw(COLUMNS)).where('user_id', userId)
  if (status) query.where({ status })
  if (currency) query.where({ currency })
  whereWithin(query, 'amount_cents', 'integer', amountCents)
  whereWithin(query, 'created_at', 'timestamptz', createdAt)
  return readPage<Order>(query, ORDER_SORTS, page)
}

export function listItems(db: Db, orderId: string, page: PageOptions): Promise<Page<Item>> {
  const lines = db.raw(
    `(select line->>'id' as id, line->>'item' as item, (line->>'quantity')::integer as quantity,
        (line->>'amountCents')::integer as amount_cents, position
      from orders, jsonb_array_elements(items) with ordinality as lines (line, position) where orders.id = ?) as items`,
    [orderId],
  )
  const query = db.from(lines).select(db.raw('id, item, quantity, amount_cents as "amountCents"'))
  return readPage<Item>(query, ITEM_SORTS, page)
}

const COMPARISONS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

function whereWithin(query: Query, column: string, type: string, range: Range<string | number> = {}): void {
  for (const [name, operator] of Object.entries(COMPARISONS)) {
    const bound = range[name as keyof typeof range]
    if (bound !== undefined) void query.whereRaw(`${column} ${operator} ?::${type}`, [bound])
  }
}

/** One row more than asked for tells whether there is more. */
async function readPage<T extends { id: string }>(
  query: Query,
  sorts: readonly string[],
  { limit, sorting, after, offset = 0, wantsTotal }: PageOptions,
): Promise<Page<T>> {
  if (!sorts.includes(sorting.by)) throw new TypeError(`no such order: ${sorting.by}`)
  const keys = keyset({ column: sorting.by, descending: sorting.descending, after })
  const total = wantsTotal ? await count(query) : undefined
  const rows = query
    .clone()
    .select(query.client.raw(`${keys.position} as place`))
    .orderByRaw(keys.orderBy)
  if (keys.where) void rows.whereRaw(keys.where, keys.bindings)
  const found = (await rows.limit(limit + 1).offset(offset)) as (T & { place: string })[]
  const last = found.length > limit ? found[limit - 1] : undefined
  const items = found.slice(0, limit).map(withoutPlace)
  return { items, next: last && { value: last.place, id: last.id }, total }
}

async function count(query: Query): Promise<number> {
  const [row] = (await query.clone().clearSelect().count({ total: '*' })) as { total: number }[]
  return row?.total ?? 0
}

function withoutPlace<T>(row: T & { place?: string }): T {
  const item = { ...row }
  delete item.place
  return item
}

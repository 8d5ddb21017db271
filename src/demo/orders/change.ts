/** How orders change and end. Each change locks its order, judges what it finds there, and settles the difference in price. */
import { leavePlace, pay } from './balance.ts'
import { COLUMNS, price, summary, type Db, type Order, type OrderContent } from './order.ts'
import { OrderRefusal } from './refusal.ts'

/** Which order, and which version of it the caller has seen; undefined: any. */
export interface OrderReference {
  orderId: string
  /** Whose it must be; undefined: anybody's. */
  userId?: string | undefined
  ifVersion?: number | undefined
}

/**
 * Replaces what was ordered, by what `decide` makes of it under the lock.
 * @throws OrderRefusal also what `decide` throws; then nothing has changed
 */
export function changeOrder(db: Db, reference: OrderReference, decide: (order: Order) => OrderContent): Promise<Order> {
  return locked(db, reference, async (trx, order) => {
    const { currency, items } = decide(order)
    const { item, quantity, amountCents } = summary(items)
    await pay(trx, order.userId, price({ currency, amountCents }) - price(order))
    return write(trx, order, 'item = ?, quantity = ?, amount_cents = ?, currency = ?, items = ?::jsonb', [
      item,
      quantity,
      amountCents,
      currency,
      JSON.stringify(items),
    ])
  })
}

/** Sends it off; from now on nobody can change it. */
export function shipOrder(db: Db, reference: OrderReference): Promise<Order> {
  return locked(db, reference, (trx, order) => write(trx, order, `status = 'shipped', shipped_at = now()`))
}

/** Calls it off, and gives the money back. */
export function cancelOrder(db: Db, reference: OrderReference): Promise<Order> {
  return locked(db, reference, async (trx, order) => {
    await pay(trx, order.userId, -price(order))
    return write(trx, order, `status = 'cancelled', cancelled_at = now()`)
  })
}

/** Removes it, and gives the money back if it was still to come. A shipped order stays on record. */
export async function deleteOrder(db: Db, reference: OrderReference): Promise<void> {
  await locked(
    db,
    reference,
    async (trx, order) => {
      if (order.status === 'placed') await pay(trx, order.userId, -price(order))
      await trx.raw('delete from orders where id = ?', [order.id])
      await leavePlace(trx, order.userId)
    },
    ['shipped'],
  )
}

const ENDED = { shipped: 'order-shipped', cancelled: 'order-cancelled' } as const

/** Locks the order first and its owner later, as everybody does: two changes at once take turns and never deadlock. */
function locked<T>(
  db: Db,
  { orderId, userId, ifVersion }: OrderReference,
  work: (trx: Db, order: Order) => Promise<T>,
  refused: readonly (keyof typeof ENDED)[] = ['shipped', 'cancelled'],
): Promise<T> {
  return db.transaction(async (trx) => {
    const { rows } = await trx.raw<{ rows: Order[] }>(
      `select ${COLUMNS} from orders where id = ? and user_id = coalesce(?, user_id) for update`,
      [orderId, userId ?? null],
    )
    const [order] = rows
    if (!order) throw new OrderRefusal('order-not-found')
    if (ifVersion !== undefined && ifVersion !== order.version) throw new OrderRefusal('version-mismatch')
    const ended = refused.find((status) => status === order.status)
    if (ended) throw new OrderRefusal(ENDED[ended])
    return work(trx, order)
  })
}

async function write(trx: Db, { id }: Order, set: string, values: readonly (string | number)[] = []): Promise<Order> {
  const { rows } = await trx.raw<{ rows: Order[] }>(
    `update orders set ${set}, version = version + 1, updated_at = now() where id = ? returning ${COLUMNS}`,
    [...values, id],
  )
  return rows[0]!
}

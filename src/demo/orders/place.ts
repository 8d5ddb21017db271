/** How orders come into being: by being placed, or as samples for somebody who has just arrived. */
import { findAccount, refusalOf } from './balance.ts'
import {
  COLUMNS,
  FIRST_BALANCE_CENTS,
  MOST_ORDERS,
  newItemId,
  newOrderId,
  price,
  summary,
  type Db,
  type NewItem,
  type Order,
  type OrderContent,
} from './order.ts'

/**
 * Places an order, if there is room for it and money to pay it: place, payment and order are one statement.
 * @throws OrderRefusal `too-many-orders` or `insufficient-funds`
 */
export async function placeOrder(db: Db, userId: string, content: OrderContent): Promise<Order> {
  const { item, quantity, amountCents } = summary(content.items)
  const cost = price({ currency: content.currency, amountCents })
  const { rows } = await db.raw<{ rows: Order[] }>(
    `with place as (
       insert into order_owners as owner (user_id, order_count, balance_cents)
       select ?::text, 1, ?::bigint where ?::bigint >= 0
       on conflict (user_id) do update
         set order_count = owner.order_count + 1, balance_cents = owner.balance_cents - ?::bigint
         where owner.order_count < ${MOST_ORDERS} and owner.balance_cents >= ?::bigint
       returning user_id
     )
     insert into orders (id, user_id, item, quantity, amount_cents, currency, status, items)
     select ?, user_id, ?, ?, ?, ?, 'placed', ?::jsonb from place
     returning ${COLUMNS}`,
    [
      userId,
      FIRST_BALANCE_CENTS - cost,
      FIRST_BALANCE_CENTS - cost,
      cost,
      cost,
      newOrderId(),
      item,
      quantity,
      amountCents,
      content.currency,
      JSON.stringify(content.items),
    ],
  )
  if (rows[0]) return rows[0]
  const refusal = refusalOf(await findAccount(db, userId), cost)
  if (refusal) throw refusal
  return placeOrder(db, userId, content) // an order was deleted or cancelled in between
}

/** Something to look at for a person who has just arrived. */
const SAMPLES: readonly (NewItem & Pick<Order, 'status' | 'currency'>)[] = [
  { item: 'Espresso machine, second hand', quantity: 1, amountCents: 18_900, currency: 'EUR', status: 'shipped' },
  { item: 'Coffee beans, 1 kg', quantity: 2, amountCents: 3_980, currency: 'EUR', status: 'placed' },
]

/**
 * Gives a person who was never seen before two sample orders, paid for: whoever asks first, and once.
 * @returns whether somebody asked and was never seen before
 */
export async function welcome(db: Db, userId: string): Promise<boolean> {
  const samples = SAMPLES.map(({ status, currency, ...line }) => {
    return { id: newOrderId(), ...line, currency, status, items: [{ id: newItemId(), ...line }] }
  })
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `with arrived as (
       insert into order_owners (user_id, order_count) values (?, ?) on conflict do nothing returning user_id
     )
     insert into orders (id, user_id, item, quantity, amount_cents, currency, status, items, shipped_at)
     select sample.id, user_id, item, quantity, "amountCents", currency, status, items,
       case when status = 'shipped' then now() end
     from arrived, jsonb_to_recordset(?::jsonb) as sample
       (id text, item text, quantity integer, "amountCents" integer, currency text, status text, items jsonb)
     returning id`,
    [userId, SAMPLES.length, JSON.stringify(samples)],
  )
  return rows.length > 0
}

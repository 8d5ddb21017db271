/** From what came in to what is ordered. */
import { newItemId, type Order, type OrderContent } from '../orders/order.ts'
import { OrderRefusal } from '../orders/refusal.ts'
import { readItem, type OrderInput } from './schemas.ts'

/** Of a whole order: what was not said has its default. */
export function contentOf({ items, currency = 'EUR', ...line }: OrderInput): OrderContent {
  const { item = '', quantity = 1, amount_cents = 0 } = line
  const lines = items ?? [{ item, quantity, amount_cents }]
  return { currency, items: lines.map((entry) => ({ id: newItemId(), ...readItem(entry) })) }
}

/** @throws OrderRefusal `several-items` */
export function replaced(order: Order, input: OrderInput): OrderContent {
  return changed(order, input.items ? input : { ...input, quantity: input.quantity ?? 1 })
}

/**
 * What was not said stays (RFC 7396). Whoever knows of one item only must not wipe out several.
 * @throws OrderRefusal `several-items`
 */
export function changed({ items, currency }: Order, input: OrderInput): OrderContent {
  const next = input.currency ?? currency
  if (input.items) return contentOf({ items: input.items, currency: next })
  const { item, quantity, amount_cents: amountCents } = input
  if (item === undefined && quantity === undefined && amountCents === undefined) return { currency: next, items }
  const [only, ...more] = items
  if (!only || more.length > 0) throw new OrderRefusal('several-items')
  const line = {
    ...only,
    item: item ?? only.item,
    quantity: quantity ?? only.quantity,
    amountCents: amountCents ?? only.amountCents,
  }
  return { currency: next, items: [line] }
}

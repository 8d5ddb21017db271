/** The items of an order that stands: each change of one is a change of the order. */
import { changeOrder, type OrderReference } from './change.ts'
import { MOST_ITEMS, newItemId, type Db, type Item, type NewItem, type Order } from './order.ts'
import { OrderRefusal } from './refusal.ts'

/** @throws OrderRefusal `too-many-items`, or as `changeOrder` does */
export async function addItem(db: Db, reference: OrderReference, line: NewItem): Promise<{ order: Order; item: Item }> {
  const item = { id: newItemId(), ...line }
  const order = await changeOrder(db, reference, ({ currency, items }) => {
    if (items.length >= MOST_ITEMS) throw new OrderRefusal('too-many-items')
    return { currency, items: [...items, item] }
  })
  return { order, item }
}

export async function changeItem(
  db: Db,
  reference: OrderReference & { itemId: string },
  change: Partial<NewItem>,
): Promise<{ order: Order; item: Item }> {
  const order = await changeOrder(db, reference, (current) => {
    const old = itemOf(current, reference.itemId)
    const changed = { ...old, ...change }
    return { currency: current.currency, items: current.items.map((item) => (item === old ? changed : item)) }
  })
  return { order, item: itemOf(order, reference.itemId) }
}

/** An order without items would be none. @throws OrderRefusal `last-item` */
export async function removeItem(db: Db, reference: OrderReference & { itemId: string }): Promise<void> {
  await changeOrder(db, reference, (current) => {
    const old = itemOf(current, reference.itemId)
    if (current.items.length === 1) throw new OrderRefusal('last-item')
    return { currency: current.currency, items: current.items.filter((item) => item !== old) }
  })
}

/** @throws OrderRefusal `item-not-found` */
export function itemOf({ items }: Order, itemId: string): Item {
  const item = items.find(({ id }) => id === itemId)
  if (!item) throw new OrderRefusal('item-not-found')
  return item
}

/** The items of an order: `/orders/{order_id}/items`. Under the order itself, so that no path is deeper than two things. */
import { z } from 'zod'
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import { addItem, changeItem, itemOf, removeItem } from '../orders/items.ts'
import type { Order } from '../orders/order.ts'
import { findOrder, ITEM_SORTS, listItems } from '../orders/queries.ts'
import { OrderRefusal } from '../orders/refusal.ts'
import type { Dialect } from '../versions.ts'
import { nameable, orderOf } from './access.ts'
import { itemsPath, presentItem } from './present.ts'
import { itemChangeSchema, itemSchema, newItemSchema, readItem, type ItemChange, type ItemInput } from './schemas.ts'

const READ = { scope: 'orders:read' } as const
const WRITE = { scope: 'orders:write' } as const

const itemsOf = z.object({ order_id: z.string() })
const oneItem = itemsOf.extend({ item_id: z.string() })

type ItemsOf = z.infer<typeof itemsOf>
type OneItem = z.infer<typeof oneItem>

const refusals = ['order-not-found', 'order-shipped', 'order-cancelled']

export function itemOperations({ paging }: Dialect): Operation[] {
  return [...collection(paging), ...single()]
}

function collection(paging: Dialect['paging']): Operation[] {
  const path = '/orders/{order_id}/items'
  const list = operation<ItemsOf>({
    id: 'listItems',
    method: 'GET',
    path,
    tag: 'Items',
    summary: 'List the items of an order',
    access: READ,
    params: itemsOf,
    list: {
      sort: ITEM_SORTS,
      defaultSort: 'position',
      paging,
      csv: ['id', 'item', 'quantity', 'amount_cents'],
    },
    responses: { 200: { description: 'A page of items', schema: itemSchema } },
    problems: ['order-not-found'],
    async handle(call) {
      const order = await existing(call)
      const { items, next, total } = await listItems(call.db, order.id, call.page)
      return { list: { items: items.map((item) => presentItem(item, order, call)), next, total } }
    },
  })
  const add = operation<ItemsOf, Record<string, never>, ItemInput>({
    id: 'addItem',
    method: 'POST',
    path,
    tag: 'Items',
    summary: 'Add an item to an order',
    access: WRITE,
    params: itemsOf,
    body: { schema: newItemSchema, examples: { milk_jug: { item: 'Milk jug', quantity: 1, amount_cents: 1_250 } } },
    idempotent: true,
    responses: { 201: { description: 'The item', schema: itemSchema } },
    problems: [...refusals, 'too-many-items', 'insufficient-funds'],
    async handle(call) {
      const { order, item } = await addItem(call.db, orderOf(call), readItem(call.body))
      const location = `${itemsPath(order)}/${item.id}`
      return { status: 201, location, body: presentItem(item, order, call), version: order.version }
    },
  })
  return [list, add]
}

function single(): Operation[] {
  const shared = { path: '/orders/{order_id}/items/{item_id}', tag: 'Items', params: oneItem }
  const read = operation<OneItem>({
    ...shared,
    id: 'readItem',
    method: 'GET',
    summary: 'Read an item of an order',
    access: READ,
    responses: { 200: { description: 'The item', schema: itemSchema } },
    problems: ['order-not-found', 'item-not-found'],
    async handle(call) {
      const order = await existing(call)
      const item = itemOf(order, nameable(call.params.item_id))
      return { body: presentItem(item, order, call), version: order.version }
    },
  })
  const update = operation<OneItem, Record<string, never>, ItemChange>({
    ...shared,
    id: 'updateItem',
    method: 'PATCH',
    summary: 'Change an item of an order',
    access: WRITE,
    body: { schema: itemChangeSchema, examples: { more: { quantity: 2 } } },
    precondition: versionOf,
    responses: { 200: { description: 'The item as it stands now', schema: itemSchema } },
    problems: [...refusals, 'item-not-found', 'insufficient-funds'],
    async handle(call) {
      const { amount_cents: amountCents, item: text, quantity } = call.body
      const change = {
        ...(text !== undefined && { item: text }),
        ...(quantity !== undefined && { quantity }),
        ...(amountCents !== undefined && { amountCents }),
      }
      const { order, item } = await changeItem(call.db, reference(call), change)
      return { body: presentItem(item, order, call), version: order.version }
    },
  })
  const remove = operation<OneItem>({
    ...shared,
    id: 'removeItem',
    method: 'DELETE',
    summary: 'Remove an item of an order',
    access: WRITE,
    precondition: versionOf,
    responses: { 204: { description: 'It is gone' } },
    problems: [...refusals, 'item-not-found', 'last-item'],
    async handle(call) {
      await removeItem(call.db, reference(call))
      return {}
    },
  })
  return [read, update, remove]
}

function reference(call: Pick<Call<OneItem>, 'principal' | 'params' | 'ifVersion'>) {
  return { ...orderOf(call), itemId: nameable(call.params.item_id), ifVersion: call.ifVersion }
}

/** An item has no version of its own: the order's counts its changes too. */
async function versionOf(call: Call<OneItem, unknown, undefined>): Promise<number> {
  const order = await existing(call)
  itemOf(order, nameable(call.params.item_id))
  return order.version
}

async function existing(call: Pick<Call<ItemsOf>, 'db' | 'principal' | 'params'>): Promise<Order> {
  const { orderId, userId } = orderOf(call)
  const order = await findOrder(call.db, orderId, userId)
  if (!order) throw new OrderRefusal('order-not-found')
  return order
}

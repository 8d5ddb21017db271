/** Orders: `/users/{user_id}/orders`, and what is left to pay them from. */
import { z } from 'zod'
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import { findAccount } from '../orders/balance.ts'
import { changeOrder, deleteOrder } from '../orders/change.ts'
import type { Db, Order } from '../orders/order.ts'
import { placeOrder, welcome } from '../orders/place.ts'
import { findOrder, listOrders, ORDER_SORTS, type OrderFilter } from '../orders/queries.ts'
import { OrderRefusal } from '../orders/refusal.ts'
import type { Dialect } from '../versions.ts'
import { callerOf, nameable, ownerOf } from './access.ts'
import { changed, contentOf, replaced } from './content.ts'
import { orderPath, presentAccount } from './present.ts'
import { accountSchema, orderFilterSchema, type OrderFilterInput, type OrderInput } from './schemas.ts'

const READ = { scope: 'orders:read' } as const
const WRITE = { scope: 'orders:write' } as const

const owner = z.object({ user_id: z.string().meta({ description: 'A person, or `me`: whoever the token stands for' }) })
const oneOrder = owner.extend({ order_id: z.string() })

type OneOrder = z.infer<typeof oneOrder>

export function orderOperations(dialect: Dialect): Operation[] {
  return [...collection(dialect), ...single(dialect), readAccount()]
}

function collection(dialect: Dialect): Operation[] {
  const list = operation<z.infer<typeof owner>, OrderFilterInput>({
    id: 'listOrders',
    method: 'GET',
    path: '/users/{user_id}/orders',
    tag: 'Orders',
    summary: 'List the orders of a person',
    description: 'A person who was never here before finds two sample orders.',
    access: READ,
    params: owner,
    query: orderFilterSchema,
    list: {
      sort: ORDER_SORTS,
      defaultSort: '-created_at',
      paging: dialect.paging,
      csv: ['id', 'user_id', 'item', 'quantity', 'amount_cents', 'currency', 'status', 'created_at', 'updated_at'],
    },
    responses: { 200: { description: 'A page of orders', schema: dialect.order } },
    problems: ['not-your-orders'],
    async handle(call) {
      const { db, page, query } = call
      const userId = ownerOf(call)
      const find = () => listOrders(db, userId, filterOf(query), page)
      const found = await find()
      const mayBeNew = found.items.length === 0 && isArriving(call, userId)
      if (mayBeNew) await welcome(db, userId)
      // Also when another request welcomed them a moment ago.
      const { items, next, total } = mayBeNew ? await find() : found
      return { list: { items: items.map((order) => dialect.present(order, call)), next, total } }
    },
  })
  const create = operation<z.infer<typeof owner>, Record<string, never>, OrderInput>({
    id: 'createOrder',
    method: 'POST',
    path: '/users/{user_id}/orders',
    tag: 'Orders',
    summary: 'Place an order',
    access: WRITE,
    params: owner,
    body: { schema: dialect.newOrder, examples: dialect.newOrderExamples, mostBytes: MOST_BYTES },
    idempotent: true,
    responses: { 201: { description: 'The order', schema: dialect.order } },
    problems: ['not-your-orders', 'too-many-orders', 'insufficient-funds'],
    async handle(call) {
      const order = await placeOrder(call.db, ownerOf(call), contentOf(call.body))
      return { status: 201, location: orderPath(order), body: dialect.present(order, call), version: order.version }
    },
  })
  return [list, create]
}

function single(dialect: Dialect): Operation[] {
  const shared = { path: '/users/{user_id}/orders/{order_id}', tag: 'Orders', params: oneOrder }
  const refusals = ['not-your-orders', 'order-not-found', 'order-shipped']
  const answer = (order: Order, call: Call) => ({ body: dialect.present(order, call), version: order.version })
  const read = operation<OneOrder>({
    ...shared,
    id: 'readOrder',
    method: 'GET',
    summary: 'Read an order',
    access: READ,
    responses: { 200: { description: 'The order', schema: dialect.order } },
    problems: ['not-your-orders', 'order-not-found'],
    handle: async (call) => answer(await existing(call.db, reference(call)), call),
  })
  const replace = operation<OneOrder, Record<string, never>, OrderInput>({
    ...shared,
    id: 'replaceOrder',
    method: 'PUT',
    summary: 'Replace what was ordered',
    access: WRITE,
    body: { schema: dialect.newOrder, examples: dialect.newOrderExamples, mostBytes: MOST_BYTES },
    precondition: versionOf,
    responses: { 200: { description: 'The order as it stands now', schema: dialect.order } },
    problems: [...refusals, 'order-cancelled', 'several-items', 'insufficient-funds'],
    async handle(call) {
      const order = await changeOrder(call.db, reference(call), (current) => replaced(current, call.body))
      return answer(order, call)
    },
  })
  const update = operation<OneOrder, Record<string, never>, OrderInput>({
    ...shared,
    id: 'updateOrder',
    method: 'PATCH',
    summary: 'Change what was ordered',
    access: WRITE,
    body: { schema: dialect.orderChange, examples: { more: { quantity: 3 } }, mostBytes: MOST_BYTES },
    precondition: versionOf,
    responses: { 200: { description: 'The order as it stands now', schema: dialect.order } },
    problems: [...refusals, 'order-cancelled', 'several-items', 'insufficient-funds'],
    async handle(call) {
      const order = await changeOrder(call.db, reference(call), (current) => changed(current, call.body))
      return answer(order, call)
    },
  })
  const remove = operation<OneOrder>({
    ...shared,
    id: 'deleteOrder',
    method: 'DELETE',
    summary: 'Delete an order',
    description: 'Gives the money back. An order that was sent off stays on record.',
    access: WRITE,
    precondition: versionOf,
    responses: { 204: { description: 'It is gone' } },
    problems: refusals,
    async handle(call) {
      await deleteOrder(call.db, reference(call))
      return {}
    },
  })
  return [read, replace, update, remove]
}

function readAccount(): Operation {
  return operation<z.infer<typeof owner>>({
    id: 'readAccount',
    method: 'GET',
    path: '/users/{user_id}/account',
    tag: 'Account',
    summary: 'Read the balance that orders are paid from',
    access: READ,
    params: owner,
    responses: { 200: { description: 'The account', schema: accountSchema } },
    problems: ['not-your-orders'],
    handle: async (call) => ({ body: presentAccount(await findAccount(call.db, ownerOf(call)), call) }),
  })
}

const MOST_BYTES = 16 * 1024

function reference(call: Pick<Call<OneOrder>, 'principal' | 'params' | 'ifVersion'>) {
  return { userId: ownerOf(call), orderId: nameable(call.params.order_id), ifVersion: call.ifVersion }
}

async function versionOf(call: Call<OneOrder, unknown, undefined>): Promise<number> {
  return (await existing(call.db, reference(call))).version
}

async function existing(db: Db, { orderId, userId }: { orderId: string; userId: string }): Promise<Order> {
  const order = await findOrder(db, orderId, userId)
  if (!order) throw new OrderRefusal('order-not-found')
  return order
}

/** A person sees their own orders for the first time; a machine has no first time. */
function isArriving(call: Pick<Call, 'principal'>, userId: string): boolean {
  const { id, kind } = callerOf(call)
  return userId === id && kind === 'user'
}

function filterOf(query: OrderFilterInput): OrderFilter {
  const { status, currency } = query
  return {
    status,
    currency,
    amountCents: {
      gt: query['amount_cents[gt]'],
      gte: query['amount_cents[gte]'],
      lt: query['amount_cents[lt]'],
      lte: query['amount_cents[lte]'],
    },
    createdAt: {
      gt: query['created_at[gt]'],
      gte: query['created_at[gte]'],
      lt: query['created_at[lt]'],
      lte: query['created_at[lte]'],
    },
  }
}

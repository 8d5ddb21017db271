/** How things leave the server. Links say what can be done with a thing as it stands, by the one who asks. */
import type { Call } from '../../http/api/operation.ts'
import type { Account } from '../orders/balance.ts'
import { BALANCE_CURRENCY, MOST_ORDERS, type Item, type Order } from '../orders/order.ts'
import { callerOf } from './access.ts'

/** As much of a call as links depend on. */
export type Viewer = Pick<Call, 'principal' | 'may' | 'link'>

export function presentOrder(order: Order, viewer: Viewer) {
  const { id, userId, item, quantity, amountCents, currency, status, createdAt, updatedAt } = order
  return {
    id,
    user_id: userId,
    item,
    quantity,
    amount_cents: amountCents,
    currency,
    status,
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
    links: orderLinks(order, viewer),
  }
}

function orderLinks(order: Order, viewer: Viewer) {
  const collection = ordersPath(order.userId)
  const self = orderPath(order)
  const part = (name: string) => viewer.link(`/orders/${order.id}/${name}`)
  const mayWrite = viewer.may('orders:write')
  const isOpen = order.status === 'placed'
  return {
    self: viewer.link(self),
    collection: viewer.link(collection),
    ...(mayWrite && isOpen && { update: viewer.link(self), cancel: part('cancellation') }),
    ...(mayWrite && order.status !== 'shipped' && { delete: viewer.link(self) }),
    ...(mayWrite && isOpen && callerOf(viewer).isAdmin && { ship: part('shipment') }),
    ...(order.shippedAt && { shipment: part('shipment') }),
    ...(order.cancelledAt && { cancellation: part('cancellation') }),
  }
}

/** As version 2 has it. */
export function presentOrderWithItems(order: Order, viewer: Viewer) {
  const { links, ...flat } = presentOrder(order, viewer)
  return {
    ...flat,
    items: order.items.map(presentLine),
    links: { ...links, items: viewer.link(itemsPath(order)) },
  }
}

export function presentItem(item: Item, order: Order, viewer: Viewer) {
  const self = viewer.link(`${itemsPath(order)}/${item.id}`)
  const mayChange = viewer.may('orders:write') && order.status === 'placed'
  return {
    ...presentLine(item),
    links: {
      self,
      collection: viewer.link(itemsPath(order)),
      order: viewer.link(orderPath(order)),
      ...(mayChange && { update: self }),
      ...(mayChange && order.items.length > 1 && { delete: self }),
    },
  }
}

function presentLine({ id, item, quantity, amountCents }: Item) {
  return { id, item, quantity, amount_cents: amountCents }
}

export function presentAccount({ userId, balanceCents, orderCount }: Account, { link }: Viewer) {
  return {
    user_id: userId,
    balance_cents: balanceCents,
    currency: BALANCE_CURRENCY,
    order_count: orderCount,
    most_orders: MOST_ORDERS,
    links: { self: link(`/users/${encodeURIComponent(userId)}/account`), orders: link(ordersPath(userId)) },
  }
}

export function ordersPath(userId: string): string {
  return `/users/${encodeURIComponent(userId)}/orders`
}

export function orderPath({ userId, id }: Pick<Order, 'userId' | 'id'>): string {
  return `${ordersPath(userId)}/${id}`
}

export function itemsPath({ id }: Pick<Order, 'id'>): string {
  return `/orders/${id}/items`
}

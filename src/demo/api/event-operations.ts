/**
 * What happens to an order once, as things rather than verbs: it has a shipment or a cancellation, or will have one by a
 * POST. They stand under the order itself, so that no path is deeper than two things.
 */
import { z } from 'zod'
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import { cancelOrder, shipOrder } from '../orders/change.ts'
import type { Order } from '../orders/order.ts'
import { findOrder } from '../orders/queries.ts'
import { OrderRefusal } from '../orders/refusal.ts'
import { problem } from '../problems.ts'
import { assertAdmin, orderOf } from './access.ts'
import { orderPath, type Viewer } from './present.ts'
import { cancellationSchema, shipmentSchema } from './schemas.ts'

const params = z.object({ order_id: z.string() })

type Params = z.infer<typeof params>

interface Happening {
  name: 'shipment' | 'cancellation'
  schema: z.ZodType
  at: (order: Order) => Date | null
  present: (order: Order, viewer: Viewer) => object
}

const shipment: Happening = {
  name: 'shipment',
  schema: shipmentSchema,
  at: ({ shippedAt }) => shippedAt,
  present: (order, viewer) => ({
    order_id: order.id,
    shipped_at: order.shippedAt?.toISOString(),
    links: links('shipment', order, viewer),
  }),
}

const cancellation: Happening = {
  name: 'cancellation',
  schema: cancellationSchema,
  at: ({ cancelledAt }) => cancelledAt,
  present: (order, viewer) => ({
    order_id: order.id,
    cancelled_at: order.cancelledAt?.toISOString(),
    links: links('cancellation', order, viewer),
  }),
}

export function eventOperations(): Operation[] {
  return [
    readHappening('readShipment', 'Read when an order was sent off', shipment),
    operation<Params>({
      ...creating(shipment),
      id: 'shipOrder',
      summary: 'Send an order off',
      description: 'Needs the role `orders-admin`. Nobody can change the order afterwards.',
      problems: ['orders-admin-only', 'order-not-found', 'order-shipped', 'order-cancelled'],
      async handle(call) {
        assertAdmin(call)
        return created(shipment, await shipOrder(call.db, orderOf(call)), call)
      },
    }),
    readHappening('readCancellation', 'Read when an order was called off', cancellation),
    operation<Params>({
      ...creating(cancellation),
      id: 'cancelOrder',
      summary: 'Call an order off',
      description: 'Gives the money back. Impossible once the order was sent off.',
      problems: ['order-not-found', 'order-shipped', 'order-cancelled'],
      handle: async (call) => created(cancellation, await cancelOrder(call.db, orderOf(call)), call),
    }),
  ]
}

function readHappening(id: string, summary: string, { name, schema, at, present }: Happening): Operation {
  return operation<Params>({
    id,
    method: 'GET',
    path: `/orders/{order_id}/${name}`,
    tag: 'Orders',
    summary,
    access: { scope: 'orders:read' },
    params,
    responses: { 200: { description: `The ${name}`, schema } },
    problems: ['order-not-found'],
    async handle(call) {
      const { orderId, userId } = orderOf(call)
      const order = await findOrder(call.db, orderId, userId)
      if (!order) throw new OrderRefusal('order-not-found')
      if (!at(order)) throw problem('not-found', { detail: `The order has no ${name}` })
      return { body: present(order, call) }
    },
  })
}

function creating({ name, schema }: Happening) {
  return {
    method: 'POST' as const,
    path: `/orders/{order_id}/${name}`,
    tag: 'Orders',
    access: { scope: 'orders:write' },
    params,
    idempotent: true as const,
    responses: { 201: { description: `The ${name}`, schema } },
  }
}

function created({ name, present }: Happening, order: Order, call: Call<Params>) {
  return { status: 201, location: `/orders/${order.id}/${name}`, body: present(order, call) }
}

function links(name: string, order: Order, { link }: Viewer) {
  return { self: link(`/orders/${order.id}/${name}`), order: link(orderPath(order)) }
}

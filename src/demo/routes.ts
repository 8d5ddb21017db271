/**
 * The orders API: `/api/v1/users/{id}/orders` and the same under `/api/v2`. Whose orders may be touched is decided by the
 * token alone: one's own, or anybody's with the role `orders-admin`.
 */
import { Router } from '@koa/router'
import type { Context } from 'koa'
import { z } from 'zod'
import type { Database } from '../database/connect.ts'
import { plainTextProblem, normalText } from '../lib/plain-text.ts'
import { protect, type TokenVerifier, type VerifiedToken } from '../resource-server/index.ts'
import { readJson } from './json-body.ts'
import { findOrder, listOrders, placeOrder, welcome, type Order } from './orders.ts'
import { problem } from './problems.ts'

export const scopes = ['orders:read', 'orders:write'] as const

export interface OrdersApi {
  db: Pick<Database, 'pool'>
  verifier: TokenVerifier
  /** The origin of every link. */
  url: string
}

const newOrder = z
  .strictObject(
    {
      item: z
        .string('must be text')
        .transform(normalText)
        .superRefine((text, context) => {
          const wrong = plainTextProblem(text, 200)
          if (wrong) context.addIssue(wrong)
        }),
      quantity: z
        .int('must be a whole number')
        .min(1, 'must be at least 1')
        .max(1_000, 'must be at most 1000')
        .default(1),
      amount_cents: z
        .int('must be a whole number of cents')
        .min(0, 'must not be negative')
        .max(100_000_000, 'must be at most 100000000'),
      currency: z
        .string('must be text')
        .regex(/^[A-Z]{3}$/, 'must be a currency code such as EUR')
        .default('EUR'),
    },
    'must be an object',
  )
  .transform(({ amount_cents: amountCents, ...rest }) => ({ ...rest, amountCents }))

/** All routes of one version. The versions are the same for now; where they part, they part here. */
export function ordersRoutes(version: 'v1' | 'v2', { db, verifier, url }: OrdersApi): Router {
  const router = new Router({ prefix: `/api/${version}/users/:userId/orders` })
  const mayRead = protect(verifier, { scope: 'orders:read' })
  const mayWrite = protect(verifier, { scope: 'orders:write' })
  const collection = (userId: string) => `${url}/api/${version}/users/${encodeURIComponent(userId)}/orders`
  const present = (order: Order) => presentOrder(order, collection(order.userId))

  router.get('/', mayRead, async (ctx) => {
    const userId = subjectOf(ctx)
    const orders = await listOrders(db, userId)
    const data = orders.length === 0 && isArriving(ctx, userId) ? await welcomed(db, userId) : orders
    ctx.body = {
      data: data.map(present),
      pagination: { next_cursor: null, has_more: false },
      links: { self: collection(userId) },
    }
  })

  router.get('/:orderId', mayRead, async (ctx) => {
    const order = await findOrder(db, subjectOf(ctx), param(ctx, 'orderId'))
    if (!order) throw problem('order-not-found')
    ctx.body = present(order)
  })

  router.post('/', mayWrite, async (ctx) => {
    const userId = subjectOf(ctx)
    const order = await placeOrder(db, userId, await readJson(ctx, newOrder))
    if (!order) throw problem('too-many-orders')
    const body = present(order)
    ctx.status = 201
    ctx.set('location', body.links.self)
    ctx.body = body
  })

  return router
}

/**
 * The person whose orders are asked for. Decided before anything is looked up, so that a stranger learns nothing, not even
 * whether the person exists.
 * @throws Problem 403
 */
function subjectOf(ctx: Context): string {
  const token = tokenOf(ctx)
  const asked = param(ctx, 'userId')
  if (asked === 'me' || asked === token.subject) return token.subject
  if (token.roles.includes('orders-admin')) return asked
  throw problem('not-your-orders')
}

/** An id as PostgreSQL can take it. NUL, broken UTF-8 and a `%` that the router couldn't decode name nothing. */
function param(ctx: Context, name: string): string {
  const value = (ctx.params as Record<string, string>)[name] ?? ''
  if (!/^[\x21-\x24\x26-\x7e]{1,255}$/.test(value)) throw problem('not-found')
  return value
}

/** A person sees their own orders for the first time; a machine (RFC 9068 §2.2: `sub` is the client) has no first time. */
function isArriving(ctx: Context, userId: string): boolean {
  const { subject, clientId } = tokenOf(ctx)
  return userId === subject && subject !== clientId
}

async function welcomed(db: Pick<Database, 'pool'>, userId: string): Promise<Order[]> {
  await welcome(db, userId)
  return listOrders(db, userId)
}

function tokenOf(ctx: Context): VerifiedToken {
  return ctx.state.token as VerifiedToken
}

function presentOrder(order: Order, collection: string) {
  return {
    id: order.id,
    user_id: order.userId,
    item: order.item,
    quantity: order.quantity,
    amount_cents: order.amountCents,
    currency: order.currency,
    status: order.status,
    created_at: order.createdAt.toISOString(),
    links: { self: `${collection}/${order.id}`, collection },
  }
}

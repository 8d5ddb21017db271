/**
 * The demo as a server of the Model Context Protocol: the same orders, as tools of an assistant. It is a resource of its own,
 * with tokens for `<demo>/mcp` and nothing else, so that what an assistant was given opens no other API. It has no SQL and
 * no rules about orders; those are in orders/.
 */
import { McpServer, type ScopeChallengeHandler } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { scopesToAsk } from '../../resource-server/index.ts'
import { contentOf } from '../api/content.ts'
import { newOrderSchema } from '../api/schemas.ts'
import type { Db, Order } from '../orders/order.ts'
import { placeOrder, welcome } from '../orders/place.ts'
import { listOrders } from '../orders/queries.ts'
import { OrderRefusal } from '../orders/refusal.ts'

const listSchema = z.strictObject({
  limit: z.int().min(1).max(50).default(10).meta({ description: 'How many at most, newest first' }),
})

const orderSchema = z.object({
  id: z.string(),
  item: z.string(),
  quantity: z.int(),
  amount_cents: z.int(),
  currency: z.string(),
  status: z.string(),
  created_at: z.string(),
})

/** The tools for one request, on the orders of the person whom its token stands for. */
export function createOrdersServer({ db, userId }: { db: Db; userId: string }): McpServer {
  const server = new McpServer({ name: 'grantry-demo-orders', version: '1.0.0' })
  server.registerTool(
    'list_orders',
    {
      title: 'List orders',
      description: 'The orders of the person who signed in, newest first.',
      inputSchema: listSchema,
      outputSchema: z.object({ orders: z.array(orderSchema) }),
      annotations: { readOnlyHint: true, openWorldHint: false },
      scopeChallenge: needs('orders:read'),
    },
    async ({ limit }) => {
      await welcome(db, userId)
      const page = { limit, sorting: { by: 'created_at', descending: true }, wantsTotal: false }
      const { items } = await listOrders(db, userId, {}, page)
      return told({ orders: items.map(present) })
    },
  )
  server.registerTool(
    'place_order',
    {
      title: 'Place an order',
      description: 'Orders something for the person who signed in. EUR is paid from their balance.',
      inputSchema: newOrderSchema,
      outputSchema: z.object({ order: orderSchema }),
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
      scopeChallenge: needs('orders:write'),
    },
    async (input) => {
      try {
        return told({ order: present(await placeOrder(db, userId, contentOf(input))) })
      } catch (error) {
        if (!(error instanceof OrderRefusal)) throw error
        return { content: [{ type: 'text', text: `The order was refused: ${error.code}` }], isError: true }
      }
    },
  )
  return server
}

/** Asked before a tool runs; what it answers becomes 403 with a challenge. */
function needs(scope: string): ScopeChallengeHandler {
  return ({ authInfo }) => {
    const held = authInfo?.scopes ?? []
    if (held.includes(scope)) return undefined
    return { scopes: scopesToAsk(held, [scope]) as [string, ...string[]] }
  }
}

function told(value: Record<string, unknown>) {
  return { content: [{ type: 'text' as const, text: JSON.stringify(value) }], structuredContent: value }
}

function present({ id, item, quantity, amountCents, currency, status, createdAt }: Order) {
  return { id, item, quantity, amount_cents: amountCents, currency, status, created_at: createdAt.toISOString() }
}

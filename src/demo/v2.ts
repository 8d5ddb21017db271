/**
 * Version 2, as its difference to version 1: lists are paged by cursor, which neither repeats nor skips an order while
 * others come and go, an order has `items`, which are also things of their own at `/orders/{order_id}/items`, and people can
 * follow what happens to their account.
 */
import { presentOrderWithItems } from './api/present.ts'
import { newOrderWithItemsSchema, orderChangeWithItemsSchema, orderWithItemsSchema } from './api/schemas.ts'
import { v1 } from './v1.ts'
import type { Dialect } from './versions.ts'

export const v2: Dialect = {
  ...v1,
  number: 2,
  paging: ['cursor'],
  order: orderWithItemsSchema,
  present: presentOrderWithItems,
  newOrder: newOrderWithItemsSchema,
  newOrderExamples: {
    ...v1.newOrderExamples,
    two_items: {
      currency: 'EUR',
      items: [
        { item: 'Coffee grinder', amount_cents: 8_900 },
        { item: 'Paper filters, 100', quantity: 3, amount_cents: 1_470 },
      ],
    },
  },
  orderChange: orderChangeWithItemsSchema,
  hasItems: true,
  hasEvents: true,
}

/** Version 1: lists by page number, and one item in each order. Deprecated. */
import { presentOrder } from './api/present.ts'
import { newOrderSchema, orderChangeSchema, orderSchema } from './api/schemas.ts'
import type { Dialect } from './versions.ts'

export const v1: Dialect = {
  number: 1,
  paging: ['offset'],
  order: orderSchema,
  present: presentOrder,
  newOrder: newOrderSchema,
  newOrderExamples: {
    coffee: { item: 'Coffee beans, 1 kg', quantity: 2, amount_cents: 3_980, currency: 'EUR' },
    shortest: { item: 'Milk jug', amount_cents: 1_250 },
  },
  orderChange: orderChangeSchema,
  hasItems: false,
  hasEvents: false,
}

/** Since when it is deprecated (RFC 9745), and when it ends (RFC 8594): then it answers 410. */
export const V1_DEPRECATED = new Date('2026-11-01T00:00:00Z')
export const V1_SUNSET = new Date('2027-12-31T23:59:59Z')

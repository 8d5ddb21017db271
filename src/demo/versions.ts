/**
 * What the versions of the API differ in; everything else they share. `v1.ts` has the whole, each later version is written
 * as its difference to the one before.
 */
import type { z } from 'zod'
import type { ListRules } from '../http/api/operation.ts'
import type { Viewer } from './api/present.ts'
import type { OrderInput } from './api/schemas.ts'
import type { Order } from './orders/order.ts'

export interface Dialect {
  number: number
  /** How lists are paged. */
  paging: ListRules['paging']
  /** What an order looks like. */
  order: z.ZodType
  present: (order: Order, viewer: Viewer) => object
  /** What is sent to place an order, or to replace one. */
  newOrder: z.ZodType<OrderInput>
  newOrderExamples: Readonly<Record<string, unknown>>
  /** What is sent to change one. */
  orderChange: z.ZodType<OrderInput>
  /** Whether the items of an order are things of their own. */
  hasItems: boolean
  /** Whether people may follow what happens to their account. */
  hasEvents: boolean
}

/** What goes in and comes out, as schemas; every name as clients see it. */
import { z } from 'zod'
import { normalText, plainTextProblem } from '../../lib/plain-text.ts'
import { MOST_CENTS, MOST_ITEMS, ORDER_STATUSES, type NewItem } from '../orders/order.ts'

const item = z
  .string('must be text')
  .meta({ description: 'What is ordered, 1 to 200 characters' })
  .transform(normalText)
  .superRefine((text, context) => {
    const wrong = plainTextProblem(text, 200)
    if (wrong) context.addIssue(wrong)
  })

const quantity = z
  .int('must be a whole number')
  .min(1, 'must be at least 1')
  .max(1_000, 'must be at most 1000')
  .meta({ description: 'How many pieces' })

const amount = z
  .int('must be a whole number of cents')
  .min(0, 'must not be negative')
  .max(MOST_CENTS, `must be at most ${MOST_CENTS}`)
  .meta({ description: 'Price of all pieces together, in hundredths of the currency' })

const currency = z
  .string('must be text')
  .regex(/^[A-Z]{3}$/, 'must be a currency code such as EUR')
  .meta({ description: 'ISO 4217. Orders in EUR are paid from the balance, others are on invoice.' })

const AN_OBJECT = 'must be an object'

/** One item, in words of the API. */
export interface ItemInput {
  item: string
  quantity: number
  amount_cents: number
}

/** What is to change of one. */
export type ItemChange = { [N in keyof ItemInput]?: ItemInput[N] | undefined }

/** An order as it came in: one item without more ado, or (in version 2) `items`. */
export interface OrderInput extends ItemChange {
  currency?: string | undefined
  items?: ItemInput[] | undefined
}

export const newItemSchema = z.strictObject({ item, quantity: quantity.default(1), amount_cents: amount }, AN_OBJECT)

export const itemChangeSchema = z.strictObject(
  { item: item.optional(), quantity: quantity.optional(), amount_cents: amount.optional() },
  AN_OBJECT,
)

export const newOrderSchema = newItemSchema.extend({ currency: currency.default('EUR') })

export const orderChangeSchema = itemChangeSchema.extend({ currency: currency.optional() })

const items = z
  .array(newItemSchema, 'must be a list')
  .min(1, 'must not be empty')
  .max(MOST_ITEMS, `must have at most ${MOST_ITEMS} entries`)
  .meta({ description: 'What is ordered. `item`, `quantity` and `amount_cents` beside it are short for one item.' })

/** As version 2 takes it. */
export const newOrderWithItemsSchema = orderChangeSchema
  .extend({ currency: currency.default('EUR'), items: items.optional() })
  .superRefine(eitherItems)
  .superRefine((input, context) => {
    if (input.items !== undefined) return
    if (input.item === undefined) context.addIssue({ code: 'custom', path: ['item'], message: 'must be text' })
    if (input.amount_cents === undefined) {
      context.addIssue({ code: 'custom', path: ['amount_cents'], message: 'must be a whole number of cents' })
    }
  })

export const orderChangeWithItemsSchema = orderChangeSchema.extend({ items: items.optional() }).superRefine(eitherItems)

function eitherItems(input: OrderInput, context: z.RefinementCtx): void {
  if (input.items === undefined) return
  for (const name of ['item', 'quantity', 'amount_cents'] as const) {
    if (input[name] !== undefined) {
      context.addIssue({ code: 'custom', path: [name], message: 'must not stand beside items' })
    }
  }
}

export function readItem({ item, quantity, amount_cents: amountCents }: ItemInput): NewItem {
  return { item, quantity, amountCents }
}

// What comes out.

const time = z.iso.datetime().meta({ description: 'UTC' })
const url = z.url()

const links = z.object({
  self: url,
  collection: url,
  update: url.optional().meta({ description: 'PUT or PATCH here; left out when it may not be changed' }),
  delete: url.optional().meta({ description: 'DELETE here; left out when it must stay' }),
  cancel: url.optional().meta({ description: 'POST here; left out when it can not be called off' }),
  ship: url.optional().meta({ description: 'POST here; left out when it can not be sent off, or not by you' }),
  shipment: url.optional().meta({ description: 'When it was sent off' }),
  cancellation: url.optional().meta({ description: 'When it was called off' }),
})

export const orderSchema = z
  .object({
    id: z.string(),
    user_id: z.string().meta({ description: 'Whose order it is' }),
    item: z.string().meta({ description: 'The first item' }),
    quantity: z.int().meta({ description: 'Pieces of all items' }),
    amount_cents: z.int().meta({ description: 'Price of all items' }),
    currency: z.string(),
    status: z.enum(ORDER_STATUSES),
    created_at: time,
    updated_at: time,
    links,
  })
  .meta({ id: 'Order' })

export const itemSchema = z
  .object({
    id: z.string(),
    item: z.string(),
    quantity: z.int(),
    amount_cents: z.int(),
    links: z.object({
      self: url,
      collection: url,
      order: url,
      update: url.optional(),
      delete: url.optional(),
    }),
  })
  .meta({ id: 'Item' })

export const orderWithItemsSchema = orderSchema
  .extend({
    items: z.array(itemSchema.pick({ id: true, item: true, quantity: true, amount_cents: true })),
    links: links.extend({ items: url }),
  })
  .meta({ id: 'OrderWithItems' })

export const accountSchema = z
  .object({
    user_id: z.string(),
    balance_cents: z.int().meta({ description: 'What is left to pay orders from' }),
    currency: z.string(),
    order_count: z.int(),
    most_orders: z.int(),
    links: z.object({ self: url, orders: url }),
  })
  .meta({ id: 'Account' })

export const shipmentSchema = z
  .object({ order_id: z.string(), shipped_at: time, links: z.object({ self: url, order: url }) })
  .meta({ id: 'Shipment' })

export const cancellationSchema = z
  .object({ order_id: z.string(), cancelled_at: time, links: z.object({ self: url, order: url }) })
  .meta({ id: 'Cancellation' })

export const accountEventsSchema = z
  .object({
    data: z.array(
      z
        .object({
          id: z.string().meta({ description: 'By which an event that is told twice is known' }),
          type: z.string().meta({ description: 'What happened: `session.ended`' }),
          at: time,
          subject: z.string().nullable().meta({ description: 'The id of what it happened to' }),
          client_id: z.string().nullable(),
          data: z.record(z.string(), z.unknown()).meta({ description: 'Facts beyond the ids' }),
        })
        .meta({ id: 'AccountEvent' }),
    ),
    cursor: z.string().meta({ description: 'After which to follow, as `Last-Event-ID`' }),
    links: z.object({ self: url }),
  })
  .meta({ id: 'AccountEvents' })

// Filters.

const cents = z
  .string()
  .regex(/^\d{1,10}$/, 'must be a whole number of cents')
  .transform(Number)
const moment = z.iso.datetime({ offset: true, error: 'must be a time such as 2027-01-31T12:00:00Z' })

export const orderFilterSchema = z.strictObject({
  status: z.enum(ORDER_STATUSES, `must be one of ${ORDER_STATUSES.join(', ')}`).optional(),
  currency: currency.optional(),
  ...bounds('amount_cents', cents),
  ...bounds('created_at', moment),
})

export type OrderFilterInput = z.infer<typeof orderFilterSchema>

function bounds<N extends string, S extends z.ZodType>(name: N, schema: S) {
  const names = ['gt', 'gte', 'lt', 'lte'] as const
  return Object.fromEntries(names.map((bound) => [`${name}[${bound}]`, schema.optional()])) as Record<
    `${N}[${(typeof names)[number]}]`,
    z.ZodOptional<S>
  >
}

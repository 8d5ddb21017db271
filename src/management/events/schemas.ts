/** What events look like, and how a reader says which it wants. */
import { z } from 'zod'
import { eventTypes } from '../../events/catalogue.ts'
import { channels } from '../../events/channels.ts'
import { pointInTime } from '../filters.ts'
import { eventSchema } from './event-schemas.ts'

const placedEventSchema = z
  .intersection(
    eventSchema,
    z.looseObject({ cursor: z.string().describe('Give it in `after` to go on behind this event.') }),
  )
  .meta({ id: 'PlacedEvent', description: 'An event, and its place in the order of all.' })

export const EVENT = {
  id: 'evt_4711',
  type: 'user.created',
  at: '2030-01-31T12:00:00.000Z',
  actor: 'apk_k5xq7m2n4p6r3s5t7v2w4y6z3a',
  subject: 'usr_k5xq7m2n4p6r3s5t7v2w4y6z3a',
  user_id: 'usr_k5xq7m2n4p6r3s5t7v2w4y6z3a',
  client_id: null,
  data: { roles: [] },
}

/** Comma-separated names, each once. */
function names<T extends string>(known: readonly T[], most: number) {
  return z
    .string()
    .min(1)
    .max(2000)
    .transform((text) => [...new Set(text.split(','))] as T[])
    .refine((list) => list.length <= most && list.every((name) => known.includes(name)), {
      error: `must be names from ${known.join(', ')}, with commas between`,
    })
}

export const eventQuery = z.strictObject({
  after: z
    .string()
    .regex(/^(?:latest|0|[1-9]\d{0,14})$/, 'must be a cursor of this stream, or latest')
    .optional()
    .meta({
      description:
        'The cursor after which to go on: `next_cursor` of the answer before. `latest`: only what comes from now on. Left out: from the oldest event that is kept; for a stream, from now on.',
      example: '4711',
    }),
  since: pointInTime.optional().meta({
    description: 'In place of `after`: everything that was written at this time or later, as far as it is kept.',
    example: '2030-01-31T12:00:00.000Z',
  }),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, 'must be a whole number from 1')
    .transform((text) => Math.min(Number(text), 1000))
    .optional()
    .meta({ description: 'How many at most; 100 unless given. More than 1000 count as 1000.', example: '100' }),
  channels: names(channels, 50)
    .optional()
    .meta({ description: 'Only events of these channels, with commas between.', example: 'users,clients' }),
  types: names(eventTypes, 100)
    .optional()
    .meta({ description: 'Only events of these types, with commas between.', example: 'user.created,user.deleted' }),
})

export const eventPageSchema = z
  .strictObject({
    data: z.array(placedEventSchema),
    pagination: z.strictObject({
      next_cursor: z.string().describe('Give it in `after` to go on. It is always there, also when nothing came.'),
      has_more: z.boolean().describe('Whether there is more already.'),
      limit: z.int(),
    }),
    links: z.strictObject({ self: z.url(), next: z.url() }),
  })
  .meta({ id: 'EventPage' })

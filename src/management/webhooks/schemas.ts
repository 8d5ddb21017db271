/** What webhooks and their deliveries look like on the way in and on the way out. */
import { z } from 'zod'
import { eventTypes } from '../../events/catalogue.ts'
import { LONGEST_OVERLAP_SECONDS } from '../../registry/webhooks/rotate-secret.ts'
import { textFilter } from '../filters.ts'
import { linksSchema } from '../links.ts'
import { time, versionSchema } from '../schemas.ts'

const id = 'whk_k5xqzv3n7c2m4d6f7g2h3j4k5a'
const deliveryId = 'dlv_k5xqzv3n7c2m4d6f7g2h3j4k5a'
const secret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDuV8Y8qzyGmY='

const settings = {
  url: z.string().min(1).max(2000).meta({
    description: 'Where to: https, at a public address; in development anything that can be reached.',
    example: 'https://hooks.example.com/grantry',
  }),
  events: z
    .array(z.string().min(1).max(100))
    .min(1)
    .max(100)
    .meta({
      description: 'Which events: `user.created`, all of a kind (`user.*`), or `*` for all that its owner may see.',
      example: ['user.*', 'refresh_token.reuse_detected'],
    }),
  description: z.string().max(500).meta({ description: 'What it is for.', example: 'Keeps the CRM up to date' }),
  legacy_headers: z
    .boolean()
    .describe('Also send `X-Webhook-Id`, `X-Webhook-Timestamp` and `X-Webhook-Signature`, and the type as `event`.'),
}

const given = z.object(settings).partial().required({ url: true, events: true })

export const newWebhookSchema = z.strictObject(given.shape).meta({ id: 'NewWebhook' })

export const webhookReplacementSchema = newWebhookSchema.meta({
  id: 'WebhookReplacement',
  description: 'What is left out takes its default. State and secret stay as they are.',
})

export const webhookChangeSchema = z
  .strictObject({
    ...z.object(settings).partial().shape,
    state: z
      .enum(['active', 'paused'])
      .optional()
      .describe('`paused` keeps events until it is `active` again, for as long as events are kept.'),
  })
  .meta({ id: 'WebhookChange', description: 'What is left out stays as it is. `events` is set as a whole.' })

const shape = {
  id: z.string().meta({ description: 'Names the webhook.', example: id }),
  ...settings,
  state: z
    .enum(['active', 'paused', 'disabled'])
    .describe(
      '`paused` and `disabled` ones get nothing. Paused by its owner or after a delivery failed for three days; disabled when the receiver answered 410 or its owner lost the rights.',
    ),
  state_reason: z.string().nullable().describe('Why it is not active.'),
  owner: z.string().describe('By whose rights it sees events: the id of a user, client or API key.'),
  previous_secret_until: time('Until when deliveries are signed with the secret before as well.').nullable(),
  failures: z.int().min(0).describe('Attempts that failed since the last that did not.'),
  failing_since: time('Since when.').nullable(),
  last_delivered_at: time('When something was last taken.').nullable(),
  version: versionSchema,
  created_at: time('When it was made.'),
  updated_at: time('When its settings were last changed.'),
  links: linksSchema({
    deliveries: 'What was and is to be delivered.',
    rotate_secret: 'Give it a new secret.',
    test: 'Have a test event delivered.',
    replay: 'Have events delivered again.',
    replace: 'Replace its settings.',
    update: 'Change it.',
    pause: 'Pause it.',
    resume: 'Make it active.',
    delete: 'Delete it.',
  }),
}

export const webhookSchema = z.strictObject(shape).meta({
  id: 'Webhook',
  description: 'Somebody who is told of events by HTTP. Deliveries are signed (Standard Webhooks).',
})

const told = z
  .string()
  .optional()
  .meta({ description: 'What deliveries are signed with; told once, and not by a repetition.', example: secret })
const omitted = z.literal(true).optional().describe('This is the repetition of an answer: the secret was told then.')

export const createdWebhookSchema = z
  .strictObject({ ...shape, secret: told, secrets_omitted: omitted })
  .meta({ id: 'CreatedWebhook' })

export const webhookSecretRotationSchema = z
  .strictObject({
    overlap_seconds: z
      .int()
      .min(0)
      .max(LONGEST_OVERLAP_SECONDS)
      .optional()
      .describe('For so long deliveries are signed with the old secret as well: a day unless given; 0 ends it now.'),
  })
  .meta({ id: 'WebhookSecretRotation' })

export const webhookFilters = z.strictObject({
  state: z
    .enum(['active', 'paused', 'disabled'])
    .meta({ description: 'Only those in this state.', example: 'active' })
    .optional(),
  owner: textFilter('Only those of this user, client or API key.', 'apk_k5xq7m2n4p6r3s5t7v2w4y6z3a').optional(),
})

const deliveryShape = {
  id: z.string().meta({ description: 'Names the delivery.', example: deliveryId }),
  event_id: z.string().meta({ description: 'The `webhook-id` that the receiver sees.', example: 'evt_4711' }),
  event_type: z.string().meta({ description: 'What happened.', example: 'user.created' }),
  state: z.enum(['pending', 'delivered', 'failed']).describe('`failed`: it was tried for three days.'),
  attempts: z.int().min(0).describe('How often it was tried.'),
  next_attempt_at: time('When it will be tried, if it is pending.').nullable(),
  created_at: time('When it was put into the queue.'),
  finished_at: time('When it was taken, or given up.').nullable(),
  links: linksSchema({ webhook: 'The webhook.' }),
}

export const deliverySchema = z
  .strictObject(deliveryShape)
  .meta({ id: 'WebhookDelivery', description: 'One event on its way to one webhook.' })

export const deliveryDetailsSchema = z
  .strictObject({
    ...deliveryShape,
    attempt_log: z
      .array(
        z
          .strictObject({
            number: z.int().min(1),
            at: time('When it was sent.'),
            milliseconds: z.int().min(0).describe('How long it took.'),
            status: z.int().nullable().describe('The status of the answer; null: there was none.'),
            problem: z.string().nullable().describe('Why there was no answer.'),
            answer: z.string().nullable().describe('The first bytes of the answer.'),
          })
          .meta({ id: 'WebhookAttempt' }),
      )
      .describe('Every attempt, oldest first.'),
  })
  .meta({ id: 'WebhookDeliveryDetails' })

export const deliveryFilters = z.strictObject({
  state: z
    .enum(['pending', 'delivered', 'failed'])
    .meta({ description: 'Only those in this state.', example: 'failed' })
    .optional(),
  event_type: z.enum(eventTypes).meta({ description: 'Only those of this type.', example: 'user.created' }).optional(),
})

export const replaySchema = z
  .union([
    z
      .strictObject({
        event_id: z
          .string()
          .regex(/^evt_[1-9]\d{0,14}$/, 'must be the id of an event')
          .meta({ description: 'This event.', example: 'evt_4711' }),
      })
      .meta({ id: 'ReplayOfOne' }),
    z
      .strictObject({
        from: z
          .string()
          .regex(/^[1-9]\d{0,14}$/, 'must be a cursor')
          .describe('From this cursor on.'),
        to: z
          .string()
          .regex(/^[1-9]\d{0,14}$/, 'must be a cursor')
          .optional()
          .describe('To this one, which is included; to the newest unless given.'),
      })
      .meta({ id: 'ReplayOfRange' }),
  ])
  .meta({ id: 'Replay', description: 'Which events to deliver again.' })

export const replayedSchema = z
  .strictObject({
    deliveries: z.int().min(0).describe('How many deliveries were made.'),
    next_from: z
      .string()
      .nullable()
      .describe('One call makes 10,000 deliveries: where the next has to begin; null: that was all.'),
  })
  .meta({ id: 'Replayed' })

export const webhookIdParams = z.object({ webhook_id: z.string().meta({ description: 'The webhook.', example: id }) })
export const deliveryIdParams = z.object({
  ...webhookIdParams.shape,
  delivery_id: z.string().meta({ description: 'The delivery.', example: deliveryId }),
})

export const WEBHOOK_EXAMPLES = {
  users: {
    url: 'https://hooks.example.com/grantry',
    events: ['user.*', 'refresh_token.reuse_detected'],
    description: 'Keeps the CRM up to date',
  },
}

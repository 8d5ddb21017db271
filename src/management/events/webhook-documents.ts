/** What webhooks send, for the API's document: an entry for each type of event (OpenAPI 3.1 §4.8.1.1). */
import { eventCatalogue, eventTypes, type EventType } from '../../events/catalogue.ts'
import { channelOf, FOLLOW_SCOPE, scopeOf } from '../../events/channels.ts'
import { schemaNameOf } from './event-schemas.ts'

const header = (name: string, description: string, example: string) => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
  example,
})

/** What the entries refer to. */
export const webhookComponents = {
  parameters: {
    'webhook-id': header(
      'webhook-id',
      'The id of the event: the same at every attempt, and when it is delivered again.',
      'evt_4711',
    ),
    'webhook-timestamp': header('webhook-timestamp', 'When it was sent, in seconds since 1970.', '1896091200'),
    'webhook-signature': header(
      'webhook-signature',
      'One signature or, while a secret changes, two, with a space between: `v1,` and the Base64 of HMAC-SHA256, by the secret, over `id.timestamp.body`.',
      'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
    ),
  },
  responses: {
    WebhookTaken: { description: 'Any 2xx: it was taken. Everything else is tried again, for three days.' },
    WebhookGone: { description: 'Nobody is here any more: the webhook is disabled.' },
  },
}

/** @returns path items by type of event */
export function webhookDocuments(): Record<string, object> {
  return Object.fromEntries(eventTypes.map((type) => [type, { post: entry(type) }]))
}

function entry(type: EventType): object {
  const { meaning } = eventCatalogue[type]
  const scope = scopeOf(channelOf(type))
  return {
    operationId: `on${schemaNameOf(type)}`,
    tags: ['Webhooks'],
    summary: `\`${type}\``,
    description: `${meaning} For webhooks whose owner has \`${FOLLOW_SCOPE}\` and \`${scope}\`.`,
    security: [],
    parameters: Object.keys(webhookComponents.parameters).map((name) => ({ $ref: `#/components/parameters/${name}` })),
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['type', 'timestamp', 'data'],
            properties: {
              type: { const: type },
              timestamp: { type: 'string', format: 'date-time', description: 'When it happened.' },
              data: { $ref: `#/components/schemas/${schemaNameOf(type)}` },
            },
          },
        },
      },
    },
    responses: {
      '2XX': { $ref: '#/components/responses/WebhookTaken' },
      410: { $ref: '#/components/responses/WebhookGone' },
    },
  }
}

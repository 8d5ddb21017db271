/** What each type of event looks like, and all of them together, told apart by `type`. */
import { z } from 'zod'
import { eventCatalogue, eventTypes, type EventType } from '../../events/catalogue.ts'
import { time } from '../schemas.ts'

/** `user.created` → `UserCreatedEvent` */
export function schemaNameOf(type: EventType): string {
  const words = type.split(/[._]/).map((word) => word.charAt(0).toUpperCase() + word.slice(1))
  return `${words.join('')}Event`
}

/** What every event has. More may come to stand beside it: a reader passes over what it does not know. */
const envelopeSchema = z
  .looseObject({
    id: z.string().meta({ description: 'The same each time the event is told.', example: 'evt_4711' }),
    at: time('When it was written. The order of the list, not the time, says what came first.'),
    actor: z.string().nullable().describe('Who did it: the id of a user, client or API key, or `cli`, `system`.'),
    subject: z.string().nullable().describe('The id of the thing that it happened to.'),
    user_id: z.string().nullable().describe('Whom it is about.'),
    client_id: z.string().nullable().describe('Which client it is about.'),
  })
  .meta({ id: 'EventEnvelope', description: 'What every event has beside its type and its data.' })

function schemaOf(type: EventType) {
  const { meaning, data } = eventCatalogue[type]
  return z
    .intersection(envelopeSchema, z.looseObject({ type: z.literal(type), data }))
    .meta({ id: schemaNameOf(type), description: meaning })
}

export const eventSchema = z.union(eventTypes.map(schemaOf)).meta({
  id: 'Event',
  description: 'Something that happened. It was written in the transaction that made it true.',
  discriminator: {
    propertyName: 'type',
    mapping: Object.fromEntries(eventTypes.map((type) => [type, `#/components/schemas/${schemaNameOf(type)}`])),
  },
})

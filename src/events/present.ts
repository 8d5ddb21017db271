import type { EventType } from './catalogue.ts'
import type { FeedEvent } from './feed.ts'

/** An event as everybody gets it: by webhook, poll, stream and command line alike. */
export interface PresentedEvent {
  /** `evt_<number>`: the same each time the event is told. */
  id: string
  type: EventType
  /** When it was written, ISO 8601 in UTC. Positions, not times, say what came first. */
  at: string
  actor: string | null
  subject: string | null
  user_id: string | null
  client_id: string | null
  data: Record<string, unknown>
}

export function presentEvent(event: Omit<FeedEvent, 'position'>): PresentedEvent {
  return {
    id: eventId(event.id),
    type: event.type,
    at: event.at.toISOString(),
    actor: event.actor,
    subject: event.subject,
    user_id: event.userId,
    client_id: event.clientId,
    data: event.data,
  }
}

export function eventId(id: number): string {
  return `evt_${id}`
}

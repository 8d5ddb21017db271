/**
 * `events` owns what happened: a catalogue of types and one table, written in the transaction that makes the event true.
 * Other folders see only this file, the catalogue and audit.ts. Events carry ids and facts, never a secret or a bearer value.
 */
import type { Knex } from 'knex'
import { actorId, type Actor } from '../lib/actor.ts'
import type { EventData, EventType } from './catalogue.ts'

interface Ids<Type extends EventType> {
  type: Type
  /** The id of the thing it happened to. */
  subject?: string
  /** Who did it: a user id, `cli`, `system`. Whence they came is for the audit log. */
  actor?: Actor
  userId?: string
  clientId?: string
}

/** Facts beyond the ids stand in `data`, as the catalogue says; where it asks for none they may be left out. */
export type NewEvent<Type extends EventType = EventType> = Ids<Type> &
  (Record<never, never> extends EventData<Type> ? { data?: EventData<Type> } : { data: EventData<Type> })

/** Writes one event. Pass the transaction that makes it true, never the outer handle. */
export async function appendEvent<Type extends EventType>(trx: Knex, event: NewEvent<Type>): Promise<void> {
  await trx('events').insert({
    type: event.type,
    // Not when the transaction began: by now it holds what it ends, and nothing issued under that is younger.
    at: trx.raw('clock_timestamp()'),
    actor: actorId(event.actor ?? 'system'),
    subject: event.subject ?? null,
    user_id: event.userId ?? null,
    client_id: event.clientId ?? null,
    data: JSON.stringify(event.data ?? {}),
  })
}

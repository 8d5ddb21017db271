/**
 * `events` is what the demo is told by the authorization server, as any receiver of webhooks would be: it takes deliveries,
 * keeps the newest of them, and tells each person what happened to them. It must not know the server but by what it sends.
 * This file is what is kept.
 */
import type { Database } from '../../database/connect.ts'

export type Db = Database['knex']

/** Something that happened at the authorization server. */
export interface AccountEvent {
  /** By which a delivery that comes again is known: `evt_…`. */
  id: string
  /** `session.ended` */
  type: string
  at: Date
  /** Whom it is about. */
  userId: string
  /** The id of what it happened to: a session, a grant, a client. */
  subject: string | null
  clientId: string | null
  data: Record<string, unknown>
}

/** As it stands in the table. */
export interface KeptEvent extends AccountEvent {
  /** Counts what was kept, in the order in which it came; the cursor of whoever follows. */
  position: number
}

/** So that nobody can fill the demo's database. */
export const MOST_EVENTS = 1_000

/** Said with the id of the person whenever something was kept about them. */
export const EVENTS_CHANNEL = 'demo_account_events'

/** Statements that make the table unless it is there. */
export const accountEventsTable = `
  create table if not exists account_events (
    position bigint generated always as identity primary key,
    id text not null unique,
    type text not null,
    at timestamptz not null,
    user_id text not null,
    subject text,
    client_id text,
    data jsonb not null
  );
  create index if not exists account_events_by_user on account_events (user_id, position)`

export const COLUMNS = `position, id, type, at, user_id as "userId", subject, client_id as "clientId", data`

/** Clients that registered themselves and that nobody uses (any more): nobody else would ever delete them. */
import type { Knex } from 'knex'
import type { Pool } from 'pg'
import { deleteClient } from './delete.ts'

/** A client that never got a token was registered for nothing, or by somebody who floods. */
const NEVER_USED_HOURS = 24
/** As long as a refresh token may live at its default: who comes back later registers anew. */
const UNUSED_DAYS = 90
/** Each is deleted by itself, with events and entries, while the others are held. */
export const MOST_CLIENTS_AT_ONCE = 50

const NOTE_USE = {
  name: 'note_client_use',
  text: `
    update clients set last_used_at = now()
    where id = $1 and self_registered and (last_used_at is null or last_used_at < now() - interval '1 hour')`,
}

/** Takes note that a self-registered client was given tokens; at most once an hour is it a write. */
export async function noteClientUse(pool: Pool, id: string): Promise<void> {
  await pool.query({ ...NOTE_USE, values: [id] })
}

const UNUSED = `
  self_registered and coalesce(last_used_at, created_at) < now() - interval '${NEVER_USED_HOURS} hours'
  and (last_used_at is null or last_used_at < now() - interval '${UNUSED_DAYS} days')
  -- One that a document describes would be back, and let in, as soon as somebody uses it.
  and (metadata_url is null or disabled_at is null)`

/**
 * Deletes a small batch of them, each as an operator would: with its grants, an event and an entry in the audit log.
 * @returns how many went
 */
export async function sweepUnusedClients(db: Knex, batch: number): Promise<number> {
  return db.transaction(async (trx) => {
    // A row that a request holds right now is in use.
    const limit = Math.min(batch, MOST_CLIENTS_AT_ONCE)
    const doomed = await trx('clients').whereRaw(UNUSED).limit(limit).forUpdate().skipLocked().pluck<string[]>('id')
    for (const id of doomed) await deleteClient(trx, id, { actor: 'system' })
    return doomed.length
  })
}

/** Of all registrations, one at a time counts and adds. */
const LOCK = 4_740_268

/**
 * Whether there is room for one more client that registers itself. Holds every other registration back until the
 * transaction ends, or two at once would both see the last place.
 */
export async function hasRoomForClient(trx: Knex, most: number): Promise<boolean> {
  await trx.raw('select pg_advisory_xact_lock(?)', [LOCK])
  const { rows } = await trx.raw<{ rows: { room: boolean }[] }>(
    'select count(*) < ? as room from clients where self_registered and metadata_url is null',
    [most],
  )
  return rows[0]?.room ?? false
}

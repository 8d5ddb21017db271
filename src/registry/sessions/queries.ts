import type { Knex } from 'knex'
import { isId } from '../../lib/ids.ts'
import type { Session } from './session.ts'

export interface SessionRow {
  uid: string
  user_agent: string | null
  address: string | null
  signed_in_at: Date | null
  last_seen_at: Date
  expires_at: Date
}

export const COLUMNS = [
  'uid',
  'user_agent',
  'address',
  'signed_in_at',
  'last_seen_at',
  'expires_at',
] as const satisfies readonly (keyof SessionRow)[]

/** Where a person is signed in now, the latest used first. */
export async function listSessions(db: Knex, userId: string): Promise<Session[]> {
  if (!isId('usr', userId)) return []
  const rows = await live(db, userId)
    .orderBy([
      { column: 'last_seen_at', order: 'desc' },
      { column: 'uid', order: 'asc' },
    ])
    .select<SessionRow[]>(...COLUMNS)
  return rows.map(toSession)
}

/** One live session of this person. */
export async function findSession(db: Knex, userId: string, uid: string): Promise<Session | undefined> {
  if (!isId('usr', userId) || !isSessionUid(uid)) return undefined
  const [found] = await findLiveSessions(db, userId, { uid })
  return found
}

/** What comes from a form or a path may hold anything; the database would refuse a NUL with an error. */
export function isSessionUid(uid: string): boolean {
  return /^[\w-]{1,128}$/.test(uid)
}

/** A person's live sessions: all, all but one, or one. */
export async function findLiveSessions(
  trx: Knex,
  userId: string,
  which: { uid?: string; exceptUid?: string },
): Promise<Session[]> {
  const query = live(trx, userId).orderBy('uid')
  if (which.uid !== undefined) query.where({ uid: which.uid })
  if (which.exceptUid !== undefined) query.whereNot({ uid: which.exceptUid })
  const rows = await query.select<SessionRow[]>(...COLUMNS)
  return rows.map(toSession)
}

/**
 * Revokes what was granted in a session to apps that live in the browser. Apps on a device are signed in on their own account: they
 * outlive the browser in which that was allowed.
 * @returns which were revoked
 */
export async function revokeBrowserGrants(
  trx: Knex,
  userId: string,
  uid: string,
): Promise<{ id: string; client_id: string }[]> {
  return trx('grants')
    .where({ user_id: userId, session_uid: uid })
    .whereIn('client_id', trx('clients').whereIn('kind', ['web', 'spa']).select('id'))
    .delete()
    .returning<{ id: string; client_id: string }[]>(['id', 'client_id'])
}

export function toSession(row: SessionRow): Session {
  return {
    uid: row.uid,
    userAgent: row.user_agent,
    address: row.address,
    signedInAt: row.signed_in_at,
    lastSeenAt: row.last_seen_at,
    expiresAt: row.expires_at,
  }
}

export function live(db: Knex, userId: string): Knex.QueryBuilder {
  return db('sessions').where({ user_id: userId }).whereNull('ended_at').whereRaw('expires_at > clock_timestamp()')
}

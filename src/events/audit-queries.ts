import type { Knex } from 'knex'
import type { Channel } from '../lib/actor.ts'
import type { AuditAction } from './audit.ts'

/** One change, as it was recorded. */
export interface AuditEntry {
  /** Grows; entries about one thing stand in the order of its changes. */
  id: number
  at: Date
  actor: string
  channel: Channel
  os_user: string | null
  address: string | null
  user_agent: string | null
  trace_id: string | null
  action: AuditAction
  subject_kind: string
  subject_id: string
  user_id: string | null
  /** The fields that changed; null when there was nothing before. */
  before: Record<string, unknown> | null
  /** The same fields; null when there is nothing after. */
  after: Record<string, unknown> | null
}

export interface AuditFilter {
  limit: number
  /** The id of a thing, or of the person whom it is about. */
  subject?: string | undefined
  actor?: string | undefined
}

/** The latest entries, oldest first. */
export async function listAuditEntries(db: Knex, { limit, subject, actor }: AuditFilter): Promise<AuditEntry[]> {
  const query = db('audit_log').orderBy('id', 'desc').limit(limit)
  if (subject !== undefined) query.where((either) => either.where('subject_id', subject).orWhere('user_id', subject))
  if (actor !== undefined) query.where({ actor })
  return (await query.select<AuditEntry[]>('*')).reverse()
}

/** An entry as it may leave the server. */
export function presentAuditEntry({ id, at, ...rest }: AuditEntry): Record<string, unknown> {
  return { id, at: at.toISOString(), ...rest }
}

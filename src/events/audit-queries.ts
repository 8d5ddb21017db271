import type { Knex } from 'knex'
import type { Channel } from '../lib/actor.ts'
import type { Position, Sorting } from '../lib/keyset.ts'
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

export interface AuditPageOptions {
  limit: number
  /** By `at` alone: the order in which entries were written, which is that of their ids even when a clock is set back. */
  sorting: Sorting
  after?: Position | undefined
  wantsTotal?: boolean | undefined
  /** The id of the thing that was changed. */
  subject?: string | undefined
  actor?: string | undefined
  action?: string | undefined
  /** Whom it is about. */
  userId?: string | undefined
  /** ISO 8601 */
  at?:
    { gt?: string | undefined; gte?: string | undefined; lt?: string | undefined; lte?: string | undefined } | undefined
}

/** Entries page by page, by keyset: a page far back costs what the first costs. */
export async function readAuditEntries(
  db: Knex,
  { limit, sorting: { descending }, after, wantsTotal, ...filter }: AuditPageOptions,
): Promise<{ entries: AuditEntry[]; next?: Position; total?: number }> {
  const query = db('audit_log')
  narrow(query, filter)
  const total = wantsTotal ? await count(query) : undefined
  const page = query.clone().orderBy('id', descending ? 'desc' : 'asc')
  if (after) page.where('id', descending ? '<' : '>', after.id)
  const found = await page.limit(limit + 1).select<AuditEntry[]>('*')
  const entries = found.slice(0, limit)
  const last = entries.at(-1)
  return {
    entries,
    ...(found.length > limit && last && { next: { value: String(last.id), id: String(last.id) } }),
    ...(total !== undefined && { total }),
  }
}

/** @param id in decimal digits; anything else is nobody's */
export async function findAuditEntry(db: Knex, id: string): Promise<AuditEntry | undefined> {
  if (!/^[1-9]\d{0,17}$/.test(id)) return undefined
  return db('audit_log').where({ id }).first<AuditEntry | undefined>('*')
}

/** An entry as it may leave the server. */
export function presentAuditEntry({ id, at, ...rest }: AuditEntry): Record<string, unknown> {
  return { id, at: at.toISOString(), ...rest }
}

const COMPARISONS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

function narrow(
  query: Knex.QueryBuilder,
  { subject, actor, action, userId, at }: Pick<AuditPageOptions, 'subject' | 'actor' | 'action' | 'userId' | 'at'>,
): void {
  if (subject !== undefined) query.where({ subject_id: subject })
  if (actor !== undefined) query.where({ actor })
  if (action !== undefined) query.where({ action })
  if (userId !== undefined) query.where({ user_id: userId })
  for (const [name, operator] of Object.entries(COMPARISONS)) {
    const bound = at?.[name as keyof typeof COMPARISONS]
    if (bound !== undefined) query.where('at', operator, bound)
  }
}

async function count(query: Knex.QueryBuilder): Promise<number> {
  const [row] = (await query.clone().count({ total: '*' })) as { total: number }[]
  return row?.total ?? 0
}

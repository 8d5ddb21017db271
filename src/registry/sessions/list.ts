import type { Knex } from 'knex'
import { isId } from '../../lib/ids.ts'
import type { Position } from '../../lib/keyset.ts'
import { readPage, type PageOptions, type SortColumns } from '../page.ts'
import { COLUMNS, live, toSession, type SessionRow } from './queries.ts'
import type { Session } from './session.ts'

const SORT_COLUMNS = {
  created_at: { column: 'created_at' },
  last_seen_at: { column: 'last_seen_at' },
} as const satisfies SortColumns

export const sessionSortings = Object.keys(SORT_COLUMNS) as (keyof typeof SORT_COLUMNS)[]

/** Where a person is signed in now, page by page. */
export async function readSessions(
  db: Knex,
  { userId, ...options }: PageOptions & { userId: string },
): Promise<{ sessions: Session[]; next?: Position; total?: number }> {
  if (!isId('usr', userId)) return { sessions: [] }
  const query = live(db, userId).select(...COLUMNS, 'uid as id')
  const rules = { sortColumns: SORT_COLUMNS, id: 'uid' }
  const { rows, next, total } = await readPage<SessionRow & { id: string }>(query, rules, options)
  return { sessions: rows.map(toSession), ...(next && { next }), ...(total !== undefined && { total }) }
}

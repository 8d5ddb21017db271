import type { Knex } from 'knex'
import { isId } from '../../lib/ids.ts'
import type { Position } from '../../lib/keyset.ts'
import { readPage, type PageOptions, type SortColumns } from '../page.ts'
import type { TokenFamily } from './token-family.ts'

interface FamilyRow {
  id: string
  client_id: string
  client_name: string
  session_uid: string | null
  payload: { openid?: { scope?: string }; resources?: Record<string, string> }
  created_at: Date
  expires_at: Date
  last_refreshed_at: Date | null
}

const SORT_COLUMNS = {
  created_at: { column: 'grants.created_at' },
  expires_at: { column: 'grants.expires_at' },
} as const satisfies SortColumns

export const tokenFamilySortings = Object.keys(SORT_COLUMNS) as (keyof typeof SORT_COLUMNS)[]

export interface TokenFamilyListOptions extends PageOptions {
  userId: string
  clientId?: string | undefined
}

/** The live token families of a person. */
export async function listTokenFamilies(
  db: Knex,
  { userId, clientId, ...options }: TokenFamilyListOptions,
): Promise<{ families: TokenFamily[]; next?: Position; total?: number }> {
  if (!isId('usr', userId)) return { families: [] }
  const query = live(db, userId)
  if (clientId !== undefined) query.where('grants.client_id', clientId)
  const rules = { sortColumns: SORT_COLUMNS, id: 'grants.id' }
  const { rows, next, total } = await readPage<FamilyRow>(query, rules, options)
  return { families: rows.map(family), ...(next && { next }), ...(total !== undefined && { total }) }
}

/** One live token family of this person. */
export async function findTokenFamily(db: Knex, userId: string, id: string): Promise<TokenFamily | undefined> {
  if (!isId('usr', userId) || !isGrantId(id)) return undefined
  const row = (await live(db, userId).where('grants.id', id).first()) as FamilyRow | undefined
  return row && family(row)
}

/** What comes from a path may hold anything; the database would refuse a NUL with an error. */
export function isGrantId(id: string): boolean {
  return /^[\w-]{1,128}$/.test(id)
}

function live(db: Knex, userId: string): Knex.QueryBuilder {
  return db('grants')
    .join('clients', 'clients.id', 'grants.client_id')
    .where('grants.user_id', userId)
    .whereRaw('grants.expires_at > clock_timestamp()')
    .select(
      'grants.id',
      'grants.client_id',
      'clients.name as client_name',
      'grants.session_uid',
      'grants.payload',
      'grants.created_at',
      'grants.expires_at',
      db.raw('(select max(consumed_at) from refresh_tokens where grant_id = grants.id) as last_refreshed_at'),
    )
}

function family({ payload, ...row }: FamilyRow): TokenFamily {
  return {
    id: row.id,
    clientId: row.client_id,
    clientName: row.client_name,
    sessionUid: row.session_uid,
    openid: scopeList(payload.openid?.scope),
    resources: Object.fromEntries(
      Object.entries(payload.resources ?? {}).map(([audience, scope]) => [audience, scopeList(scope)]),
    ),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastRefreshedAt: row.last_refreshed_at,
  }
}

function scopeList(scope = ''): string[] {
  return scope.split(' ').filter(Boolean).sort()
}

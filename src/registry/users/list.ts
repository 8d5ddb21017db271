import type { Knex } from 'knex'
import type { Position, Sorting } from '../../lib/keyset.ts'
import { normalText } from '../../lib/plain-text.ts'
import { readPage, whereTime, type PageOptions, type SortColumns, type TimeRange } from '../page.ts'
import { COLUMNS, toUser, type UserRow } from './queries.ts'
import { normalizeEmail, normalizeUsername, type User } from './user.ts'

/** What lists of users may be sorted by. Each has an index, so a page costs the same wherever it stands. */
const SORT_COLUMNS = {
  created_at: { column: 'created_at' },
  updated_at: { column: 'updated_at' },
  username: { column: 'username' },
} as const satisfies SortColumns

export const userSortings = Object.keys(SORT_COLUMNS) as (keyof typeof SORT_COLUMNS)[]

export interface UserFilter {
  role?: string | undefined
  disabled?: boolean | undefined
  /** In any spelling that has the same normal form. */
  username?: string | undefined
  email?: string | undefined
  createdAt?: TimeRange | undefined
  /** What the username, the e-mail address or the name begins with, whatever its case. */
  prefix?: string | undefined
}

export interface UserListOptions extends Omit<PageOptions, 'sorting'>, UserFilter {
  sorting?: Sorting
}

const OLDEST_FIRST: Sorting = { by: 'created_at', descending: false }

/** Users in a stable order, page by page: nobody is passed over or told twice because others come or go in between. */
export async function listUsers(
  db: Knex,
  { sorting = OLDEST_FIRST, ...options }: UserListOptions,
): Promise<{ users: User[]; next?: Position; total?: number }> {
  const query = db('users').select(...COLUMNS)
  filter(query, options)
  const rules = { sortColumns: SORT_COLUMNS, id: 'id' }
  const { rows, next, total } = await readPage<UserRow>(query, rules, { ...options, sorting })
  return { users: rows.map(toUser), ...(next && { next }), ...(total !== undefined && { total }) }
}

function filter(query: Knex.QueryBuilder, { role, disabled, username, email, createdAt, prefix }: UserFilter): void {
  if (role !== undefined) query.whereRaw('roles @> array[?]::text[]', [role])
  if (disabled !== undefined) query.whereRaw(`disabled_at is ${disabled ? 'not ' : ''}null`)
  // A name that no account can have is looked for all the same, and found nowhere.
  if (username !== undefined) query.where({ username: attempt(() => normalizeUsername(username)) ?? '' })
  if (email !== undefined) query.where({ email: attempt(() => normalizeEmail(email)) ?? '' })
  whereTime(query, 'created_at', createdAt)
  if (prefix !== undefined) whereBegins(query, prefix)
}

/** `like 'text%'` is what the indexes of migration 0008-lists answer; a `%` in front would read every row. */
function whereBegins(query: Knex.QueryBuilder, prefix: string): void {
  const login = beginning(prefix.normalize('NFKC').toLowerCase())
  const name = beginning(normalText(prefix))
  query.whereRaw('(username like ? or email like ? or lower(name) like lower(?))', [login, login, name])
}

function beginning(text: string): string {
  return `${text.trim().replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
}

function attempt(normalize: () => string): string | undefined {
  try {
    return normalize()
  } catch {
    return undefined
  }
}

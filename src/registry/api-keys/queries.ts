import type { Knex } from 'knex'
import type pg from 'pg'
import { isId } from '../../lib/ids.ts'
import { digestSecret, looksLikeSecret } from '../../lib/secret.ts'
import { RegistryError } from '../registry-error.ts'
import { API_KEY_PREFIX, type ApiKey } from './api-key.ts'
import { isManagementScope } from '../management-scopes.ts'

interface ApiKeyRow {
  id: string
  name: string
  hint: string
  scopes: string[]
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
  revoked_at: Date | null
}

const COLUMNS = [
  'id',
  'name',
  'hint',
  'scopes',
  'created_at',
  'expires_at',
  'last_used_at',
  'revoked_at',
] as const satisfies readonly (keyof ApiKeyRow)[]

const FIND = {
  name: 'find-api-key',
  text: `select ${COLUMNS.join(', ')}, last_used_at is null or last_used_at < now() - interval '1 minute' as is_stale
    from api_keys where digest = $1 and revoked_at is null and (expires_at is null or expires_at > now())`,
}

const TOUCH = {
  name: 'touch-api-key',
  text: `update api_keys set last_used_at = now()
    where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
}

/**
 * The key that someone presents, if it is one and still good. It is looked up by its digest, so no comparison can leak by
 * its timing; junk is thrown out by its checksum before the database is asked.
 */
export async function findApiKey(pool: pg.Pool, presentedValue: string): Promise<ApiKey | undefined> {
  if (!presentedValue.startsWith(`${API_KEY_PREFIX}_`) || !looksLikeSecret(presentedValue)) return undefined
  const { rows } = await pool.query<ApiKeyRow & { is_stale: boolean }>({
    ...FIND,
    values: [digestSecret(presentedValue)],
  })
  const [row] = rows
  if (!row) return undefined
  // Written at most once a minute: a busy key must not turn every read into a write.
  if (row.is_stale) await pool.query({ ...TOUCH, values: [row.id] })
  return apiKey(row)
}

/** Where a page ended: the time as the database wrote it, and the id that settles ties. */
export interface ApiKeyPosition {
  value: string
  id: string
}

/** Keys by age, page by page, the revoked and expired among them. Without a limit all of them. */
export async function listApiKeys(
  db: Knex,
  { limit, after }: { limit?: number; after?: ApiKeyPosition | undefined } = {},
): Promise<{ apiKeys: ApiKey[]; next?: ApiKeyPosition }> {
  const query = db('api_keys')
    .select<(ApiKeyRow & { position: string })[]>(...COLUMNS, db.raw('created_at::text as position'))
    .orderBy(['created_at', 'id'])
  if (limit !== undefined) query.limit(limit + 1)
  if (after) query.whereRaw('(created_at, id) > (?, ?)', [after.value, after.id])
  const rows = await query
  const page = limit === undefined ? rows : rows.slice(0, limit)
  const last = page.at(-1)
  const apiKeys = page.map(apiKey)
  return rows.length > page.length && last ? { apiKeys, next: { value: last.position, id: last.id } } : { apiKeys }
}

export async function findApiKeyById(db: Knex, id: string): Promise<ApiKey | undefined> {
  if (!isId('apk', id)) return undefined
  const row = await db('api_keys')
    .where({ id })
    .first<ApiKeyRow | undefined>(...COLUMNS)
  return row && apiKey(row)
}

export async function insertApiKey(
  trx: Knex,
  row: Pick<ApiKeyRow, 'id' | 'name' | 'hint' | 'scopes' | 'expires_at'> & { digest: Buffer },
): Promise<ApiKey> {
  const [made] = await trx('api_keys')
    .insert(row)
    .returning<ApiKeyRow[]>([...COLUMNS])
  return apiKey(made as ApiKeyRow)
}

/** Revokes a key if it is not yet. @returns undefined when it was revoked before, or never was */
export async function markRevoked(trx: Knex, id: string): Promise<ApiKey | undefined> {
  if (!isId('apk', id)) return undefined
  const [row] = await trx('api_keys')
    .where({ id })
    .whereNull('revoked_at')
    .update({ revoked_at: trx.fn.now() })
    .returning<ApiKeyRow[]>([...COLUMNS])
  return row && apiKey(row)
}

/** @throws RegistryError `invalid`, field `expires_at`, when the time has passed on the database's clock */
export async function requireFuture(db: Knex, expiresAt: Date): Promise<void> {
  const { rows } = await db.raw<{ rows: { future: boolean }[] }>(
    'select ?::timestamptz > clock_timestamp() as future',
    [expiresAt],
  )
  if (!rows[0]?.future) throw new RegistryError('invalid', 'expires_at must be in the future', 'expires_at')
}

function apiKey(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    hint: row.hint,
    // A scope that no longer exists opens nothing.
    scopes: row.scopes.filter(isManagementScope),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  }
}

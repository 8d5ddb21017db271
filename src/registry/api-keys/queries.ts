import type { Knex } from 'knex'
import type pg from 'pg'
import { isId } from '../../lib/ids.ts'
import type { Position } from '../../lib/keyset.ts'
import { digestSecret, looksLikeSecret } from '../../lib/secret.ts'
import { isManagementScope } from '../management-scopes.ts'
import { readPage, whereTime, type PageOptions, type PageRules, type TimeRange } from '../page.ts'
import { RegistryError } from '../registry-error.ts'
import { API_KEY_PREFIX, type ApiKey } from './api-key.ts'

interface ApiKeyRow {
  id: string
  name: string
  hint: string
  scopes: string[]
  live_previous_hint: string | null
  live_previous_until: Date | null
  created_by: string | null
  created_at: Date
  updated_at: Date
  expires_at: Date | null
  last_used_at: Date | null
  revoked_at: Date | null
  version: number
}

/** The columns that a write may set. */
interface ApiKeyChanges {
  name?: string
  scopes?: string[]
  hint?: string
  digest?: Buffer
  previous_hint?: string | null | Knex.Raw
  previous_digest?: Buffer | null | Knex.Raw
  previous_until?: Knex.Raw | null
  revoked_at?: Knex.Raw
}

/** Whether the value before the last rotation still opens, on the database's clock. */
const OVERLAPS = 'previous_until > clock_timestamp() and revoked_at is null'

const COLUMNS = `id, name, hint, scopes, created_by, created_at, updated_at, expires_at, last_used_at, revoked_at, version,
  case when ${OVERLAPS} then previous_hint end as live_previous_hint,
  case when ${OVERLAPS} then previous_until end as live_previous_until`

const FIND = {
  name: 'find-api-key-by-value',
  text: `select ${COLUMNS}, last_used_at is null or last_used_at < now() - interval '1 minute' as is_stale
    from api_keys
    where (digest = $1 or (previous_digest = $1 and previous_until > clock_timestamp()))
      and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())`,
}

const TOUCH = {
  name: 'touch-api-key',
  text: `update api_keys set last_used_at = now()
    where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
}

/**
 * The key that someone presents, if it is one and still good: by its value, or by the one before while a rotation overlaps.
 * It is looked up by its digest, so no comparison can leak by its timing; junk is thrown out by its checksum before the
 * database is asked.
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

const PAGES = {
  sortColumns: {
    created_at: { column: 'created_at' },
    name: { column: 'name' },
    last_used_at: { column: 'last_used_at', nullable: true },
  },
  id: 'id',
} as const satisfies PageRules

export interface ApiKeyFilter {
  revoked?: boolean | undefined
  /** Whether its time is over, revoked or not. */
  expired?: boolean | undefined
  created?: TimeRange | undefined
}

/** A page of keys, the revoked and expired among them, sorted by `created_at`, `name` or `last_used_at`. */
export async function listApiKeys(
  db: Knex,
  { filter = {}, ...page }: PageOptions & { filter?: ApiKeyFilter | undefined },
): Promise<{ apiKeys: ApiKey[]; next: Position | undefined; total: number | undefined }> {
  const query = db('api_keys').select(db.raw(COLUMNS))
  if (filter.revoked !== undefined) query.whereRaw(`revoked_at is ${filter.revoked ? 'not ' : ''}null`)
  if (filter.expired === true) query.whereRaw('expires_at <= now()')
  if (filter.expired === false) query.whereRaw('(expires_at is null or expires_at > now())')
  whereTime(query, 'created_at', filter.created)
  const { rows, next, total } = await readPage<ApiKeyRow>(query, PAGES, page)
  return { apiKeys: rows.map(apiKey), next, total }
}

export async function findApiKeyById(db: Knex, id: string): Promise<ApiKey | undefined> {
  if (!isId('apk', id)) return undefined
  const row = await db('api_keys').where({ id }).first<ApiKeyRow | undefined>(db.raw(COLUMNS))
  return row && apiKey(row)
}

/**
 * Holds the key's row until the transaction ends, so that changes come one after the other.
 * @throws RegistryError `not_found`
 */
export async function lockApiKey(trx: Knex, id: string): Promise<ApiKey> {
  const held = isId('apk', id) && (await trx('api_keys').where({ id }).forUpdate().first('id'))
  const found = held && (await findApiKeyById(trx, id))
  if (!found) throw new RegistryError('not_found', 'there is no such API key')
  return found
}

export async function insertApiKey(
  trx: Knex,
  row: { id: string; digest: Buffer; created_by: string } & Pick<ApiKeyRow, 'name' | 'hint' | 'scopes' | 'expires_at'>,
): Promise<ApiKey> {
  const [made] = await trx('api_keys').insert(row).returning<ApiKeyRow[]>(trx.raw(COLUMNS))
  return apiKey(made as ApiKeyRow)
}

/** Writes a change of a key that the caller holds. */
export async function changeApiKey(trx: Knex, id: string, changes: ApiKeyChanges): Promise<ApiKey> {
  const [changed] = await trx('api_keys')
    .where({ id })
    .update({ ...changes, version: trx.raw('version + 1'), updated_at: trx.raw('clock_timestamp()') })
    .returning<ApiKeyRow[]>(trx.raw(COLUMNS))
  return apiKey(changed as ApiKeyRow)
}

/** Whether the time has passed on the database's clock. */
export async function isPast(db: Knex, time: Date): Promise<boolean> {
  const { rows } = await db.raw<{ rows: { past: boolean }[] }>('select ?::timestamptz <= clock_timestamp() as past', [
    time,
  ])
  return rows[0]?.past ?? true
}

function apiKey(row: ApiKeyRow): ApiKey {
  const { live_previous_hint: hint, live_previous_until: until } = row
  return {
    id: row.id,
    name: row.name,
    hint: row.hint,
    // A scope that no longer exists opens nothing.
    scopes: row.scopes.filter(isManagementScope),
    previous: hint !== null && until !== null ? { hint, expiresAt: until } : null,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
    version: row.version,
  }
}

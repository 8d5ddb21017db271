import type { Knex } from 'knex'
import type { Pool } from 'pg'
import { normalAudience } from '../../lib/audience.ts'
import { isId } from '../../lib/ids.ts'
import type { Position } from '../../lib/keyset.ts'
import { readPage, whereContains, whereTime, type PageOptions, type PageRules, type TimeRange } from '../page.ts'
import { RegistryError } from '../registry-error.ts'
import type { Resource, ResourceScope, ResourceSigningAlg, TokenClaim, TokenFormat } from './resource.ts'

interface ResourceRow {
  id: string
  audience: string
  name: string
  token_format: TokenFormat
  signing_alg: ResourceSigningAlg
  access_token_ttl: number | null
  token_claims: TokenClaim[]
  introspection_clients: string[]
  self_registered_scopes: string[]
  built_in: boolean
  version: number
  created_at: Date
  updated_at: Date
  scopes: ResourceScope[]
}

const SCOPES = `
  coalesce((
    select json_agg(json_build_object('name', s.name, 'description', s.description, 'descriptionDe', s.description_de)
      order by s.name collate "C")
    from resource_scopes s where s.resource_id = r.id
  ), '[]')`

const SELECT = `select r.*, ${SCOPES} as scopes from resources r`

const BY_AUDIENCE = { name: 'find_resource_by_audience', text: `${SELECT} where r.audience = $1` }
const BY_IDS = { name: 'find_resources_by_ids', text: `${SELECT} where r.id = any ($1) order by r.audience` }

/** The token path. Any spelling of the audience finds it; what is no audience finds nothing. */
export async function findResourceByAudience(pool: Pool, audience: string): Promise<Resource | undefined> {
  const normal = normalAudience(audience)
  if (normal === undefined) return undefined
  const { rows } = await pool.query<ResourceRow>({ ...BY_AUDIENCE, values: [normal] })
  return rows[0] && toResource(rows[0])
}

/** The token path, for several at once, by audience. What does not exist is left out. */
export async function findResourcesByIds(pool: Pool, ids: readonly string[]): Promise<Resource[]> {
  const wanted = ids.filter((id) => isId('res', id))
  if (wanted.length === 0) return []
  const { rows } = await pool.query<ResourceRow>({ ...BY_IDS, values: [wanted] })
  return rows.map(toResource)
}

/** A resource by its id or any spelling of its audience. */
export async function findResource(db: Knex, idOrAudience: string): Promise<Resource | undefined> {
  const byId = isId('res', idOrAudience)
  const value = byId ? idOrAudience : normalAudience(idOrAudience)
  if (value === undefined) return undefined
  const where = byId ? 'r.id = ?' : 'r.audience = ?'
  const { rows } = await db.raw<{ rows: ResourceRow[] }>(`${SELECT} where ${where}`, [value])
  return rows[0] && toResource(rows[0])
}

const PAGES = {
  sortColumns: {
    created_at: { column: 'r.created_at' },
    updated_at: { column: 'r.updated_at' },
    name: { column: 'r.name' },
    audience: { column: 'r.audience' },
  },
  id: 'r.id',
} as const satisfies PageRules

export interface ResourceFilter {
  /** In any spelling that has the same normal form. */
  audience?: string | undefined
  tokenFormat?: TokenFormat | undefined
  builtIn?: boolean | undefined
  /** Part of the name or of the audience, in any case. */
  q?: string | undefined
  created?: TimeRange | undefined
}

/** A page of resources with their scopes, sorted by `created_at`, `updated_at`, `name` or `audience`. */
export async function listResources(
  db: Knex,
  { filter = {}, ...page }: PageOptions & { filter?: ResourceFilter | undefined },
): Promise<{ resources: Resource[]; next: Position | undefined; total: number | undefined }> {
  const query = db('resources as r').select('r.*', db.raw(`${SCOPES} as scopes`))
  // What is no audience is looked for all the same, and found nowhere.
  if (filter.audience !== undefined) query.where('r.audience', normalAudience(filter.audience) ?? '')
  if (filter.tokenFormat !== undefined) query.where('r.token_format', filter.tokenFormat)
  if (filter.builtIn !== undefined) query.where('r.built_in', filter.builtIn)
  if (filter.q !== undefined) whereContains(query, ['r.name', 'r.audience'], filter.q)
  whereTime(query, 'r.created_at', filter.created)
  const { rows, next, total } = await readPage<ResourceRow>(query, PAGES, page)
  return { resources: rows.map(toResource), next, total }
}

/**
 * Takes the resource's row for this transaction, so that changes come one after the other.
 * @throws RegistryError `not_found`
 */
export async function lockResource(trx: Knex, idOrAudience: string): Promise<Resource> {
  const found = await findResource(trx, idOrAudience)
  const held = found && (await trx('resources').where({ id: found.id }).forUpdate().first<{ id: string }>('id'))
  const resource = held && (await findResource(trx, held.id))
  if (!resource) throw new RegistryError('not_found', 'no such resource')
  return resource
}

function toResource(row: ResourceRow): Resource {
  return {
    id: row.id,
    audience: row.audience,
    name: row.name,
    tokenFormat: row.token_format,
    signingAlg: row.signing_alg,
    accessTokenTtl: row.access_token_ttl,
    tokenClaims: row.token_claims,
    introspectionClients: row.introspection_clients,
    selfRegisteredScopes: row.self_registered_scopes,
    scopes: row.scopes,
    builtIn: row.built_in,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

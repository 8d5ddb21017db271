import type { Knex } from 'knex'
import { isId } from '../../lib/ids.ts'
import type { Position } from '../../lib/keyset.ts'
import { readPage, type PageOptions, type SortColumns } from '../page.ts'
import type { ClientConsent } from './consent.ts'

interface ConsentRow {
  id: string
  name: string
  openid: string[]
  resources: Record<string, string[]>
  granted_at: Date
  expires_at: Date | null
}

const SORT_COLUMNS = { granted_at: { column: 'granted_at' } } as const satisfies SortColumns

export const consentSortings = Object.keys(SORT_COLUMNS) as (keyof typeof SORT_COLUMNS)[]

/** One row for each client that the person allowed something: what is kept of it in several counts as one consent. */
const HELD = `(
  select clients.id, clients.name, max(consents.granted_at) as granted_at, min(consents.expires_at) as expires_at,
    coalesce(jsonb_agg(consents.scopes) filter (where consents.resource_id is null) -> 0, '[]') as openid,
    coalesce(
      jsonb_object_agg(resources.audience, consents.scopes) filter (where consents.resource_id is not null), '{}'
    ) as resources
  from consents
  join clients on clients.id = consents.client_id
  left join resources on resources.id = consents.resource_id
  where consents.user_id = ? and (consents.expires_at is null or consents.expires_at > clock_timestamp())
  group by clients.id
) as held`

/** What a person allows apps at present, page by page. */
export async function readConsents(
  db: Knex,
  { userId, ...options }: PageOptions & { userId: string },
): Promise<{ consents: ClientConsent[]; next?: Position; total?: number }> {
  if (!isId('usr', userId)) return { consents: [] }
  const rules = { sortColumns: SORT_COLUMNS, id: 'id' }
  const { rows, next, total } = await readPage<ConsentRow>(held(db, userId), rules, options)
  return { consents: rows.map(consent), ...(next && { next }), ...(total !== undefined && { total }) }
}

/** What a person allows one app at present. */
export async function findClientConsent(
  db: Knex,
  userId: string,
  clientId: string,
): Promise<ClientConsent | undefined> {
  if (!isId('usr', userId) || !isId('cli', clientId)) return undefined
  const row = (await held(db, userId).where({ id: clientId }).first()) as ConsentRow | undefined
  return row && consent(row)
}

function held(db: Knex, userId: string): Knex.QueryBuilder {
  return db.from(db.raw(HELD, [userId])).select('id', 'name', 'openid', 'resources', 'granted_at', 'expires_at')
}

function consent(row: ConsentRow): ClientConsent {
  return {
    clientId: row.id,
    clientName: row.name,
    openid: row.openid,
    resources: row.resources,
    grantedAt: row.granted_at,
    expiresAt: row.expires_at,
  }
}

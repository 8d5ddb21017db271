import type { Pool } from 'pg'
import { MANAGEMENT_RESOURCE_ID } from '../management-scopes.ts'

/** The public client that people sign in with on the reference page of the management API. */
export interface ReferenceClient {
  id: string
  /** What it may ask of the management API. */
  scopes: string[]
}

const FIND = {
  name: 'find_reference_client',
  text: `
    select c.id, coalesce(array_agg(a.scope order by a.scope) filter (where a.scope is not null), '{}') as scopes
    from clients c left join client_resource_scopes a on a.client_id = c.id and a.resource_id = $2
    where c.kind = 'spa' and $1 = any (c.redirect_uris) and c.disabled_at is null and not c.self_registered
    group by c.id
    order by c.created_at, c.id
    limit 1`,
}

/**
 * An operator makes it as any other client: what marks it is that it may return to the page. Clients that registered
 * themselves don't count, or anybody could offer theirs on a page of ours.
 */
export async function findReferenceClient(pool: Pool, redirectUri: string): Promise<ReferenceClient | undefined> {
  const { rows } = await pool.query<ReferenceClient>({ ...FIND, values: [redirectUri, MANAGEMENT_RESOURCE_ID] })
  return rows[0]
}

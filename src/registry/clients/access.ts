import type { Knex } from 'knex'
import { normalAudience } from '../../lib/audience.ts'
import { isId } from '../../lib/ids.ts'
import { RegistryError } from '../registry-error.ts'
import { findAccess } from './queries.ts'

/** Asked for a client: scopes of one resource server, named by its id or its audience. */
export interface AccessRequest {
  resource: string
  scopes: readonly string[]
}

interface ScopeRow {
  id: string
  audience: string
  /** null for a resource without scopes */
  scope: string | null
}

/**
 * Sets what a client may ask of resource servers, as a whole: what is not in the list goes. Call it inside the transaction
 * that holds the client's row.
 * @returns whether anything changed
 * @throws RegistryError `invalid` for an unknown resource, an unknown scope or an empty list of scopes
 */
export async function replaceAccess(trx: Knex, clientId: string, requests: readonly AccessRequest[]): Promise<boolean> {
  const wanted = await resolve(trx, requests)
  const before = (await findAccess(trx, clientId)).flatMap(({ resourceId, scopes }) =>
    scopes.map((scope) => key(resourceId, scope)),
  )
  const gone = before.filter((entry) => !wanted.has(entry))
  const added = [...wanted.keys()].filter((entry) => !before.includes(entry))

  for (const entry of gone) {
    const [resource_id, scope] = entry.split(' ')
    await trx('client_resource_scopes').where({ client_id: clientId, resource_id, scope }).delete()
  }
  if (added.length > 0) await insertAll(trx, clientId, added)
  return gone.length > 0 || added.length > 0
}

async function resolve(trx: Knex, requests: readonly AccessRequest[]): Promise<Set<string>> {
  const wanted = new Set<string>()
  for (const { resource, scopes } of requests) {
    const offered = await findScopes(trx, resource)
    const [first] = offered
    if (!first) throw invalid(`there is no resource ${shown(resource)}`)
    if (scopes.length === 0) throw invalid(`name at least one scope of ${first.audience}`)
    for (const scope of scopes) {
      if (!offered.some((row) => row.scope === scope)) throw invalid(`${first.audience} has no scope ${shown(scope)}`)
      wanted.add(key(first.id, scope))
    }
  }
  return wanted
}

async function findScopes(trx: Knex, resource: string): Promise<ScopeRow[]> {
  const byId = isId('res', resource)
  const value = byId ? resource : normalAudience(resource)
  if (value === undefined) return []
  return trx('resources')
    .leftJoin('resource_scopes', 'resource_scopes.resource_id', 'resources.id')
    .where(byId ? 'resources.id' : 'resources.audience', value)
    .select({ id: 'resources.id', audience: 'resources.audience', scope: 'resource_scopes.name' })
}

async function insertAll(trx: Knex, clientId: string, entries: string[]): Promise<void> {
  const rows = entries.map((entry) => {
    const [resource_id, scope] = entry.split(' ')
    return { client_id: clientId, resource_id, scope }
  })
  try {
    await trx('client_resource_scopes').insert(rows)
  } catch (error) {
    // The scope was deleted between the look and the insert.
    if ((error as { code?: string }).code !== '23503') throw error
    throw invalid('a resource or scope was removed meanwhile; look again')
  }
}

/** Neither an id nor a scope (RFC 6749 §3.3) has a space in it. */
function key(resourceId: string, scope: string): string {
  return `${resourceId} ${scope}`
}

function shown(value: string): string {
  return JSON.stringify(value.length > 120 ? `${value.slice(0, 120)}…` : value)
}

function invalid(message: string): RegistryError {
  return new RegistryError('invalid', message, 'access')
}

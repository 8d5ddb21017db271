import type { Knex } from 'knex'
import {
  MANAGEMENT_RESOURCE_ID,
  managementAudience,
  managementScopes,
  managementScopeWords,
} from '../management-scopes.ts'
import { RegistryError } from '../registry-error.ts'

/** Opaque tokens: each request asks for them, so a revoked one is dead at once. */
const ENSURE = `
  with resource as (
    insert into resources as r (id, audience, name, token_format, token_claims, built_in)
    values (:id, :audience, :name, 'opaque', '{}', true)
    on conflict (id) do update set audience = excluded.audience, name = excluded.name, version = r.version + 1,
      updated_at = clock_timestamp()
    where (r.audience, r.name) is distinct from (excluded.audience, excluded.name)
  )
  insert into resource_scopes as s (resource_id, name, description, description_de)
  select :id, name, description, description_de
  from unnest(cast(:names as text[]), cast(:english as text[]), cast(:german as text[])) as scope (name, description, description_de)
  order by name
  on conflict (resource_id, name) do update
    set description = excluded.description, description_de = excluded.description_de
    where (s.description, s.description_de) is distinct from (excluded.description, excluded.description_de)`

/**
 * Makes the resource server that the management API is, or brings it to this issuer and the words of this version. Any
 * number of servers may do it at once. Scopes that this version does not know stay: a newer one that runs beside it may
 * have given them to clients.
 * @throws RegistryError `conflict` when an operator has registered another resource under this audience
 */
export async function ensureManagementResource(db: Knex, issuer: string): Promise<void> {
  const audience = managementAudience(issuer)
  const words = managementScopes.map((scope) => managementScopeWords[scope])
  try {
    await db.raw(ENSURE, {
      id: MANAGEMENT_RESOURCE_ID,
      audience,
      name: 'Grantry management API',
      names: [...managementScopes],
      english: words.map(({ en }) => en),
      german: words.map(({ de }) => de),
    })
  } catch (error) {
    if ((error as { constraint?: string }).constraint !== 'resources_audience_key') throw error
    const message = `the audience ${audience} belongs to the management API: delete the resource that has it`
    throw new RegistryError('conflict', message, 'audience')
  }
}

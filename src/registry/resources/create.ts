import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { newId } from '../../lib/ids.ts'
import { RegistryError } from '../registry-error.ts'
import { presentResource } from './present.ts'
import { lockResource } from './queries.ts'
import {
  checkedAudience,
  checkedResourceSettings,
  withResourceDefaults,
  type GivenResourceSettings,
  type Resource,
  type ResourceScope,
  type ResourceSettings,
} from './resource.ts'

export interface NewResource extends GivenResourceSettings {
  audience: string
  name: string
  actor: Actor
}

/**
 * Registers an API.
 * @throws RegistryError `invalid` with the field at fault, `conflict` when the audience is taken
 */
export async function createResource(db: Knex, input: NewResource): Promise<Resource> {
  const audience = checkedAudience(input.audience)
  const settings = checkedResourceSettings(withResourceDefaults(input))
  const id = newId('res')
  return db.transaction(async (trx) => {
    const inserted = await trx('resources')
      .insert({ id, audience, ...toResourceColumns(settings) })
      .onConflict('audience')
      .ignore()
      .returning('id')
    if (inserted.length === 0) {
      throw new RegistryError('conflict', `there is a resource with the audience ${audience} already`, 'audience')
    }
    if (settings.scopes.length > 0) await trx('resource_scopes').insert(toScopeRows(id, settings.scopes))
    const data = { audience }
    await appendEvent(trx, { type: 'resource.created', subject: id, actor: input.actor, data })
    const made = await lockResource(trx, id)
    await recordChange(trx, input.actor, { action: 'resource.create', subject: id, after: presentResource(made) })
    return made
  })
}

/** Settings as the table names them. */
export function toResourceColumns(settings: ResourceSettings): Record<string, unknown> {
  return {
    name: settings.name,
    token_format: settings.tokenFormat,
    signing_alg: settings.signingAlg,
    access_token_ttl: settings.accessTokenTtl,
    token_claims: settings.tokenClaims,
    introspection_clients: settings.introspectionClients,
    self_registered_scopes: settings.selfRegisteredScopes,
  }
}

export function toScopeRows(resourceId: string, scopes: readonly ResourceScope[]): Record<string, unknown>[] {
  return scopes.map(({ name, description, descriptionDe }) => {
    return { resource_id: resourceId, name, description, description_de: descriptionDe }
  })
}

import { isDeepStrictEqual } from 'node:util'
import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { snakeCase } from '../../lib/snake-case.ts'
import { RegistryError } from '../registry-error.ts'
import { countClientsLosing } from '../revocation.ts'
import { toResourceColumns, toScopeRows } from './create.ts'
import { presentResource } from './present.ts'
import { lockResource } from './queries.ts'
import {
  checkedResourceSettings,
  type GivenResourceSettings,
  type Resource,
  type ResourceScope,
  type ResourceSettings,
} from './resource.ts'

export interface ResourceChangeOptions {
  actor: Actor
  /** Only if the resource is still at this version. */
  ifVersion?: number | undefined
}

/**
 * Changes what is given and leaves the rest; scopes are replaced as a whole. A scope that stays keeps the clients that may
 * ask for it; a scope that goes is taken from them. The audience stays: tokens, consents and APIs know the resource by it.
 * @throws RegistryError `not_found`, `invalid` with the field, `forbidden` for a built-in resource, `conflict` when the
 * version moved on
 */
export async function updateResource(
  db: Knex,
  idOrAudience: string,
  change: GivenResourceSettings,
  { actor, ifVersion }: ResourceChangeOptions,
): Promise<Resource> {
  return db.transaction(async (trx) => {
    const resource = await lockResource(trx, idOrAudience)
    requireResourceVersion(resource, ifVersion)
    if (resource.builtIn) throw new RegistryError('forbidden', 'a built-in resource can not be changed', 'built_in')
    const settings = checkedResourceSettings(merge(resource, change))
    const changed = (Object.keys(settings) as (keyof ResourceSettings)[]).filter(
      (name) => !isDeepStrictEqual(settings[name], resource[name]),
    )
    if (changed.length === 0) return resource

    const { id } = resource
    await trx('resources')
      .where({ id })
      .update({
        ...toResourceColumns(settings),
        version: resource.version + 1,
        updated_at: trx.raw('clock_timestamp()'),
      })
    if (changed.includes('scopes')) await replaceScopes(trx, id, settings.scopes)
    await appendEvent(trx, { type: 'resource.updated', subject: id, actor, data: { fields: changed.map(snakeCase) } })
    const after = await lockResource(trx, id)
    await recordChange(trx, actor, {
      action: 'resource.update',
      subject: id,
      before: presentResource(resource),
      after: presentResource(after),
    })
    return after
  })
}

/** @throws RegistryError `conflict` when someone else was faster */
export function requireResourceVersion(resource: Resource, ifVersion: number | undefined): void {
  if (ifVersion === undefined || resource.version === ifVersion) return
  const message = `the resource has changed: it is at version ${resource.version}, not ${ifVersion}`
  throw new RegistryError('conflict', message, 'version')
}

/** Never deletes a scope that stays: the clients' access hangs on its row and would go with it. */
async function replaceScopes(trx: Knex, resourceId: string, scopes: ResourceScope[]): Promise<void> {
  const names = scopes.map(({ name }) => name)
  await countClientsLosing(trx, resourceId, names)
  await trx('resource_scopes').where({ resource_id: resourceId }).whereNotIn('name', names).delete()
  if (scopes.length === 0) return
  await trx('resource_scopes')
    .insert(toScopeRows(resourceId, scopes))
    .onConflict(['resource_id', 'name'])
    .merge(['description', 'description_de'])
}

function merge(resource: Resource, change: GivenResourceSettings): ResourceSettings {
  return {
    name: change.name ?? resource.name,
    tokenFormat: change.tokenFormat ?? resource.tokenFormat,
    signingAlg: change.signingAlg ?? resource.signingAlg,
    accessTokenTtl: change.accessTokenTtl === undefined ? resource.accessTokenTtl : change.accessTokenTtl,
    tokenClaims: change.tokenClaims ?? resource.tokenClaims,
    introspectionClients: change.introspectionClients ?? resource.introspectionClients,
    selfRegisteredScopes: change.selfRegisteredScopes ?? resource.selfRegisteredScopes,
    scopes: change.scopes ?? resource.scopes,
  }
}

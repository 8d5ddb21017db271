import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import { RegistryError } from '../registry-error.ts'
import { countClientsLosing } from '../revocation.ts'
import { presentResource } from './present.ts'
import { lockResource } from './queries.ts'
import { requireResourceVersion, type ResourceChangeOptions } from './update.ts'

/**
 * Removes an API with its scopes, the clients' access to it and the consents given for it. No new token is made for it;
 * a JWT that is out lives to its `exp`.
 * @throws RegistryError `not_found`, `forbidden` for a built-in resource, `conflict` when the version moved on
 */
export async function deleteResource(
  db: Knex,
  idOrAudience: string,
  { actor, ifVersion }: ResourceChangeOptions,
): Promise<void> {
  await db.transaction(async (trx) => {
    const resource = await lockResource(trx, idOrAudience)
    requireResourceVersion(resource, ifVersion)
    if (resource.builtIn) throw new RegistryError('forbidden', 'a built-in resource can not be deleted', 'built_in')
    await countClientsLosing(trx, resource.id, [])
    await trx('resources').where({ id: resource.id }).delete()
    const data = { audience: resource.audience }
    await appendEvent(trx, { type: 'resource.deleted', subject: resource.id, actor, data })
    const before = presentResource(resource)
    await recordChange(trx, actor, { action: 'resource.delete', subject: resource.id, before })
  })
}

import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import { RegistryError } from '../registry-error.ts'
import { revokeGrants } from '../revocation.ts'
import { presentClient } from './present.ts'
import { lockClient, lockedDetails } from './queries.ts'
import { requireVersion, type ChangeOptions } from './update.ts'

/**
 * Removes a client with its secrets, consents and token families, in one transaction.
 * @throws RegistryError `not_found`, `forbidden` for a built-in client, `conflict` when the version moved on
 */
export async function deleteClient(db: Knex, id: string, { actor, ifVersion, guard }: ChangeOptions): Promise<void> {
  await db.transaction(async (trx) => {
    const client = await lockClient(trx, id)
    requireVersion(client, ifVersion)
    if (client.builtIn) throw new RegistryError('forbidden', 'a built-in client can not be deleted', 'built_in')
    const details = await lockedDetails(trx, id)
    guard?.(details)
    const before = presentClient(details)
    const revokedGrants = await revokeGrants(trx, { clientId: id })
    await trx('clients').where({ id }).delete()
    const data = { name: client.name, grants_revoked: revokedGrants }
    await appendEvent(trx, { type: 'client.deleted', subject: id, clientId: id, actor, data })
    await recordChange(trx, actor, { action: 'client.delete', subject: id, before })
  })
}

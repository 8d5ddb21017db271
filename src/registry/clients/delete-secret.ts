import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { RegistryError } from '../registry-error.ts'
import type { ClientDetails } from './client.ts'
import { presentClient } from './present.ts'
import { countVersion, lockClient, lockedDetails } from './queries.ts'
import type { ClientGuard } from './update.ts'

export interface SecretDeletion {
  clientId: string
  secretId: string
  actor: Actor
  guard?: ClientGuard | undefined
}

/**
 * Ends a secret at once, whatever overlap it was left. One that works must stay, so that nobody is locked out by mistake; to
 * be rid of the last one, rotate it with an overlap of 0. Of two deletions at once one is refused.
 * @throws RegistryError `not_found`, field `secret_id` when the client has no such live secret; `conflict`, field `secrets`,
 * for the last one
 */
export async function deleteSecret(
  db: Knex,
  { clientId, secretId, actor, guard }: SecretDeletion,
): Promise<ClientDetails> {
  return db.transaction(async (trx) => {
    await lockClient(trx, clientId)
    const before = await lockedDetails(trx, clientId)
    guard?.(before)
    if (!before.secrets.some(({ id }) => id === secretId)) {
      throw new RegistryError('not_found', 'the client has no such secret', 'secret_id')
    }
    if (before.secrets.length === 1) {
      const message = 'this is the last secret of the client: rotate it, with an overlap of 0 to end it at once'
      throw new RegistryError('conflict', message, 'secrets')
    }
    await trx('client_secrets').where({ id: secretId, client_id: clientId }).delete()
    await countVersion(trx, clientId)
    const data = { secret_id: secretId }
    await appendEvent(trx, { type: 'client.secret_deleted', subject: clientId, clientId, actor, data })
    const after = await lockedDetails(trx, clientId)
    await recordChange(trx, actor, {
      action: 'client.delete_secret',
      subject: clientId,
      before: presentClient(before),
      after: presentClient(after),
    })
    return after
  })
}

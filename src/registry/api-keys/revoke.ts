import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { RegistryError } from '../registry-error.ts'
import type { ApiKey } from './api-key.ts'
import { presentApiKey } from './present.ts'
import { findApiKeyById, markRevoked } from './queries.ts'

/**
 * Ends a key for good; the next request with it is refused. Doing it twice changes nothing.
 * @throws RegistryError `not_found`
 */
export async function revokeApiKey(db: Knex, { apiKeyId, actor }: { apiKeyId: string; actor: Actor }): Promise<ApiKey> {
  return db.transaction(async (trx) => {
    const revoked = await markRevoked(trx, apiKeyId)
    if (!revoked) {
      const known = await findApiKeyById(trx, apiKeyId)
      if (!known) throw new RegistryError('not_found', 'there is no such API key')
      return known
    }
    await appendEvent(trx, { type: 'api_key.revoked', subject: apiKeyId, actor })
    await recordChange(trx, actor, {
      action: 'api_key.revoke',
      subject: apiKeyId,
      before: presentApiKey({ ...revoked, revokedAt: null }),
      after: presentApiKey(revoked),
    })
    return revoked
  })
}

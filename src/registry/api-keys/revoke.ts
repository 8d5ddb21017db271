import type { Knex } from 'knex'
import { appendEvent } from '../../events/outbox.ts'
import { RegistryError } from '../registry-error.ts'
import type { ApiKey } from './api-key.ts'
import { findApiKeyById, markRevoked } from './queries.ts'

/**
 * Ends a key for good; the next request with it is refused. Doing it twice changes nothing.
 * @throws RegistryError `not_found`
 */
export async function revokeApiKey(
  db: Knex,
  { apiKeyId, actor }: { apiKeyId: string; actor: string },
): Promise<ApiKey> {
  return db.transaction(async (trx) => {
    const revoked = await markRevoked(trx, apiKeyId)
    if (!revoked) {
      const known = await findApiKeyById(trx, apiKeyId)
      if (!known) throw new RegistryError('not_found', 'there is no such API key')
      return known
    }
    await appendEvent(trx, { type: 'api_key.revoked', subject: apiKeyId, actor })
    return revoked
  })
}

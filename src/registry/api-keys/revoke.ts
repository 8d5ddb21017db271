import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { requireKeyVersion, type ApiKey, type ApiKeyChangeOptions } from './api-key.ts'
import { presentApiKey } from './present.ts'
import { changeApiKey, lockApiKey } from './queries.ts'

export interface RevokeApiKey extends ApiKeyChangeOptions {
  apiKeyId: string
  actor: Actor
}

/**
 * Ends a key for good, with the value before a rotation; the next request with either is refused. Doing it twice changes
 * nothing.
 * @throws RegistryError `not_found`, `conflict` when the version moved on
 */
export async function revokeApiKey(db: Knex, { apiKeyId, actor, ifVersion, guard }: RevokeApiKey): Promise<ApiKey> {
  return db.transaction(async (trx) => {
    const before = await lockApiKey(trx, apiKeyId)
    guard?.(before)
    if (before.revokedAt) return before
    requireKeyVersion(before, ifVersion)
    const revoked = await changeApiKey(trx, apiKeyId, { revoked_at: trx.raw('clock_timestamp()') })
    await appendEvent(trx, { type: 'api_key.revoked', subject: apiKeyId, actor })
    await recordChange(trx, actor, {
      action: 'api_key.revoke',
      subject: apiKeyId,
      before: presentApiKey(before),
      after: presentApiKey(revoked),
    })
    return revoked
  })
}

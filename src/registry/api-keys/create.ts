import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import { actorId, type Actor } from '../../lib/actor.ts'
import { newId } from '../../lib/ids.ts'
import { newSecret } from '../../lib/secret.ts'
import { RegistryError } from '../registry-error.ts'
import { API_KEY_PREFIX, normalizeKeyName, parseManagementScopes, type ApiKey } from './api-key.ts'
import { presentApiKey } from './present.ts'
import { insertApiKey, isPast } from './queries.ts'

export interface NewApiKey {
  name: string
  scopes: readonly string[]
  /** Without it the key lasts until it is revoked. */
  expiresAt?: Date | null | undefined
  actor: Actor
}

/**
 * Makes a key to the management API. The value is in this answer and nowhere else.
 * @throws RegistryError `invalid`, with the field
 */
export async function createApiKey(
  db: Knex,
  { name, scopes, expiresAt, actor }: NewApiKey,
): Promise<{ apiKey: ApiKey; value: string }> {
  const checked = { name: normalizeKeyName(name), scopes: parseManagementScopes(scopes), expires_at: expiresAt ?? null }
  if (expiresAt && Number.isNaN(expiresAt.getTime())) {
    throw new RegistryError('invalid', 'expires_at must be a time', 'expires_at')
  }
  const { value, digest, hint } = newSecret(API_KEY_PREFIX)
  return db.transaction(async (trx) => {
    if (expiresAt && (await isPast(trx, expiresAt))) {
      throw new RegistryError('invalid', 'expires_at must be in the future', 'expires_at')
    }
    const created_by = actorId(actor)
    const apiKey = await insertApiKey(trx, { id: newId('apk'), ...checked, created_by, digest, hint })
    const data = { name: apiKey.name, scopes: apiKey.scopes, expires_at: apiKey.expiresAt?.toISOString() ?? null }
    await appendEvent(trx, { type: 'api_key.created', subject: apiKey.id, actor, data })
    await recordChange(trx, actor, { action: 'api_key.create', subject: apiKey.id, after: presentApiKey(apiKey) })
    return { apiKey, value }
  })
}

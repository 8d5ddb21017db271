import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import {
  normalizeKeyName,
  parseManagementScopes,
  requireKeyVersion,
  type ApiKey,
  type ApiKeyChangeOptions,
} from './api-key.ts'
import { requireAlive } from './alive.ts'
import { presentApiKey } from './present.ts'
import { changeApiKey, lockApiKey } from './queries.ts'

export interface UpdateApiKey extends ApiKeyChangeOptions {
  apiKeyId: string
  /** What is left out, or undefined, stays as it is. */
  changes: { name?: string | undefined; scopes?: readonly string[] | undefined }
  actor: Actor
}

/**
 * Renames a key, or gives it other scopes, which count from the next request with it. A change that changes nothing writes
 * nothing. When a key ends stays: who wants it otherwise makes another.
 * @throws RegistryError `not_found`, `invalid` with the field, `conflict` when the version moved on (field `version`) or
 * the key has ended (field `revoked_at` or `expires_at`)
 */
export async function updateApiKey(
  db: Knex,
  { apiKeyId, changes, actor, ifVersion, guard }: UpdateApiKey,
): Promise<ApiKey> {
  const given = {
    ...(changes.name === undefined ? {} : { name: normalizeKeyName(changes.name) }),
    ...(changes.scopes === undefined ? {} : { scopes: parseManagementScopes(changes.scopes) }),
  }
  return db.transaction(async (trx) => {
    const before = await lockApiKey(trx, apiKeyId)
    guard?.(before)
    requireKeyVersion(before, ifVersion)
    await requireAlive(trx, before)
    const fields = (['name', 'scopes'] as const).filter(
      (name) => given[name] !== undefined && String(given[name]) !== String(before[name]),
    )
    if (fields.length === 0) return before
    const after = await changeApiKey(trx, apiKeyId, given)
    guard?.(after)
    const data = { fields, ...(fields.includes('scopes') ? { scopes: after.scopes } : {}) }
    await appendEvent(trx, { type: 'api_key.updated', subject: apiKeyId, actor, data })
    await recordChange(trx, actor, {
      action: 'api_key.update',
      subject: apiKeyId,
      before: presentApiKey(before),
      after: presentApiKey(after),
    })
    return after
  })
}

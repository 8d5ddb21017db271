import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { newSecret } from '../../lib/secret.ts'
import { RegistryError } from '../registry-error.ts'
import { requireAlive } from './alive.ts'
import { API_KEY_PREFIX, requireKeyVersion, type ApiKey, type ApiKeyChangeOptions } from './api-key.ts'
import { presentApiKey } from './present.ts'
import { changeApiKey, lockApiKey } from './queries.ts'

const DAY = 86_400

/** How long the value before may still be used when nothing is said, and at most, in seconds. */
export const DEFAULT_KEY_OVERLAP = DAY
export const LONGEST_KEY_OVERLAP = 7 * DAY

export interface RotateApiKey extends ApiKeyChangeOptions {
  apiKeyId: string
  /** 0 to 604800, by default 86400. 0 ends the value in use at once, as after a leak. */
  overlapSeconds?: number | undefined
  actor: Actor
}

/**
 * Gives a key a new value, told here and never again. The one in use works on until the overlap ends on the database's
 * clock; the key's own end and its revocation end both. While an earlier overlap runs the key can't be rotated: three
 * values would be good, or one would die before those who use it were told. So of several at once, one wins; without an
 * overlap they come one after the other, and `ifVersion` tells them apart.
 * @throws RegistryError `not_found`, `invalid` for an overlap out of bounds, `conflict` while an earlier overlap runs
 * (field `overlap_seconds`), when the key has ended (`revoked_at`, `expires_at`) or the version moved on (`version`)
 */
export async function rotateApiKey(
  db: Knex,
  { apiKeyId, overlapSeconds = DEFAULT_KEY_OVERLAP, actor, ifVersion, guard }: RotateApiKey,
): Promise<{ apiKey: ApiKey; value: string }> {
  if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > LONGEST_KEY_OVERLAP) {
    throw new RegistryError('invalid', `the overlap must be 0 to ${LONGEST_KEY_OVERLAP} seconds`, 'overlap_seconds')
  }
  const { value, digest, hint } = newSecret(API_KEY_PREFIX)
  const apiKey = await db.transaction(async (trx) => {
    const before = await lockApiKey(trx, apiKeyId)
    guard?.(before)
    requireKeyVersion(before, ifVersion)
    await requireAlive(trx, before)
    if (before.previous) {
      const end = before.previous.expiresAt.toISOString()
      const message = `the value before the last rotation is good until ${end}: rotate after that, or revoke the key`
      throw new RegistryError('conflict', message, 'overlap_seconds')
    }
    const after = await changeApiKey(trx, apiKeyId, { digest, hint, ...retired(trx, overlapSeconds) })
    const data = { overlap_seconds: overlapSeconds }
    await appendEvent(trx, { type: 'api_key.rotated', subject: apiKeyId, actor, data })
    await recordChange(trx, actor, {
      action: 'api_key.rotate',
      subject: apiKeyId,
      before: presentApiKey(before),
      after: presentApiKey(after),
    })
    return after
  })
  return { apiKey, value }
}

/** What is kept of the value in use. Not now(): a rotation that waited for another began before it. */
function retired(trx: Knex, overlapSeconds: number) {
  if (overlapSeconds === 0) return { previous_digest: null, previous_hint: null, previous_until: null }
  return {
    previous_digest: trx.raw('digest'),
    previous_hint: trx.raw('hint'),
    previous_until: trx.raw('clock_timestamp() + make_interval(secs => ?)', [overlapSeconds]),
  }
}

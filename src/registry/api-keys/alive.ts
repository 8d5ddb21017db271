import type { Knex } from 'knex'
import { RegistryError } from '../registry-error.ts'
import type { ApiKey } from './api-key.ts'
import { isPast } from './queries.ts'

/**
 * What has ended stays as it was: a change would bring back, or seem to bring back, what somebody ended.
 * @throws RegistryError `conflict`, field `revoked_at` or `expires_at`
 */
export async function requireAlive(trx: Knex, { revokedAt, expiresAt }: ApiKey): Promise<void> {
  if (revokedAt) throw new RegistryError('conflict', 'the API key was revoked', 'revoked_at')
  if (expiresAt && (await isPast(trx, expiresAt))) {
    throw new RegistryError('conflict', 'the API key has expired', 'expires_at')
  }
}

import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { isId } from '../../lib/ids.ts'
import { holdUser, revokeGrants } from '../revocation.ts'
import { presentConsent } from './present.ts'
import { findConsent, removeConsents } from './queries.ts'

export interface WithdrawConsent {
  userId: string
  clientId: string
  /** Judges while the user's row is held; throws to refuse. */
  guard?: ((trx: Knex) => Promise<void>) | undefined
  actor: Actor
}

/**
 * Takes back everything a person allowed a client: the consents and, in the same transaction, every grant with its tokens.
 * Where there is nothing to take back, nothing is written.
 * @returns how many token families ended
 */
export async function withdrawConsent(
  db: Knex,
  { userId, clientId, guard, actor }: WithdrawConsent,
): Promise<{ grantsRevoked: number }> {
  if (!isId('usr', userId) || !isId('cli', clientId)) return { grantsRevoked: 0 }
  return db.transaction(async (trx) => {
    await holdUser(trx, userId)
    await guard?.(trx)
    const before = await findConsent(trx, userId, clientId)
    const consents = await removeConsents(trx, userId, clientId)
    const grantsRevoked = await revokeGrants(trx, { userId, clientId })
    if (consents + grantsRevoked > 0) {
      const data = { grants_revoked: grantsRevoked }
      await appendEvent(trx, { type: 'consent.withdrawn', subject: clientId, userId, clientId, actor, data })
      await recordChange(trx, actor, {
        action: 'consent.withdraw',
        subject: clientId,
        userId,
        before: { ...presentConsent(before), live_families: grantsRevoked },
      })
    }
    return { grantsRevoked }
  })
}

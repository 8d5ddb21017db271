import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { presentRegistrationToken } from './present.ts'
import { lockRegistrationToken } from './queries.ts'
import type { RegistrationToken } from './registration-token.ts'

/**
 * Ends a token for good; the clients that registered with it stay. Doing it twice changes nothing.
 * @throws RegistryError `not_found`
 */
export async function revokeRegistrationToken(
  db: Knex,
  { id, actor }: { id: string; actor: Actor },
): Promise<RegistrationToken> {
  return db.transaction(async (trx) => {
    const token = await lockRegistrationToken(trx, id)
    if (token.revokedAt) return token
    await trx('registration_tokens')
      .where({ id })
      .update({ revoked_at: trx.raw('clock_timestamp()') })
    const revoked = await lockRegistrationToken(trx, id)
    await appendEvent(trx, { type: 'registration_token.revoked', subject: id, actor })
    await recordChange(trx, actor, {
      action: 'registration_token.revoke',
      subject: id,
      before: presentRegistrationToken(token),
      after: presentRegistrationToken(revoked),
    })
    return revoked
  })
}

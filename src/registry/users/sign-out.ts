import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { endSessions, revokeGrants } from '../revocation.ts'
import { lockUser } from './queries.ts'
import type { UserGuard } from './user.ts'

export interface SignedOut {
  sessionsEnded: number
  grantsRevoked: number
}

/**
 * Ends everything that a person has open and leaves the account as it is: sessions and grants go in one transaction
 * (ASVS 5.0 §7.4.5). Where nothing is open nothing is written.
 * @throws RegistryError `not_found`
 */
export async function signOutUser(
  db: Knex,
  { userId, guard, actor }: { userId: string; guard?: UserGuard; actor: Actor },
): Promise<SignedOut> {
  return db.transaction(async (trx) => {
    const user = await lockUser(trx, userId)
    guard?.(user, user)
    const sessionsEnded = await endSessions(trx, userId)
    const grantsRevoked = await revokeGrants(trx, { userId })
    if (sessionsEnded + grantsRevoked > 0) {
      const data = { sessions_ended: sessionsEnded, grants_revoked: grantsRevoked }
      await appendEvent(trx, { type: 'user.signed_out', subject: userId, userId, actor, data })
      await recordChange(trx, actor, { action: 'user.sign_out', subject: userId, userId, before: data })
    }
    return { sessionsEnded, grantsRevoked }
  })
}

/** The same for everybody, one person after the other. Whoever signs in meanwhile is signed in by a new password check. */
export async function signOutEveryone(db: Knex, { actor }: { actor: Actor }): Promise<SignedOut & { users: number }> {
  const open = await db('users')
    .whereIn('id', db('sessions').whereNull('ended_at').whereNotNull('user_id').select('user_id'))
    .orWhereIn('id', db('grants').select('user_id'))
    .pluck<string[]>('id')
  const total = { users: 0, sessionsEnded: 0, grantsRevoked: 0 }
  for (const userId of open) {
    const { sessionsEnded, grantsRevoked } = await signOutUser(db, { userId, actor })
    total.users += 1
    total.sessionsEnded += sessionsEnded
    total.grantsRevoked += grantsRevoked
  }
  return total
}

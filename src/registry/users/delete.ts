import type { Knex } from 'knex'
import { erasePerson, recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { endSessions, revokeGrants } from '../revocation.ts'
import { presentUser } from './present.ts'
import { lockUser, removeUser } from './queries.ts'
import { requireVersion, type UserGuard } from './user.ts'

export interface DeleteUser {
  userId: string
  ifVersion?: number | undefined
  guard?: UserGuard | undefined
  actor: Actor
}

/**
 * Deletes an account with its sessions, grants, tokens and consents: all of them refer to it and go with it. Events and audit
 * log stay; they hold its id, and in the same transaction lose whatever else told who that was.
 * @throws RegistryError `not_found`, or `conflict` with field `version`
 */
export async function deleteUser(db: Knex, { userId, ifVersion, guard, actor }: DeleteUser): Promise<void> {
  await db.transaction(async (trx) => {
    const user = await lockUser(trx, userId)
    requireVersion(user, ifVersion)
    guard?.(user, user)
    // They would go with the row, but nobody would be told.
    await endSessions(trx, userId)
    await revokeGrants(trx, { userId })
    await removeUser(trx, userId)
    await appendEvent(trx, { type: 'user.deleted', subject: userId, userId, actor })
    await recordChange(trx, actor, { action: 'user.delete', subject: userId, userId, before: presentUser(user) })
    await erasePerson(trx, userId)
  })
}

import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { endSessions, revokeGrants } from '../revocation.ts'
import { presentUser } from './present.ts'
import { changeUser, lockUser } from './queries.ts'
import { requireVersion, type User } from './user.ts'

export interface SwitchUser {
  userId: string
  ifVersion?: number | undefined
  actor: Actor
}

/**
 * Shuts an account: sign-in is refused, its sessions end and its grants go in the same transaction. Doing it twice changes
 * nothing.
 * @throws RegistryError `not_found`, or `conflict` with field `version`
 */
export async function disableUser(db: Knex, { userId, ifVersion, actor }: SwitchUser): Promise<User> {
  return db.transaction(async (trx) => {
    const current = await lockUser(trx, userId)
    requireVersion(current, ifVersion)
    return switchUser(trx, current, true, actor)
  })
}

/**
 * Opens an account again. It revives nothing: what was written by a request that began before the account was shut, and
 * ended after, is cleared away here.
 * @throws RegistryError `not_found`, or `conflict` with field `version`
 */
export async function enableUser(db: Knex, { userId, ifVersion, actor }: SwitchUser): Promise<User> {
  return db.transaction(async (trx) => {
    const current = await lockUser(trx, userId)
    requireVersion(current, ifVersion)
    return switchUser(trx, current, false, actor)
  })
}

/**
 * The same in a transaction that holds the user's row already.
 * @param current the user as locked
 */
export async function switchUser(trx: Knex, current: User, disabled: boolean, actor: Actor): Promise<User> {
  const { id: userId } = current
  if ((current.disabledAt !== null) === disabled) return current
  const disabledAt = disabled ? (trx.raw('clock_timestamp()') as unknown as Date) : null
  const user = await changeUser(trx, userId, { disabled_at: disabledAt })
  const data = await endEverything(trx, userId)
  const [type, action] = disabled
    ? (['user.disabled', 'user.disable'] as const)
    : (['user.enabled', 'user.enable'] as const)
  await appendEvent(trx, { type, subject: userId, userId, actor, data })
  await recordChange(trx, actor, {
    action,
    subject: userId,
    userId,
    before: presentUser(current),
    after: presentUser(user),
  })
  return user
}

async function endEverything(trx: Knex, userId: string): Promise<{ sessions_ended: number; grants_revoked: number }> {
  const sessions = await endSessions(trx, userId)
  const grants = await revokeGrants(trx, { userId })
  return { sessions_ended: sessions, grants_revoked: grants }
}

import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { endSessions, revokeGrants } from '../revocation.ts'
import { presentUser } from './present.ts'
import { changeUser, lockUser } from './queries.ts'
import { requireVersion } from './update.ts'
import type { User } from './user.ts'

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
    if (current.disabledAt) return current
    const user = await changeUser(trx, userId, { disabled_at: trx.raw('clock_timestamp()') as unknown as Date })
    const data = await endEverything(trx, userId)
    await appendEvent(trx, { type: 'user.disabled', subject: userId, userId, actor, data })
    const [before, after] = [presentUser(current), presentUser(user)]
    await recordChange(trx, actor, { action: 'user.disable', subject: userId, userId, before, after })
    return user
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
    if (!current.disabledAt) return current
    const user = await changeUser(trx, userId, { disabled_at: null })
    const data = await endEverything(trx, userId)
    await appendEvent(trx, { type: 'user.enabled', subject: userId, userId, actor, data })
    const [before, after] = [presentUser(current), presentUser(user)]
    await recordChange(trx, actor, { action: 'user.enable', subject: userId, userId, before, after })
    return user
  })
}

async function endEverything(trx: Knex, userId: string): Promise<Record<string, number>> {
  const sessions = await endSessions(trx, userId)
  const grants = await revokeGrants(trx, { userId })
  return { sessions_ended: sessions, grants_revoked: grants }
}

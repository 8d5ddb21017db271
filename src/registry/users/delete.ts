import type { Knex } from 'knex'
import { appendEvent } from '../../events/outbox.ts'
import { lockUser, removeUser } from './queries.ts'
import { requireVersion } from './update.ts'

export interface DeleteUser {
  userId: string
  ifVersion?: number | undefined
  actor: string
}

/**
 * Deletes an account with its sessions, grants, tokens and consents: all of them refer to it and go with it. The events
 * stay; they hold its id and no name.
 * @throws RegistryError `not_found`, or `conflict` with field `version`
 */
export async function deleteUser(db: Knex, { userId, ifVersion, actor }: DeleteUser): Promise<void> {
  await db.transaction(async (trx) => {
    requireVersion(await lockUser(trx, userId), ifVersion)
    await removeUser(trx, userId)
    await appendEvent(trx, { type: 'user.deleted', subject: userId, userId, actor })
  })
}

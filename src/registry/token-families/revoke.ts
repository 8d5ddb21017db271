import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { isId } from '../../lib/ids.ts'
import { ENDED_GRANT, noticeEndedGrants, type EndedGrant } from '../logout-notices.ts'
import { holdUser } from '../revocation.ts'
import { isGrantId } from './queries.ts'

export interface RevokeTokenFamily {
  userId: string
  id: string
  /** Judges while the user's row is held; throws to refuse. */
  guard?: ((trx: Knex) => Promise<void>) | undefined
  actor: Actor
}

/**
 * Revokes one token family of a person: its codes, access tokens and refresh tokens end for everything that asks us.
 * @returns whether there was one to revoke
 */
export async function revokeTokenFamily(db: Knex, { userId, id, guard, actor }: RevokeTokenFamily): Promise<boolean> {
  if (!isId('usr', userId) || !isGrantId(id)) return false
  return db.transaction(async (trx) => {
    await holdUser(trx, userId)
    await guard?.(trx)
    const [gone] = await trx('grants')
      .where({ id, user_id: userId })
      .delete()
      .returning<EndedGrant[]>([...ENDED_GRANT])
    if (!gone) return false
    await noticeEndedGrants(trx, [gone])
    const { client_id: clientId, session_uid: session_id } = gone
    const about = { subject: id, userId, clientId, actor }
    await appendEvent(trx, { type: 'grant.revoked', ...about })
    await appendEvent(trx, { type: 'token.revoked', ...about, data: { token_type: 'refresh_token', grant_id: id } })
    const before = { client_id: clientId, session_id }
    await recordChange(trx, actor, { action: 'grant.revoke', subject: id, userId, before })
    return true
  })
}

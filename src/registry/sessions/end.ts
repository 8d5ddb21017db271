import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { isId } from '../../lib/ids.ts'
import { endSessions, holdUser } from '../revocation.ts'
import { presentSession } from './present.ts'
import { findLiveSessions, isSessionUid, revokeBrowserGrants } from './queries.ts'

/** Judges while the user's row is held; throws to refuse. */
type Guard = (trx: Knex) => Promise<void>

/**
 * Signs one browser out: the session ends, and in the same transaction the grants of web and single-page apps that were
 * minted in it.
 * @returns whether there was such a live session of this user to end
 */
export async function endSession(
  db: Knex,
  { userId, uid, guard, actor }: { userId: string; uid: string; guard?: Guard | undefined; actor: Actor },
): Promise<boolean> {
  if (!isSessionUid(uid)) return false
  return (await end(db, userId, actor, { uid }, guard)) > 0
}

/**
 * Signs a person out everywhere but here.
 * @param keepUid the session that stays; without it all end
 * @returns how many ended
 */
export async function endOtherSessions(
  db: Knex,
  { userId, keepUid, actor }: { userId: string; keepUid?: string | undefined; actor: Actor },
): Promise<number> {
  return end(db, userId, actor, keepUid === undefined ? {} : { exceptUid: keepUid })
}

async function end(
  db: Knex,
  userId: string,
  actor: Actor,
  which: { uid?: string; exceptUid?: string },
  guard?: Guard,
): Promise<number> {
  if (!isId('usr', userId)) return 0
  return db.transaction(async (trx) => {
    await holdUser(trx, userId)
    await guard?.(trx)
    const sessions = await findLiveSessions(trx, userId, which)
    for (const session of sessions) {
      const { uid } = session
      await endSessions(trx, userId, { onlyUids: [uid] })
      const grants = await revokeBrowserGrants(trx, userId, uid)
      const data = { grants_revoked: grants.length }
      await appendEvent(trx, { type: 'session.ended', subject: uid, userId, actor, data })
      // Each by its id: from outside nobody can tell which families were of this browser.
      for (const { id, client_id: clientId } of grants) {
        await appendEvent(trx, { type: 'grant.revoked', subject: id, userId, clientId, actor })
      }
      const { current: _current, ...before } = presentSession(session)
      await recordChange(trx, actor, { action: 'session.end', subject: uid, userId, before })
    }
    return sessions.length
  })
}

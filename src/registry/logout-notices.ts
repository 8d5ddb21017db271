/**
 * Which apps must be told that somebody is signed out (OpenID Connect Back-Channel Logout 1.0 §2.3). The rows are written in
 * the transaction that ends the session or the grant, so that neither happens without the other; `events/logout` sends them.
 */
import type { Knex } from 'knex'

/**
 * The rows go in as `session_uid`, `client_id`, `user_id` of whatever `from` is. A client that has nowhere to be told, or is
 * out of use, is not told; one that still waits to be told of the same session is told once.
 */
export function noticesFrom(from: string): string {
  return `
    insert into logout_notices (session_uid, client_id, user_id)
    select distinct ended.session_uid, ended.client_id, ended.user_id
    from ${from} join clients on clients.id = ended.client_id
    where ended.session_uid is not null and clients.backchannel_logout_uri is not null and clients.disabled_at is null
    on conflict (session_uid, client_id, user_id) where state = 'pending' do nothing`
}

/**
 * Whoever takes part in sessions: by a live grant, or because it had one there that ended in silence, as when it gave its own
 * refresh token back. Read it before the sessions forget.
 * @param sessions SQL that gives the `uid` of each
 */
export function participantsOf(sessions: string): string {
  return `(
    select session_uid, client_id, user_id from grants
    where session_uid in (${sessions}) and expires_at > now()
    union
    select s.uid, held.client_id, s.user_id from sessions s, jsonb_each(s.authorizations) as held (client_id, entry)
    where s.uid in (${sessions}) and s.user_id is not null and s.expires_at > now()
      and held.entry ->> 'grantId' is not null
      and not exists (
        select from logout_notices told where told.session_uid = s.uid and told.client_id = held.client_id)
  ) as ended`
}

/** A grant that has just been deleted. */
export interface EndedGrant {
  client_id: string
  user_id: string
  session_uid: string | null
}

export const ENDED_GRANT = ['client_id', 'user_id', 'session_uid'] as const satisfies readonly (keyof EndedGrant)[]

/** Call it in the transaction that deleted them. */
export async function noticeEndedGrants(trx: Knex, grants: readonly EndedGrant[]): Promise<void> {
  const ofSessions = grants.flatMap(({ session_uid: uid, ...grant }) => (uid === null ? [] : [{ ...grant, uid }]))
  if (ofSessions.length === 0) return
  const from = 'unnest(?::text[], ?::text[], ?::text[]) as ended (session_uid, client_id, user_id)'
  await trx.raw(noticesFrom(from), [
    ofSessions.map(({ uid }) => uid),
    ofSessions.map(({ client_id: id }) => id),
    ofSessions.map(({ user_id: id }) => id),
  ])
}

/** Call it in the transaction that ends them, with their rows held, before it does. */
export async function noticeEndingSessions(trx: Knex, uids: string[]): Promise<void> {
  if (uids.length === 0) return
  // Grants before notices, as everybody does who ends a grant: else two could wait for each other.
  await trx('grants').whereIn('session_uid', uids).orderBy('id').forUpdate().select('id')
  const sessions = 'select unnest(?::text[])'
  await trx.raw(noticesFrom(participantsOf(sessions)), [uids, uids])
}

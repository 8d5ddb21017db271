/**
 * What must end together. A grant is a token family: deleting its row takes every code, token and refresh token with it
 * (foreign keys cascade), and an insert that races the deletion fails on the key. Always call these inside the
 * transaction that disables, deletes or changes the thing.
 */
import type { Knex } from 'knex'
import { ENDED_GRANT, noticeEndedGrants, noticeEndingSessions, type EndedGrant } from './logout-notices.ts'

/**
 * Waits for what others are writing for this user (the foreign keys of sessions, grants and consents hold a share of the
 * row) and keeps new writers off until the transaction ends. Comes first in a transaction that ends something, so that
 * nothing that is being minted slips through.
 */
export async function holdUser(trx: Knex, userId: string): Promise<void> {
  await trx('users').where({ id: userId }).forUpdate().first('id')
}

/** Ends all sessions of a user, but for the one kept, or only those named; apps are told. @returns how many ended */
export async function endSessions(
  trx: Knex,
  userId: string,
  options: { keepUid?: string; onlyUids?: string[] } = {},
): Promise<number> {
  const live = trx('sessions').where({ user_id: userId }).whereNull('ended_at')
  if (options.keepUid) live.whereNot({ uid: options.keepUid })
  if (options.onlyUids) live.whereIn('uid', options.onlyUids)
  const held = await live.orderBy('uid').forUpdate().select<{ uid: string }[]>('uid')
  const uids = held.map(({ uid }) => uid)
  await noticeEndingSessions(trx, uids)
  return trx('sessions')
    .whereIn('uid', uids)
    .update({ ended_at: trx.fn.now(), id_digest: null, payload: '{}', authorizations: '{}' })
}

/**
 * Revokes every token family of a user, or only those of one client. Apps are told of a person whom they lose, but not when
 * they are shut out themselves. @returns how many were revoked
 */
export async function revokeGrants(
  trx: Knex,
  scope: { userId?: string; clientId?: string; sessionUid?: string },
): Promise<number> {
  const { userId, clientId, sessionUid } = scope
  if (!userId && !clientId && !sessionUid) throw new TypeError('revokeGrants needs a user, a client or a session')
  const grants = trx('grants')
  if (userId) grants.where({ user_id: userId })
  if (clientId) grants.where({ client_id: clientId })
  if (sessionUid) grants.where({ session_uid: sessionUid })
  if (!userId && !sessionUid) return grants.delete()
  const gone = await grants.delete().returning<EndedGrant[]>([...ENDED_GRANT])
  await noticeEndedGrants(trx, gone)
  return gone.length
}

/**
 * Ends the tokens that a client has for itself (client credentials), which hang on no grant, and those that it got by
 * exchange, which hang on the grant of another. Call it after the client's own grants are revoked. Tokens that are JWTs stand
 * in no table: the moment is kept, and introspection calls what is older inactive. @returns how many ended, JWTs not counted
 */
export async function endOwnTokens(trx: Knex, clientId: string): Promise<number> {
  await trx('clients')
    .where({ id: clientId })
    .update({ own_tokens_ended_at: trx.raw('clock_timestamp()') })
  return trx('artifacts').where({ client_id: clientId }).delete()
}

/**
 * Counts a change of every client that may ask for scopes which the resource is about to lose: the foreign key takes them
 * away, and what a client shows is no longer what was read. Call it while the resource's row is held, before the scopes go.
 * @param kept names of the scopes that stay
 */
export async function countClientsLosing(trx: Knex, resourceId: string, kept: readonly string[]): Promise<void> {
  const losing = trx('client_resource_scopes')
    .where({ resource_id: resourceId })
    .whereNotIn('scope', [...kept])
    .select('client_id')
  // Always in the same order, so that two resources that change at once don't wait for each other.
  const held = await trx('clients').whereIn('id', losing).orderBy('id').forNoKeyUpdate().select<{ id: string }[]>('id')
  const ids = held.map(({ id }) => id)
  if (ids.length === 0) return
  await trx('clients')
    .whereIn('id', ids)
    .update({ version: trx.raw('version + 1'), updated_at: trx.raw('clock_timestamp()') })
}

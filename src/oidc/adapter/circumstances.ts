/**
 * What the token endpoint goes on to ask about a code or refresh token: its family, its person, the session that it hangs
 * on. It is read with the token, in one statement, and handed out once; whoever asks again asks the database.
 *
 * That these are some milliseconds old when they are used is so however they are read. Whatever ends a person's access deletes
 * the grant, and the statement that claims the token looks at the grant again, under its lock.
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { COLUMNS, toUser, type UserRow } from '../../registry/users/queries.ts'
import type { User } from '../../registry/users/user.ts'

export interface FoundGrant {
  id: string
  /** The payload as it stands there. */
  text: string
}

export interface FoundSession {
  uid: string
  payload: Record<string, unknown>
  authorizations: Record<string, unknown>
}

/** In each: null when there is none, undefined when it was handed out. */
interface Circumstances {
  grantId: string | null
  grant: FoundGrant | null | undefined
  userId: string | null
  user: User | null | undefined
  sessionUid: string | null
  session: FoundSession | null | undefined
}

/** To be selected beside a table `t` of tokens with `grant_id` and `payload`, with `CIRCUMSTANCES_JOIN`. */
export const CIRCUMSTANCES = `
  t.grant_id, g.payload::text as grant_text, g.user_id as grant_user_id, g.session_uid,
  s.uid as session_found, s.payload as session_payload, s.authorizations as session_authorizations,
  ${COLUMNS.map((column) => `u.${column} as user_${column}`).join(', ')}`

export const CIRCUMSTANCES_JOIN = `
  left join grants g on g.id = t.grant_id
  left join users u on u.id = g.user_id and u.disabled_at is null
  left join sessions s on s.uid = g.session_uid and s.ended_at is null and s.expires_at > now()`

export type CircumstancesRow = {
  grant_id: string | null
  grant_text: string | null
  grant_user_id: string | null
  session_uid: string | null
  session_found: string | null
  session_payload: Record<string, unknown>
  session_authorizations: Record<string, unknown>
} & { [Column in keyof UserRow as `user_${Column}`]: UserRow[Column] | null }

const known = new WeakMap<KoaContextWithOIDC, Circumstances>()

export function keepCircumstances(ctx: KoaContextWithOIDC, row: CircumstancesRow): void {
  const { grant_id: grantId, grant_text: text, session_found: uid } = row
  known.set(ctx, {
    grantId,
    grant: grantId === null || text === null ? null : { id: grantId, text },
    userId: row.grant_user_id,
    user: row.user_id === null ? null : toUser(userRow(row)),
    sessionUid: row.session_uid,
    session: uid === null ? null : { uid, payload: row.session_payload, authorizations: row.session_authorizations },
  })
}

function userRow(row: CircumstancesRow): UserRow {
  const source = row as unknown as Record<string, unknown>
  return Object.fromEntries(COLUMNS.map((column) => [column, source[`user_${column}`]])) as unknown as UserRow
}

/** @returns undefined when it has to be looked up; null when there is none */
export function takeGrant(ctx: KoaContextWithOIDC | undefined, id: string): FoundGrant | null | undefined {
  const circumstances = ctx && known.get(ctx)
  if (circumstances?.grantId !== id) return undefined
  const { grant } = circumstances
  circumstances.grant = undefined
  return grant
}

/** @returns undefined when it has to be looked up; null for nobody, and for one who is disabled */
export function takeUser(ctx: KoaContextWithOIDC | undefined, id: string): User | null | undefined {
  const circumstances = ctx && known.get(ctx)
  if (circumstances?.userId !== id) return undefined
  const { user } = circumstances
  circumstances.user = undefined
  return user
}

/** @returns undefined when it has to be looked up; null when it is over */
export function takeSession(ctx: KoaContextWithOIDC | undefined, uid: string): FoundSession | null | undefined {
  const circumstances = ctx && known.get(ctx)
  if (circumstances?.sessionUid !== uid) return undefined
  const { session } = circumstances
  circumstances.session = undefined
  return session
}

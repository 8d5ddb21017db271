/**
 * The audit log: who changed what, and whence, written in the transaction of the change. An event is a thin fact for
 * machines; an entry here is for the person who asks afterwards, and holds what the changed fields were and are. It holds
 * nothing secret: what is handed in must be as it may leave the server. Rows can't be changed or deleted (migration
 * 0005-audit); of people who were deleted everything that names them is replaced.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Knex } from 'knex'
import { originOf, type Actor, type Origin } from '../lib/actor.ts'
import { isId } from '../lib/ids.ts'

/** Every action there is: the kind of thing, and what was done to it. */
export const auditActions = [
  'user.create',
  'user.update',
  'user.set_password',
  'user.disable',
  'user.enable',
  'user.delete',
  'user.sign_out',
  'client.create',
  'client.update',
  'client.rotate_secret',
  'client.delete_secret',
  'client.disable',
  'client.enable',
  'client.delete',
  'resource.create',
  'resource.update',
  'resource.delete',
  'api_key.create',
  'api_key.update',
  'api_key.rotate',
  'api_key.revoke',
  'registration_token.create',
  'registration_token.revoke',
  'webhook.create',
  'webhook.update',
  'webhook.rotate_secret',
  'webhook.pause',
  'webhook.disable',
  'webhook.delete',
  'consent.grant',
  'consent.skip',
  'consent.withdraw',
  'session.end',
  'grant.revoke',
  'grant.revoke_after_code_reuse',
  'grant.revoke_after_token_reuse',
  'key.publish',
  'key.activate',
  'key.retire',
  'key.remove',
  'key.revoke',
  'master_key.rewrap',
] as const

export type AuditAction = (typeof auditActions)[number]

/** A thing as it may leave the server (`present…`), with the names that it has there. */
export type Presented = object

export interface Change {
  action: AuditAction
  /** The id of what was changed; its kind is the first word of the action. */
  subject: string
  /** Whom it is about, if anybody. */
  userId?: string
  /** Left out: there was nothing before. */
  before?: Presented | undefined
  /** Left out: there is nothing after. */
  after?: Presented | undefined
}

/**
 * Writes one entry. Of a thing that was there and is there, only the fields that differ are kept. Call it while the row of
 * the subject is held, so that entries about one thing stand in the order of its changes, each beginning where the last ended.
 * @param trx the transaction of the change, never the outer handle
 */
export async function recordChange(trx: Knex, actor: Actor, change: Change): Promise<void> {
  const { action, subject, userId, ...states } = change
  const origin = await knownOrigin(trx, originOf(actor))
  const { before, after } = difference(states)
  await trx('audit_log').insert({
    actor: origin.actor,
    channel: origin.channel,
    os_user: origin.osUser ?? null,
    address: origin.address ?? null,
    user_agent: origin.userAgent ?? null,
    trace_id: origin.traceId ?? null,
    action,
    subject_kind: action.split('.')[0],
    subject_id: subject,
    user_id: userId ?? null,
    before: before && JSON.stringify(before),
    after: after && JSON.stringify(after),
  })
}

/**
 * Makes a person who was deleted unrecognisable in what is kept for good: user name, e-mail address and name, and addresses
 * and user agents of their browsers, become `erased:<8 hex digits>`, the same everywhere. Their id stays, as the pseudonym by
 * which entries belong together; it leads to nobody any more. Whoever is still there is left alone by the database.
 * @param trx the transaction that deleted them
 */
export async function erasePerson(trx: Knex, userId: string): Promise<void> {
  await trx.raw('select pg_advisory_xact_lock(hashtextextended(?, 0))', [lockName(userId)])
  await trx.raw(
    `update audit_log set (before, after, address, user_agent) = (
       select erased.before, erased.after, erased.address, erased.user_agent from erased_entry(audit_log) as erased
     ) where user_id = :userId or actor = :userId`,
    { userId },
  )
  await trx.raw(
    'update events set data = erased_fields(data, erased_name(user_id)) where user_id = :userId and is_erased(user_id)',
    { userId },
  )
}

/** Waits for an erasure of the actor that is under way, or lets it wait: whence comes somebody who is gone, nobody writes down. */
async function knownOrigin(trx: Knex, origin: Origin): Promise<Origin> {
  const { actor, channel } = origin
  if (!isId('usr', actor)) return origin
  await trx.raw('select pg_advisory_xact_lock_shared(hashtextextended(?, 0))', [lockName(actor)])
  return (await trx('users').where({ id: actor }).first('id')) ? origin : { actor, channel }
}

function lockName(userId: string): string {
  return `grantry:erase:${userId}`
}

/** They tell nothing: the id stands in the entry, the rest changes with everything. */
const BOOKKEEPING = new Set(['id', 'version', 'created_at', 'updated_at'])

type Fields = Record<string, unknown>

function difference({ before, after }: Pick<Change, 'before' | 'after'>): {
  before: Fields | null
  after: Fields | null
} {
  const [was, is] = [told(before), told(after)]
  if (!was || !is) return { before: was, after: is }
  const names = new Set([...Object.keys(was), ...Object.keys(is)])
  const changed = [...names].filter((name) => !isDeepStrictEqual(was[name], is[name]))
  const pick = (from: Fields) => Object.fromEntries(changed.map((name) => [name, from[name] ?? null]))
  return { before: pick(was), after: pick(is) }
}

function told(state: Presented | undefined): Fields | null {
  return state ? Object.fromEntries(Object.entries(state).filter(([name]) => !BOOKKEEPING.has(name))) : null
}

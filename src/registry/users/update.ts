import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { switchUser } from './disable.ts'
import { presentUser } from './present.ts'
import { changeUser, lockUser, type UserChanges } from './queries.ts'
import {
  agreeLoginNames,
  normalizeEmail,
  normalizeName,
  normalizeUsername,
  parseRoles,
  requireVersion,
  type User,
  type UserGuard,
} from './user.ts'

/** What is left out, or undefined, stays as it is; null clears. */
export interface UserUpdate {
  username?: string | undefined
  email?: string | null | undefined
  emailVerified?: boolean | undefined
  name?: string | null | undefined
  roles?: readonly string[] | undefined
  /** Shuts or opens the account, as the verbs of disable.ts do, in the same transaction. */
  disabled?: boolean | undefined
}

export interface UpdateUser {
  userId: string
  changes: UserUpdate
  /** Refuses when the user has changed since this version was read (RFC 9110 §13.1.1, If-Match). */
  ifVersion?: number | undefined
  guard?: UserGuard | undefined
  actor: Actor
}

/**
 * Changes what is said about a user. A new e-mail address counts as unverified until told otherwise. When nothing differs,
 * nothing is written.
 * @throws RegistryError `not_found`, `invalid`, or `conflict` with the field (`version` when someone else was faster)
 */
export async function updateUser(db: Knex, { userId, changes, ifVersion, guard, actor }: UpdateUser): Promise<User> {
  const given = normalForms(changes)
  return db.transaction(async (trx) => {
    const current = await lockUser(trx, userId)
    requireVersion(current, ifVersion)
    const wanted = { ...current, ...given, ...agreeLoginNames(given, current) }
    if (wanted.email !== current.email) wanted.emailVerified = given.emailVerified ?? false
    if (wanted.email === null) wanted.emailVerified = false

    guard?.(current, wanted)
    const user = await writeDifference(trx, current, difference(current, wanted), actor)
    return changes.disabled === undefined ? user : switchUser(trx, user, changes.disabled, actor)
  })
}

async function writeDifference(trx: Knex, current: User, differing: UserChanges, actor: Actor): Promise<User> {
  const { id: userId } = current
  const fields = Object.keys(differing)
  if (fields.length === 0) return current
  const user = await changeUser(trx, userId, differing)
  // Names and addresses stay out of the history, which outlives the account.
  const data = { fields, ...(differing.roles ? { roles: differing.roles } : {}) }
  await appendEvent(trx, { type: 'user.updated', subject: userId, userId, actor, data })
  await recordChange(trx, actor, {
    action: 'user.update',
    subject: userId,
    userId,
    before: presentUser(current),
    after: presentUser(user),
  })
  return user
}

type NormalForms = Partial<Pick<User, 'username' | 'email' | 'emailVerified' | 'name' | 'roles'>>

function normalForms({ username, email, emailVerified, name, roles }: UserUpdate): NormalForms {
  return {
    ...(username === undefined ? {} : { username: normalizeUsername(username) }),
    ...(email === undefined ? {} : { email: email === null ? null : normalizeEmail(email) }),
    ...(emailVerified === undefined ? {} : { emailVerified }),
    ...(name === undefined ? {} : { name: name === null ? null : normalizeName(name) }),
    ...(roles === undefined ? {} : { roles: parseRoles(roles) }),
  }
}

function difference(current: User, wanted: User): UserChanges {
  return {
    ...(wanted.username === current.username ? {} : { username: wanted.username }),
    ...(wanted.email === current.email ? {} : { email: wanted.email }),
    ...(wanted.emailVerified === current.emailVerified ? {} : { email_verified: wanted.emailVerified }),
    ...(wanted.name === current.name ? {} : { name: wanted.name }),
    ...(wanted.roles.join(' ') === current.roles.join(' ') ? {} : { roles: wanted.roles }),
  }
}

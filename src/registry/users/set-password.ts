import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { endSessions, revokeGrants } from '../revocation.ts'
import { RegistryError } from '../registry-error.ts'
import { passwordProblem, type PasswordHasher } from './password.ts'
import { presentUser } from './present.ts'
import { changeUser, findUser, lockUser } from './queries.ts'
import type { User, UserGuard } from './user.ts'

export interface SetPassword {
  userId: string
  password: string
  /** The session in which the person changed it; all others end. */
  keepSessionUid?: string | undefined
  guard?: UserGuard | undefined
  actor: Actor
}

/** A new password that is only to be written. */
export interface SetPreparedPassword extends Omit<SetPassword, 'password'> {
  passwordHash: string
}

/**
 * Gives an account a new password and takes away what the old one opened: in one transaction the other sessions end and
 * every grant is revoked, so whoever knew the old password keeps nothing. The hash is made before the transaction begins.
 * Whether the person knows the present password is for the caller to ask, with `checkPassword`.
 * @throws RegistryError `not_found`, or `invalid` with field `password`; HasherBusyError
 */
export async function setPassword(
  db: Knex,
  dependencies: { hasher: PasswordHasher },
  { password, ...given }: SetPassword,
): Promise<User> {
  const passwordHash = await preparePassword(db, dependencies, { userId: given.userId, password })
  return setPreparedPassword(db, { ...given, passwordHash })
}

/**
 * The first half: what takes long. @returns the hash
 * @throws RegistryError `not_found`, or `invalid` with field `password`; HasherBusyError
 */
export async function preparePassword(
  db: Knex,
  { hasher }: { hasher: PasswordHasher },
  { userId, password }: { userId: string; password: string },
): Promise<string> {
  const known = await findUser(db, userId)
  if (!known) throw new RegistryError('not_found', 'there is no such user')
  const problem = passwordProblem(password, [known.username, known.email ?? '', known.name ?? ''])
  if (problem) throw new RegistryError('invalid', `password ${problem}`, 'password')
  return hasher.hash(password)
}

/**
 * The second half.
 * @throws RegistryError `not_found`
 */
export async function setPreparedPassword(
  db: Knex,
  { userId, passwordHash, keepSessionUid, guard, actor }: SetPreparedPassword,
): Promise<User> {
  return db.transaction(async (trx) => {
    const current = await lockUser(trx, userId)
    guard?.(current, current)
    const user = await changeUser(trx, userId, {
      password_hash: passwordHash,
      password_changed_at: trx.raw('clock_timestamp()') as unknown as Date,
    })
    const sessions = await endSessions(trx, userId, keepSessionUid ? { keepUid: keepSessionUid } : {})
    const grants = await revokeGrants(trx, { userId })
    const data = { sessions_ended: sessions, grants_revoked: grants }
    await appendEvent(trx, { type: 'user.password_changed', subject: userId, userId, actor, data })
    const [before, after] = [presentUser(current), presentUser(user)]
    await recordChange(trx, actor, { action: 'user.set_password', subject: userId, userId, before, after })
    return user
  })
}

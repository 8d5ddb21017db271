import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { endSessions, revokeGrants } from '../revocation.ts'
import { RegistryError } from '../registry-error.ts'
import { passwordProblem, type PasswordHasher } from './password.ts'
import { presentUser } from './present.ts'
import { changeUser, findUser, lockUser } from './queries.ts'
import type { User } from './user.ts'

export interface SetPassword {
  userId: string
  password: string
  /** The session in which the person changed it; all others end. */
  keepSessionUid?: string | undefined
  actor: Actor
}

/**
 * Gives an account a new password and takes away what the old one opened: in one transaction the other sessions end and
 * every grant is revoked, so whoever knew the old password keeps nothing. The hash is made before the transaction begins.
 * Whether the person knows the present password is for the caller to ask, with `checkPassword`.
 * @throws RegistryError `not_found`, or `invalid` with field `password`; HasherBusyError
 */
export async function setPassword(
  db: Knex,
  { hasher }: { hasher: PasswordHasher },
  { userId, password, keepSessionUid, actor }: SetPassword,
): Promise<User> {
  const known = await findUser(db, userId)
  if (!known) throw new RegistryError('not_found', 'there is no such user')
  const problem = passwordProblem(password, [known.username, known.email ?? '', known.name ?? ''])
  if (problem) throw new RegistryError('invalid', `password ${problem}`, 'password')
  const passwordHash = await hasher.hash(password)

  return db.transaction(async (trx) => {
    const current = await lockUser(trx, userId)
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

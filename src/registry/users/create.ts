import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { newId } from '../../lib/ids.ts'
import { RegistryError } from '../registry-error.ts'
import { passwordProblem, type PasswordHasher } from './password.ts'
import { presentUser } from './present.ts'
import { insertUser } from './queries.ts'
import { agreeLoginNames, normalizeEmail, normalizeName, normalizeUsername, parseRoles, type User } from './user.ts'

export interface NewUser {
  username: string
  password: string
  email?: string | null | undefined
  /** Whether the operator vouches for the address. */
  emailVerified?: boolean | undefined
  name?: string | null | undefined
  roles?: readonly string[] | undefined
  actor: Actor
}

/** An account that is only to be written: everything checked, in its normal forms, the password hashed. */
export interface PreparedUser extends Pick<User, 'username' | 'email' | 'emailVerified' | 'name' | 'roles'> {
  passwordHash: string
}

/**
 * Makes an account that can sign in at once. The password is hashed before the transaction begins.
 * @throws RegistryError `invalid` or `conflict`, with the field; HasherBusyError
 */
export async function createUser(
  db: Knex,
  dependencies: { hasher: PasswordHasher },
  { actor, ...given }: NewUser,
): Promise<User> {
  return createPreparedUser(db, await prepareUser(dependencies, given), actor)
}

/**
 * The first half of making an account: what takes long and needs no database.
 * @throws RegistryError `invalid`, with the field; HasherBusyError
 */
export async function prepareUser(
  { hasher }: { hasher: PasswordHasher },
  { password, ...given }: Omit<NewUser, 'actor'>,
): Promise<PreparedUser> {
  const { username, email } = agreeLoginNames({
    username: normalizeUsername(given.username),
    email: given.email == null ? undefined : normalizeEmail(given.email),
  })
  const name = given.name == null ? null : normalizeName(given.name)
  const roles = parseRoles(given.roles ?? [])
  const problem = passwordProblem(password, [username, email ?? '', name ?? ''])
  if (problem) throw new RegistryError('invalid', `password ${problem}`, 'password')
  const emailVerified = email !== null && (given.emailVerified ?? false)
  return { username, email, emailVerified, name, roles, passwordHash: await hasher.hash(password) }
}

/**
 * The second half.
 * @throws RegistryError `conflict`, with the field
 */
export async function createPreparedUser(db: Knex, prepared: PreparedUser, actor: Actor): Promise<User> {
  const { emailVerified, passwordHash, ...plain } = prepared
  return db.transaction(async (trx) => {
    const row = { ...plain, email_verified: emailVerified, password_hash: passwordHash }
    const user = await insertUser(trx, { id: newId('usr'), ...row })
    await appendEvent(trx, {
      type: 'user.created',
      subject: user.id,
      userId: user.id,
      actor,
      data: { roles: user.roles },
    })
    const after = presentUser(user)
    await recordChange(trx, actor, { action: 'user.create', subject: user.id, userId: user.id, after })
    return user
  })
}

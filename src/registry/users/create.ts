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

/**
 * Makes an account that can sign in at once. The password is hashed before the transaction begins.
 * @throws RegistryError `invalid` or `conflict`, with the field; HasherBusyError
 */
export async function createUser(
  db: Knex,
  { hasher }: { hasher: PasswordHasher },
  { password, actor, ...given }: NewUser,
): Promise<User> {
  const { username, email } = agreeLoginNames({
    username: normalizeUsername(given.username),
    email: given.email == null ? undefined : normalizeEmail(given.email),
  })
  const name = given.name == null ? null : normalizeName(given.name)
  const roles = parseRoles(given.roles ?? [])
  const problem = passwordProblem(password, [username, email ?? '', name ?? ''])
  if (problem) throw new RegistryError('invalid', `password ${problem}`, 'password')
  const passwordHash = await hasher.hash(password)

  return db.transaction(async (trx) => {
    const user = await insertUser(trx, {
      id: newId('usr'),
      username,
      email,
      email_verified: email !== null && (given.emailVerified ?? false),
      name,
      roles,
      password_hash: passwordHash,
    })
    await appendEvent(trx, { type: 'user.created', subject: user.id, userId: user.id, actor, data: { roles } })
    const after = presentUser(user)
    await recordChange(trx, actor, { action: 'user.create', subject: user.id, userId: user.id, after })
    return user
  })
}

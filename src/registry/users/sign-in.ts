import type { Knex } from 'knex'
import { appendEvent } from '../../events/outbox.ts'
import { HasherBusyError, type PasswordHasher } from './password.ts'
import { confirmCredentials, findCredentials, findCredentialsById, findUser, type Credentials } from './queries.ts'
import type { Attempt, LoginThrottle } from './throttle.ts'
import type { User } from './user.ts'

export interface SignInDeps {
  hasher: PasswordHasher
  throttle: LoginThrottle
}

export interface SignInAttempt {
  /** Username or e-mail address, as typed. */
  login: string
  password: string
  /** Where the browser is: an IP address. */
  address: string
}

export type SignInResult =
  { outcome: 'ok'; user: User } | { outcome: 'wrong' } | { outcome: 'throttled'; retryAfterSeconds: number }

/**
 * Checks a login name and password. An unknown account, a wrong password and a disabled account get the same answer after
 * the same work (ASVS 5.0 §6.3.8). Starts no session: that is the protocol's.
 * @throws HasherBusyError when too many passwords are being checked; the attempt then does not count
 */
export async function signIn(db: Knex, deps: SignInDeps, attempt: SignInAttempt): Promise<SignInResult> {
  const result = await check(db, deps, attempt)
  if (result.outcome === 'ok') {
    const { id } = result.user
    const data = { address: attempt.address }
    await db.transaction(async (trx) => {
      if (!(await holdPerson(trx, id))) return
      await appendEvent(trx, { type: 'login.succeeded', subject: id, userId: id, actor: id, data })
    })
  }
  return result
}

async function check(db: Knex, deps: SignInDeps, attempt: SignInAttempt): Promise<SignInResult> {
  const { hasher, throttle } = deps
  const counted = await throttle.begin(db, attempt)
  if (!counted.allowed) return { outcome: 'throttled', retryAfterSeconds: counted.retryAfterSeconds }

  const found = await findCredentials(db, attempt.login)
  const user = await matching(db, hasher, found, attempt.password).catch(async (error: unknown) => {
    if (error instanceof HasherBusyError) await throttle.withdraw(db, counted)
    throw error
  })
  if (!user) {
    await recordFailure(db, counted, attempt.address, found?.user.id)
    return { outcome: 'wrong' }
  }
  await throttle.succeed(db, counted)
  return { outcome: 'ok', user }
}

/**
 * Asks a person who is signed in for the present password once more. Guesses count like those at the door, or a stolen
 * session would be a place to guess in peace.
 * @throws HasherBusyError
 */
export async function checkPassword(
  db: Knex,
  deps: SignInDeps,
  { userId, password, address }: { userId: string; password: string; address: string },
): Promise<SignInResult> {
  const user = await findUser(db, userId)
  return user ? check(db, deps, { login: user.username, password, address }) : { outcome: 'wrong' }
}

/** The user whose password this is, open for sign-in right now; undefined otherwise. */
async function matching(
  db: Knex,
  hasher: PasswordHasher,
  found: Credentials | undefined,
  password: string,
): Promise<User | undefined> {
  const { valid, needsRehash } = await hasher.verify(found?.passwordHash, password)
  if (!valid || !found?.passwordHash || found.user.disabledAt) return undefined
  const { passwordHash } = found
  const freshHash = needsRehash ? await rehash(hasher, password) : undefined
  const user = await confirmCredentials(db, { userId: found.user.id, passwordHash, freshHash })
  if (user) return user

  // The hash is another one by now: made anew by a sign-in at the same moment, or of a new password. It decides.
  const now = await findCredentialsById(db, found.user.id)
  if (!now?.passwordHash || now.passwordHash === passwordHash) return undefined
  const second = await hasher.verify(now.passwordHash, password)
  if (!second.valid) return undefined
  return confirmCredentials(db, { userId: found.user.id, passwordHash: now.passwordHash })
}

/** A stronger hash is a kindness that can wait for the next sign-in; it must not turn this one away. */
async function rehash(hasher: PasswordHasher, password: string): Promise<string | undefined> {
  try {
    return await hasher.hash(password)
  } catch (error) {
    if (error instanceof HasherBusyError) return undefined
    throw error
  }
}

/** What was typed as a name is not kept: people type passwords there. */
async function recordFailure(db: Knex, counted: Attempt, address: string, userId: string | undefined): Promise<void> {
  await db.transaction(async (trx) => {
    // Asked for an account that does not exist as well: it must not be told by its time.
    const isThere = await holdPerson(trx, userId ?? 'nobody')
    const about = userId && isThere ? { subject: userId, userId } : {}
    await appendEvent(trx, { type: 'login.failed', ...about, data: { address } })
    for (const by of ['account', 'address'] as const) {
      const seconds = counted[by].block?.seconds
      if (seconds) await appendEvent(trx, { type: 'login.throttled', ...about, data: { address, by, seconds } })
    }
  })
}

/** Erasing somebody waits until what is written here is there to be erased. @returns whether there is still such a person */
async function holdPerson(trx: Knex, userId: string): Promise<boolean> {
  return (await trx('users').where({ id: userId }).forKeyShare().first('id')) !== undefined
}

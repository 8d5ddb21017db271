import type pg from 'pg'
import { run, statement } from '../../database/statement.ts'
import type { NewEvent } from '../../events/outbox.ts'
import type { Gate } from './gate.ts'
import { HasherBusyError, type PasswordHasher } from './password.ts'
import { confirmCredentials, findCredentials, findCredentialsById, replaceHash, type Credentials } from './queries.ts'
import type { Attempt, LoginThrottle } from './throttle.ts'
import type { User } from './user.ts'

export interface SignInDeps {
  hasher: PasswordHasher
  throttle: LoginThrottle
  /** What an attempt passes that is not refused by the throttle: it leaves when it has its answer. Left out: nothing. */
  gate?: Gate
}

export interface SignInAttempt {
  /** Username or e-mail address, as typed. */
  login: string
  password: string
  /** Where the browser is: an IP address. */
  address: string
  /** Asked when its turn has come: whoever reloads in a storm, or has left, keeps nobody waiting who is there. */
  isStillThere?: () => boolean
}

export type SignInResult =
  { outcome: 'ok'; user: User } | { outcome: 'wrong' } | { outcome: 'throttled'; retryAfterSeconds: number }

/**
 * Checks a login name and password. An unknown account, a wrong password and a disabled account get the same answer after
 * the same work (ASVS 5.0 §6.3.8). Starts no session: that is the protocol's.
 * @throws HasherBusyError when too many passwords are being checked; the attempt then does not count
 */
export function signIn(pool: pg.Pool, deps: SignInDeps, attempt: SignInAttempt): Promise<SignInResult> {
  return check(pool, deps, attempt, (checked) => confirmCredentials(pool, checked, attempt.address))
}

/**
 * Asks a person who is signed in for the present password once more. Guesses count like those at the door, or a stolen
 * session would be a place to guess in peace.
 * @throws HasherBusyError
 */
export async function checkPassword(
  pool: pg.Pool,
  deps: SignInDeps,
  { userId, ...attempt }: { userId: string } & Omit<SignInAttempt, 'login'>,
): Promise<SignInResult> {
  const known = await findCredentialsById(pool, userId)
  if (!known) return { outcome: 'wrong' }
  return check(pool, deps, { ...attempt, login: known.user.username }, (checked) => confirmCredentials(pool, checked))
}

type Confirm = (checked: { userId: string; passwordHash: string }) => Promise<User | undefined>

async function check(
  pool: pg.Pool,
  { hasher, throttle, gate = (work) => work() }: SignInDeps,
  attempt: SignInAttempt,
  confirm: Confirm,
): Promise<SignInResult> {
  const counted = await throttle.begin(pool, attempt)
  if (!counted.allowed) return { outcome: 'throttled', retryAfterSeconds: counted.retryAfterSeconds }

  try {
    return await gate(async () => {
      if (attempt.isStillThere?.() === false) throw new HasherBusyError('nobody waits for the answer any more')
      const found = await findCredentials(pool, attempt.login)
      const user = await matching(pool, hasher, found, attempt.password, confirm)
      if (!user) {
        await recordFailure(pool, counted, attempt.address, found?.user.id)
        return { outcome: 'wrong' }
      }
      await throttle.succeed(pool, counted)
      return { outcome: 'ok', user }
    })
  } catch (error) {
    if (error instanceof HasherBusyError) await throttle.withdraw(pool, counted)
    throw error
  }
}

/** The user whose password this is, open for sign-in right now; undefined otherwise. */
async function matching(
  pool: pg.Pool,
  hasher: PasswordHasher,
  found: Credentials | undefined,
  password: string,
  confirm: Confirm,
): Promise<User | undefined> {
  const { valid, needsRehash } = await hasher.verify(found?.passwordHash, password)
  if (!valid || !found?.passwordHash || found.user.disabledAt) return undefined
  const userId = found.user.id
  const renewed = needsRehash && (await renewHash(pool, hasher, { userId, passwordHash: found.passwordHash }, password))
  const passwordHash = renewed || found.passwordHash
  const user = await confirm({ userId, passwordHash })
  if (user) return user

  // The hash is another one by now: made anew by a sign-in at the same moment, or of a new password. It decides.
  const now = await findCredentialsById(pool, userId)
  if (!now?.passwordHash || now.passwordHash === passwordHash) return undefined
  const second = await hasher.verify(now.passwordHash, password)
  return second.valid ? confirm({ userId, passwordHash: now.passwordHash }) : undefined
}

/**
 * A stronger hash is a kindness that can wait for the next sign-in; it must not turn this one away.
 * @returns the hash that the account has now, if it is this one
 */
async function renewHash(
  pool: pg.Pool,
  hasher: PasswordHasher,
  checked: { userId: string; passwordHash: string },
  password: string,
): Promise<string | undefined> {
  try {
    const fresh = await hasher.hash(password)
    return (await replaceHash(pool, checked, fresh)) ? fresh : undefined
  } catch (error) {
    if (error instanceof HasherBusyError) return undefined
    throw error
  }
}

// Asked for an account that does not exist as well: it must not be told by its time. Erasing somebody waits until what is
// written here is there to be erased.
const FAILED = statement(`
  with person as materialized (select id from users where id = $1 for key share)
  insert into events (type, at, actor, subject, user_id, data)
  select told.event ->> 'type', clock_timestamp(), 'system', person.id, person.id, told.event -> 'data'
  from jsonb_array_elements($2::jsonb) with ordinality as told (event, place) left join person on true
  order by told.place`)

/** What was typed as a name is not kept: people type passwords there. */
async function recordFailure(
  pool: pg.Pool,
  counted: Attempt,
  address: string,
  userId: string | undefined,
): Promise<void> {
  const told: NewEvent[] = [{ type: 'login.failed', data: { address } }]
  for (const by of ['account', 'address'] as const) {
    const seconds = counted[by].block?.seconds
    if (seconds) told.push({ type: 'login.throttled', data: { address, by, seconds } })
  }
  await run(pool, FAILED, [userId ?? 'nobody', JSON.stringify(told)])
}

/**
 * Passwords: what may be one, and the slow hash that is kept of it. Hashing is the one thing here that costs memory and
 * milliseconds, so it passes through a gate: a storm of sign-ins waits in a line that is bounded in length and in time. A
 * server has it done by a process of its own (hashing-process.ts), so that it starves no signatures.
 */
import { needsRehash as differsFrom } from 'argon2'
import { randomBytes } from 'node:crypto'
import { createGate } from './gate.ts'
import { guessablePart } from './guessable.ts'
import { COST, hashHere, type HashEngine } from './hashing.ts'

export { HasherBusyError } from './hasher-busy.ts'

const SHORTEST = 15
const LONGEST = 128
/** More bytes than any password of 128 characters needs; nothing longer is normalised or hashed. */
const MOST_BYTES = 1024

export type PasswordProblem = 'too_short' | 'too_long' | 'unusable_characters' | 'contains_context' | 'too_common'

const SENTENCES: Record<PasswordProblem, string> = {
  too_short: `must be at least ${SHORTEST} characters long: a few unrelated words do well`,
  too_long: `must be at most ${LONGEST} characters long`,
  unusable_characters: 'must not contain control characters or broken characters',
  contains_context: 'must not contain the username, the e-mail address, the name or the name of this service',
  too_common: 'is too easy to guess: it is made of well-known words, repetitions or rows of keys',
}

/**
 * Why a password can't be used, as a stable name that pages can translate; undefined when it can.
 * NIST SP 800-63B-4 §3.1.1.2: 15 to at least 64 characters counted as code points after normalisation, a blocklist with the
 * words of the place, no composition rules.
 * @param context username, e-mail address, name: what an attacker tries first
 */
export function findPasswordProblem(password: string, context: readonly string[] = []): PasswordProblem | undefined {
  if (isOversized(password)) return 'too_long'
  if (!password.isWellFormed() || /\p{Cc}/u.test(password)) return 'unusable_characters'
  const normal = password.normalize('NFC')
  const length = Array.from(normal).length
  if (length < SHORTEST) return 'too_short'
  if (length > LONGEST) return 'too_long'
  return guessablePart(normal, context)
}

/** The same as a sentence without its subject (`must be at least 15 characters long …`); undefined when nothing is wrong. */
export function passwordProblem(password: string, context: readonly string[] = []): string | undefined {
  const problem = findPasswordProblem(password, context)
  return problem && SENTENCES[problem]
}

export interface PasswordHasher {
  /** @throws HasherBusyError when too many wait; RangeError when the password is longer than any password may be */
  hash(password: string): Promise<string>
  /**
   * Costs one verification whatever it is given: no hash, a broken hash, or a password of a megabyte.
   * @throws HasherBusyError when too many wait
   */
  verify(hash: string | null | undefined, password: string): Promise<{ valid: boolean; needsRehash: boolean }>
}

export interface PasswordHasherOptions {
  /** Hashes that run at once; the thread pool of Node has four threads for everything. */
  concurrency?: number
  /** As a gate has it. */
  maxQueue?: number
  patienceMs?: number
  /** Who does the work; this process unless told. */
  engine?: HashEngine
}

/** argon2id over the NFC form of the password. */
export function createPasswordHasher({
  concurrency = 2,
  engine = hashHere,
  ...line
}: PasswordHasherOptions = {}): PasswordHasher {
  const inTurn = createGate({ atOnce: concurrency, ...line })
  const dummy = hashOfNothing()

  return {
    hash: async (password) => {
      if (isOversized(password)) throw new RangeError(`a password may have at most ${MOST_BYTES} bytes`)
      return inTurn(() => engine.hash(password.normalize('NFC')))
    },

    verify: async (hash, password) => {
      const isPossible = !isOversized(password) && password.isWellFormed()
      // A missing account has to take as long as a wrong password, or its absence could be told by the clock.
      const known = hash && hash.startsWith('$argon2id$') ? hash : undefined
      const tried = isPossible ? password.normalize('NFC') : ''
      const matches = await inTurn(() => engine.verify(known ?? dummy, tried, dummy))
      const valid = matches && isPossible && known !== undefined
      return { valid, needsRehash: valid && differsFrom(known, COST) }
    },
  }
}

/** A hash with the cost of a real one that no password fits: its 32 bytes were drawn, not computed. */
function hashOfNothing(): string {
  const { memoryCost: m, timeCost: t, parallelism: p } = COST
  const [salt, hash] = [randomBytes(16), randomBytes(32)].map((bytes) => bytes.toString('base64').replaceAll('=', ''))
  return `$argon2id$v=19$m=${m},t=${t},p=${p}$${salt}$${hash}`
}

function isOversized(password: string): boolean {
  return password.length > MOST_BYTES || Buffer.byteLength(password) > MOST_BYTES
}

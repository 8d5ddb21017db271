/**
 * Passwords: what may be one, and the slow hash that is kept of it. Hashing is the one thing here that costs memory and
 * milliseconds, so it passes through a gate: a storm of sign-ins waits in a line that is bounded in length and in time. A
 * server has it done by a process of its own (hashing-process.ts), so that it starves no signatures.
 */
import { needsRehash as differsFrom } from 'argon2'
import { randomBytes } from 'node:crypto'
import { guessablePart } from './guessable.ts'
import { HasherBusyError } from './hasher-busy.ts'
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
  /** How many may wait for their turn, and for how long. */
  maxQueue?: number
  patienceMs?: number
  /** Who does the work; this process unless told. */
  engine?: HashEngine
}

/** argon2id over the NFC form of the password. */
export function createPasswordHasher({
  concurrency = 2,
  maxQueue = 64,
  patienceMs = 10_000,
  engine = hashHere,
}: PasswordHasherOptions = {}): PasswordHasher {
  const inTurn = createGate(concurrency, maxQueue, patienceMs)
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

/**
 * Lets `concurrency` pieces of work run at once, in the order they came, and turns away who finds `maxQueue` waiting or has
 * waited for `patienceMs`: nobody sits before a form for that long.
 */
function createGate(
  concurrency: number,
  maxQueue: number,
  patienceMs: number,
): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting = new Set<() => void>()
  let running = 0

  function turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        clearTimeout(patience)
        resolve()
      }
      const patience = setTimeout(() => {
        waiting.delete(enter)
        reject(new HasherBusyError('too many passwords are being checked'))
      }, patienceMs)
      waiting.add(enter)
    })
  }

  return async (work) => {
    if (running >= concurrency) {
      if (waiting.size >= maxQueue) throw new HasherBusyError('too many passwords are being checked')
      // Who leaves hands the place on, so `running` does not change here.
      await turn()
    } else {
      running += 1
    }
    try {
      return await work()
    } finally {
      const [next] = waiting
      if (next) {
        waiting.delete(next)
        next()
      } else running -= 1
    }
  }
}

/**
 * `registration-tokens` owns the initial access tokens (RFC 7591 §3) with which apps register themselves where that is not
 * open to everybody: 256 random bits, kept as a digest, shown once, for one use or several, until their time is over. It
 * does not know what is registered with them.
 */
import { normalText, plainTextProblem } from '../../lib/plain-text.ts'
import { RegistryError } from '../registry-error.ts'

/** The prefix by which secret scanners know one: `grt_…`. */
export const REGISTRATION_TOKEN_PREFIX = 'grt'

const LONGEST_NAME = 200
const MOST_USES = 1_000_000

export interface RegistrationToken {
  /** `rgt_…` */
  id: string
  name: string
  /** The last four characters of the value. */
  hint: string
  /** null: as many as the server has room for. */
  mostUses: number | null
  uses: number
  createdBy: string
  createdAt: Date
  expiresAt: Date
  revokedAt: Date | null
}

/** @throws RegistryError `invalid`, field `name` */
export function normalizeTokenName(given: string): string {
  const name = normalText(given)
  const problem = plainTextProblem(name, LONGEST_NAME)
  if (problem) throw new RegistryError('invalid', `name ${problem}`, 'name')
  return name
}

/** @throws RegistryError `invalid`, field `most_uses` */
export function checkMostUses(uses: number | null): void {
  if (uses === null || (Number.isInteger(uses) && uses > 0 && uses <= MOST_USES)) return
  throw new RegistryError('invalid', `most_uses must be a whole number from 1 to ${MOST_USES}`, 'most_uses')
}

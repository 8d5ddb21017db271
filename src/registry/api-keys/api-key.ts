/**
 * `api-keys` owns the keys with which machines and operators use the management API: 256 random bits, kept as a digest,
 * shown once. It does not know which route needs which scope.
 */
import { normalText, plainTextProblem } from '../../lib/plain-text.ts'
import { RegistryError } from '../registry-error.ts'
import { isManagementScope, managementScopes, type ManagementScope } from '../management-scopes.ts'

/** The prefix by which secret scanners know a key: `grk_…`. */
export const API_KEY_PREFIX = 'grk'

const LONGEST_NAME = 200

/** A key without its value, which nobody has after it was shown. */
export interface ApiKey {
  /** `apk_…` */
  id: string
  name: string
  /** The last four characters of the value, so that a person can tell two keys apart. */
  hint: string
  scopes: ManagementScope[]
  createdAt: Date
  expiresAt: Date | null
  /** Exact to a minute. */
  lastUsedAt: Date | null
  revokedAt: Date | null
}

/**
 * The name that tells people what a key is for: NFC, one line, 1 to 200 characters.
 * @throws RegistryError `invalid`, field `name`
 */
export function normalizeKeyName(given: string): string {
  const name = normalText(given)
  const problem = plainTextProblem(name, LONGEST_NAME)
  if (problem) throw new RegistryError('invalid', `name ${problem}`, 'name')
  return name
}

/**
 * At least one of the management scopes, each once, in the order of the list.
 * @throws RegistryError `invalid`, field `scopes`
 */
export function parseManagementScopes(given: readonly string[]): ManagementScope[] {
  if (given.length === 0 || !given.every(isManagementScope)) {
    throw new RegistryError('invalid', `scopes must be one or more of ${managementScopes.join(', ')}`, 'scopes')
  }
  return managementScopes.filter((scope) => given.includes(scope))
}

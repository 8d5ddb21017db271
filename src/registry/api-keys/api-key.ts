/**
 * `api-keys` owns the keys with which machines and operators use the management API: 256 random bits, kept as a digest,
 * shown once. While a rotation overlaps, a key has two values. It does not know which route needs which scope.
 */
import { normalText, plainTextProblem } from '../../lib/plain-text.ts'
import { isManagementScope, managementScopes, type ManagementScope } from '../management-scopes.ts'
import { RegistryError } from '../registry-error.ts'

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
  /** The value before the last rotation, as long as it still opens. */
  previous: { hint: string; expiresAt: Date } | null
  /** Who made it: a user id, an API key id, a client id, `cli`; null for keys from before this was kept. */
  createdBy: string | null
  createdAt: Date
  updatedAt: Date
  expiresAt: Date | null
  /** Exact to a minute. */
  lastUsedAt: Date | null
  revokedAt: Date | null
  /** Counts the changes, from 1: what an ETag is made of. Being used is no change. */
  version: number
}

/**
 * Asked by every verb while it holds the key's row: with the key as it is, and after a change as it would be. What it throws
 * undoes the change. So a caller's rights are judged on what is there, and not on what was read before.
 */
export type ApiKeyGuard = (apiKey: ApiKey) => void

export interface ApiKeyChangeOptions {
  /** Only if the key is still at this version. */
  ifVersion?: number | undefined
  guard?: ApiKeyGuard | undefined
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

/** @throws RegistryError `conflict`, field `version`, when someone else was faster */
export function requireKeyVersion(apiKey: ApiKey, ifVersion: number | undefined): void {
  if (ifVersion === undefined || apiKey.version === ifVersion) return
  const message = `the API key has changed: it is at version ${apiKey.version}, not ${ifVersion}`
  throw new RegistryError('conflict', message, 'version')
}

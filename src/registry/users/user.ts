/**
 * `users` owns people: their names in one normal form, their passwords as slow hashes, and how they prove themselves. It
 * knows nothing of HTTP, of the protocol library or of the other nouns; what must end with a user is in `revocation.ts`.
 */
import { domainToASCII } from 'node:url'
import { isId } from '../../lib/ids.ts'
import { normalText, plainTextProblem } from '../../lib/plain-text.ts'
import { RegistryError } from '../registry-error.ts'

/** A person, without the password hash: that one never leaves this folder. */
export interface User {
  /** `usr_…`; the subject of tokens. */
  id: string
  username: string
  email: string | null
  emailVerified: boolean
  name: string | null
  roles: string[]
  disabledAt: Date | null
  passwordChangedAt: Date | null
  /** Counts the changes, from 1: what an ETag is made of. */
  version: number
  createdAt: Date
  updatedAt: Date
}

/**
 * Judges a change while the account is locked, so that nothing can come between the judgement and the change. Throws to
 * refuse it.
 * @param wanted the account as it would be
 */
export type UserGuard = (current: User, wanted: User) => void

const LONGEST_USERNAME = 64
const LONGEST_EMAIL = 254
const LONGEST_NAME = 200
const MOST_ROLES = 50

const USERNAME = /^[a-z0-9](?:[a-z0-9._+-]*[a-z0-9])?$/
const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const ROLE = /^[a-z][a-z0-9._:-]{0,62}$/

/**
 * The one form of a username: compatibility characters folded (NFKC), lower case, trimmed. Either letters a–z, digits and
 * `. _ + -` between a letter or digit at both ends, or an e-mail address, which is then the account's own: so a login name
 * can't mean one person by username and another by e-mail.
 * @throws RegistryError `invalid`, field `username`
 */
export function normalizeUsername(given: string): string {
  const username = folded(given).includes('@') ? normalizeEmail(given, 'username') : folded(given)
  if (username.length > LONGEST_USERNAME)
    throw invalid('username', `must be at most ${LONGEST_USERNAME} characters long`)
  if (username.includes('@')) return username
  if (!USERNAME.test(username)) {
    throw invalid(
      'username',
      'must consist of letters a–z, digits and . _ + -, begin and end with a letter or digit, or be an e-mail address',
    )
  }
  // Where a command takes an id or a username, neither may pass for the other.
  if (isId('usr', username)) throw invalid('username', 'must not look like an id')
  return username
}

/**
 * The one form of an e-mail address: lower case, an internationalised domain in its ASCII form (RFC 5891). Says nothing of
 * whether mail arrives there.
 * @throws RegistryError `invalid`, field `email`
 */
export function normalizeEmail(given: string, field: 'email' | 'username' = 'email'): string {
  const text = folded(given)
  const at = text.lastIndexOf('@')
  const local = text.slice(0, Math.max(at, 0))
  const domain = asciiDomain(text.slice(at + 1))
  if (!domain || local.length > 64 || !LOCAL_PART.test(local) || local.length + domain.length + 1 > LONGEST_EMAIL) {
    throw invalid(field, 'must be an e-mail address such as name@example.com')
  }
  return `${local}@${domain}`
}

/**
 * The name that people read: NFC, trimmed, one line, 1 to 200 characters.
 * @throws RegistryError `invalid`, field `name`
 */
export function normalizeName(given: string): string {
  const name = normalText(given)
  const problem = plainTextProblem(name, LONGEST_NAME)
  if (problem) throw invalid('name', problem)
  return name
}

/**
 * Roles in lower case, each once, in order. A role begins with a letter and holds letters, digits and `. _ : -`.
 * @throws RegistryError `invalid`, field `roles`
 */
export function parseRoles(given: readonly string[]): string[] {
  const roles = [...new Set(given.map(folded))].sort()
  if (roles.length > MOST_ROLES) throw invalid('roles', `must be at most ${MOST_ROLES}`)
  if (roles.some((role) => !ROLE.test(role))) {
    throw invalid('roles', 'must each begin with a letter and consist of letters a–z, digits and . _ : -, at most 63')
  }
  return roles
}

/** Whether a username is given as an e-mail address, and so has to be the account's own. */
export function isAddress(username: string): boolean {
  return folded(username).includes('@')
}

/** What someone typed to sign in, in the normal form that accounts are stored in; undefined when no account can have it. */
export function normalizeLogin(given: string): string | undefined {
  if (given.length > LONGEST_EMAIL * 2) return undefined
  try {
    return folded(given).includes('@') ? normalizeEmail(given) : normalizeUsername(given)
  } catch {
    return undefined
  }
}

export interface LoginNames {
  username: string
  email: string | null
}

/**
 * The rule that keeps login names unambiguous: a username with an @ is the account's e-mail address. Whichever of the two
 * is left out follows the other. The database holds the same rule.
 * @param given normal forms; undefined for what was not given
 * @param current what the account has so far
 * @throws RegistryError `invalid` when both are given and differ, or when the address of such an account is taken away
 */
export function agreeLoginNames(
  given: { username?: string | undefined; email?: string | null | undefined },
  current?: LoginNames,
): LoginNames {
  const username = given.username ?? current?.username ?? ''
  const email = given.email === undefined ? (current?.email ?? null) : given.email
  if (!username.includes('@') || username === email) return { username, email }
  if (given.email === undefined) return { username, email: username }
  if (given.username === undefined && email !== null) return { username: normalizeUsername(email), email }
  throw invalid('email', 'must be the same as the username, because the username is an e-mail address')
}

/** @throws RegistryError `conflict`, field `version` */
export function requireVersion(current: User, ifVersion: number | undefined): void {
  if (ifVersion === undefined || ifVersion === current.version) return
  throw new RegistryError('conflict', 'the user was changed by someone else in the meantime: read it again', 'version')
}

function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase().normalize('NFKC').trim()
}

/** A domain of two labels or more in lower-case ASCII; undefined when it is none. */
function asciiDomain(domain: string): string | undefined {
  // The converter also reads percent escapes and numbers as IPv4 addresses; only names may reach it.
  if (domain.length > 253 || !/^[\p{L}\p{M}\p{N}.-]+$/u.test(domain)) return undefined
  const ascii = domainToASCII(domain)
  const labels = ascii.split('.')
  const isName = labels.length > 1 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '')
  return isName ? ascii : undefined
}

function invalid(field: string, rule: string): RegistryError {
  return new RegistryError('invalid', `${field} ${rule}`, field)
}

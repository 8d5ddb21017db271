/**
 * Public identifiers. Each carries the kind of thing it names, so that a leaked or misplaced string says what it is,
 * and a client id can never equal a user's `sub` (RFC 9068 §5: a client must not be able to pose as a resource owner).
 *
 * `lib` is pure: it does no I/O and knows nothing else of Grantry.
 */
import { createHash, randomBytes } from 'node:crypto'

export type IdPrefix = 'usr' | 'cli' | 'res' | 'sec' | 'con' | 'apk' | 'evt' | 'whk' | 'dlv' | 'rgt'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const BODY = /^[a-z2-7]{26}$/

/** 128 random bits in lower-case base32 (RFC 4648 §6, unpadded) behind the prefix: `usr_k5x…`, 30 characters. */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${base32(randomBytes(16))}`
}

/** The one id of something that has a name elsewhere, such as a URL: the same on every instance, without asking anybody. */
export function idFor(prefix: IdPrefix, name: string): string {
  return `${prefix}_${base32(createHash('sha256').update(name).digest().subarray(0, 16))}`
}

/** Whether `value` has the exact form of an id of this kind. Says nothing of whether such a thing exists. */
export function isId(prefix: IdPrefix, value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(`${prefix}_`) && BODY.test(value.slice(prefix.length + 1))
}

function base32(bytes: Buffer): string {
  let text = ''
  let pending = 0
  let bits = 0
  for (const byte of bytes) {
    pending = (pending << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += ALPHABET.charAt((pending >> bits) & 31)
    }
    pending &= (1 << bits) - 1
  }
  return bits > 0 ? text + ALPHABET.charAt((pending << (5 - bits)) & 31) : text
}

/**
 * Machine-made secrets: client secrets and API keys. They carry 256 random bits, so one SHA-256 is enough to store them
 * (ASVS 5.0 §6.5.2); a slow hash would only let anyone burn the server's CPU by sending wrong ones.
 */
import { hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

export interface NewSecret {
  /** The secret itself, shown once and never stored. */
  value: string
  /** SHA-256 of the value, 32 bytes: what the database keeps. */
  digest: Buffer
  /** The last four characters, so that a person can tell two secrets apart. */
  hint: string
}

const SHAPE = /^[a-z]+(?:_[a-z]+)*_[\w-]{43}[0-9a-f]{8}$/

/** A new secret `<prefix>_<43 base64url characters><CRC-32 in hex>`, for example `gcs_…`. */
export function newSecret(prefix: string): NewSecret {
  const body = `${prefix}_${randomBytes(32).toString('base64url')}`
  const value = body + checksum(body)
  return { value, digest: digestSecret(value), hint: value.slice(-4) }
}

/**
 * Whether a string has the form and the checksum of a secret. Lets secret scanners and the server throw out junk without
 * a look-up; it proves nothing about validity.
 */
export function looksLikeSecret(value: string): boolean {
  return SHAPE.test(value) && checksum(value.slice(0, -8)) === value.slice(-8)
}

/** SHA-256 of a bearer value, 32 bytes. Look-ups go by this digest, so no comparison can leak by its timing. */
export function digestSecret(value: string): Buffer {
  return hash('sha256', value, 'buffer')
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0')
}

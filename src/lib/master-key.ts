/**
 * The master key and what is made from it. One configured secret stands behind everything that must be read back (signing
 * keys, webhook secrets) and everything that instances must agree on (cookie, CSRF, cursor and nonce keys), so that there
 * is one thing to keep, to back up and to rotate. Rotation overlaps: the first key seals and signs, the others still open
 * and verify.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto'

export interface MasterKey {
  /** First 8 hex digits of SHA-256 over the key: names the key in an envelope without telling anything about it. */
  readonly id: string
  readonly secret: Buffer
}

/** Current key first; the rest only open and verify. Never empty. */
export type MasterKeys = readonly [MasterKey, ...MasterKey[]]

export class SealError extends Error {
  override name = 'SealError'
}

/** 32 random bytes as base64url: a good value for MASTER_KEY. */
export function newMasterKey(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * Reads one key or several, separated by commas, current first. Each is 32 bytes in base64url or base64.
 * @throws SealError that says which entry is wrong, and not what it was
 */
export function parseMasterKeys(text: string): MasterKeys {
  const keys = text.split(',').map((entry, index) => {
    const secret = Buffer.from(entry.trim(), 'base64url')
    if (secret.length !== 32) throw new SealError(`entry ${index + 1} is not 32 bytes in base64url`)
    return { id: createHash('sha256').update(secret).digest('hex').slice(0, 8), secret }
  })
  const [current, ...retired] = keys
  if (!current) throw new SealError('no key given')
  return [current, ...retired]
}

/**
 * Encrypts with AES-256-GCM under a subkey of the current master key. The envelope is `v1.<key id>.<iv>.<ciphertext+tag>`;
 * purpose and key id are authenticated, so an envelope can't be moved to another use.
 */
export function seal(keys: MasterKeys, purpose: string, plaintext: Buffer | string): string {
  const [key] = keys
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', sealingKey(key, purpose), iv)
  cipher.setAAD(Buffer.from(`v1.${key.id}.${purpose}`))
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  return ['v1', key.id, iv.toString('base64url'), sealed.toString('base64url')].join('.')
}

/** @throws SealError when no configured key fits or the envelope was altered */
export function open(keys: MasterKeys, purpose: string, envelope: string): Buffer {
  const [version, keyId, iv, sealed] = envelope.split('.')
  if (version !== 'v1' || !keyId || !iv || !sealed) throw new SealError('not a sealed envelope')
  const key = keys.find(({ id }) => id === keyId)
  if (!key) throw new SealError(`sealed with master key ${keyId}, which MASTER_KEY does not hold`)
  const bytes = Buffer.from(sealed, 'base64url')
  try {
    const decipher = createDecipheriv('aes-256-gcm', sealingKey(key, purpose), Buffer.from(iv, 'base64url'), {
      authTagLength: 16,
    })
    decipher.setAAD(Buffer.from(`v1.${key.id}.${purpose}`))
    decipher.setAuthTag(bytes.subarray(-16))
    return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()])
  } catch {
    throw new SealError('a sealed value was altered or belongs to another purpose')
  }
}

/** Whether an envelope was made with the current key; if not, it is due for re-wrapping. */
export function isSealedWithCurrent(keys: MasterKeys, envelope: string): boolean {
  return envelope.split('.')[1] === keys[0].id
}

/** 32-byte subkeys for one purpose (HKDF-SHA-256, RFC 5869), one for each master key, current first. */
export function derive(keys: MasterKeys, purpose: string): [Buffer, ...Buffer[]] {
  const [current, ...retired] = keys
  return [subkey(current, purpose), ...retired.map((key) => subkey(key, purpose))]
}

/** The same as keys of HMACs: to make one of its bytes each time costs Node ten times what the HMAC does. */
export function deriveForHmac(keys: MasterKeys, purpose: string): [KeyObject, ...KeyObject[]] {
  const [current, ...retired] = derive(keys, purpose)
  return [createSecretKey(current), ...retired.map((key) => createSecretKey(key))]
}

/** Every sign-in opens and seals several times, and purposes are few: their keys are derived once. */
const sealingKeys = new WeakMap<MasterKey, Map<string, KeyObject>>()

function sealingKey(key: MasterKey, purpose: string): KeyObject {
  const known = sealingKeys.get(key) ?? new Map<string, KeyObject>()
  sealingKeys.set(key, known)
  const made = known.get(purpose) ?? createSecretKey(subkey(key, `seal:${purpose}`))
  known.set(purpose, made)
  return made
}

function subkey(key: MasterKey, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key.secret, '', `grantry:${purpose}`, 32))
}

import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { RegistryError } from '../registry-error.ts'

/** A public key with which a client proves itself (RFC 7517): what it has beyond this is not kept. */
export interface ClientKey {
  kty: 'EC' | 'OKP' | 'RSA'
  kid?: string
  use?: 'sig'
  alg?: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
}

/** A JWK Set of public keys. */
export interface ClientKeys {
  keys: ClientKey[]
}

const FIELD = 'jwks'
const MOST_KEYS = 10
const LEAST_RSA_BITS = 2048
/** The time to verify a signature grows with the key, and anybody may send one to be verified. */
const MOST_RSA_BITS = 8192
const PRIVATE_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const KID = /^[\x21-\x7e]{1,200}$/

/** The algorithms with which each sort of key may sign. */
const SORTS: { fits: (jwk: JsonWebKey) => boolean; members: readonly (keyof ClientKey)[]; algorithms: string[] }[] = [
  { fits: ({ kty, crv }) => kty === 'EC' && crv === 'P-256', members: ['crv', 'x', 'y'], algorithms: ['ES256'] },
  {
    fits: ({ kty, crv }) => kty === 'OKP' && crv === 'Ed25519',
    members: ['crv', 'x'],
    algorithms: ['Ed25519', 'EdDSA'],
  },
  { fits: ({ kty }) => kty === 'RSA', members: ['n', 'e'], algorithms: ['PS256', 'RS256'] },
]

/**
 * Public keys as they may be stored, each in its plain form.
 * @throws RegistryError `invalid` for `jwks`: no set, a private or symmetric key, one that is weak or signs with nothing we take
 */
export function checkedClientKeys(given: unknown): ClientKeys {
  const keys: unknown = isObject(given) ? given.keys : undefined
  if (!Array.isArray(keys)) throw invalid('must be a JWK Set: {"keys": […]} (RFC 7517 §5)')
  if (keys.length === 0 || keys.length > MOST_KEYS) throw invalid(`must hold 1 to ${MOST_KEYS} keys`)
  const checked = keys.map((key: unknown, index) => checkedKey(key, `key ${index + 1}`))
  const kids = checked.flatMap(({ kid }) => kid ?? [])
  if (new Set(kids).size < kids.length) throw invalid('must not name two keys with the same kid')
  return { keys: checked }
}

function checkedKey(given: unknown, name: string): ClientKey {
  if (!isObject(given)) throw invalid(`${name} is no JWK`)
  const secret = PRIVATE_PARTS.find((part) => part in given)
  if (secret !== undefined) {
    throw invalid(`${name} holds "${secret}", a private part: give the public key alone, and make a new pair`)
  }
  const jwk = given as JsonWebKey & Record<string, unknown>
  const sort = SORTS.find(({ fits }) => fits(jwk))
  if (!sort) throw invalid(`${name} must be of kind EC P-256, OKP Ed25519 or RSA`)
  checkStrength(publicKey(jwk, name), name)
  const { kid, use, alg } = jwk
  if (kid !== undefined && (typeof kid !== 'string' || !KID.test(kid)))
    throw invalid(`${name} must have a kid of visible ASCII characters, 200 at most`)
  if (use !== undefined && use !== 'sig') throw invalid(`${name} is not for signatures: its use is ${shown(use)}`)
  if (alg !== undefined && !sort.algorithms.some((each) => each === alg)) {
    throw invalid(`${name} has the alg ${shown(alg)}, not ${sort.algorithms.join(' or ')}`)
  }
  const names: (keyof ClientKey)[] = ['kty', 'kid', 'use', 'alg', ...sort.members]
  return Object.fromEntries(
    names.flatMap((member) => (jwk[member] === undefined ? [] : [[member, jwk[member]]])),
  ) as never
}

function publicKey(jwk: JsonWebKey, name: string): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    throw invalid(`${name} can not be read as a key`)
  }
}

function checkStrength({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, name: string): void {
  if (asymmetricKeyType !== 'rsa') return
  const bits = asymmetricKeyDetails?.modulusLength ?? 0
  if (bits < LEAST_RSA_BITS || bits > MOST_RSA_BITS) {
    throw invalid(`${name} has ${bits} bits; an RSA key must have ${LEAST_RSA_BITS} to ${MOST_RSA_BITS}`)
  }
  const exponent = asymmetricKeyDetails?.publicExponent ?? 0n
  if (exponent < 3n || exponent % 2n === 0n || exponent > 0xffff_ffffn)
    throw invalid(`${name} has an exponent that is no good`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, 60)
}

function invalid(message: string): RegistryError {
  return new RegistryError('invalid', `jwks ${message}`, FIELD)
}

import { createHash, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { JWK } from 'jose'
import { open, seal, SealError, type MasterKeys } from '../lib/master-key.ts'

/** RS256 also signs ID tokens; the others are for resources that choose them. Ed25519 is RFC 9864's name for what EdDSA left open. */
export const signingAlgs = ['RS256', 'ES256', 'Ed25519'] as const
export type SigningAlg = (typeof signingAlgs)[number]

export type KeyState = 'next' | 'current' | 'previous'

/** A key as anyone may know it. Times are the database's. */
export interface PublishedKey {
  /** RFC 7638 thumbprint: the same key can never have two names, nor two keys one. */
  readonly kid: string
  readonly alg: SigningAlg
  readonly state: KeyState
  readonly publicJwk: JWK
  readonly publishedAt: Date
  readonly activatedAt: Date | undefined
  readonly retiredAt: Date | undefined
}

/** A key with its private half. Never logged, never presented. */
export interface SigningKey extends PublishedKey {
  readonly privateJwk: JWK
}

/** A key that is made but not yet in the database; its private half is sealed already. */
export interface NewKey {
  readonly kid: string
  readonly alg: SigningAlg
  readonly publicJwk: JWK
  readonly privateSealed: string
}

const PURPOSE = 'signing-key'
const generate = promisify(generateKeyPair)

/** Makes a key pair: RSA 2048, P-256 or Ed25519. RSA takes about 100 ms of a thread: never inside a transaction. */
export async function generateKey(alg: SigningAlg, masterKeys: MasterKeys): Promise<NewKey> {
  const half = (await makePrivateKey(alg)).export({ format: 'jwk' }) as JWK
  const kid = thumbprint(half)
  const privateJwk: JWK = { ...half, kid, alg, use: 'sig' }
  return { kid, alg, publicJwk: publicHalf(privateJwk), privateSealed: sealPrivate(masterKeys, privateJwk) }
}

async function makePrivateKey(alg: SigningAlg): Promise<KeyObject> {
  switch (alg) {
    case 'RS256':
      return (await generate('rsa', { modulusLength: 2048 })).privateKey
    case 'ES256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey
    case 'Ed25519':
      return (await generate('ed25519')).privateKey
  }
}

/** The members that RFC 7638 §3.2 (RFC 8037 §2 for OKP) calls required, in lexicographic order. */
const REQUIRED_MEMBERS: Record<string, readonly (keyof JWK)[]> = {
  RSA: ['e', 'kty', 'n'],
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
}

/** JWK thumbprint, SHA-256 in base64url (RFC 7638). */
export function thumbprint(jwk: JWK): string {
  return createHash('sha256')
    .update(JSON.stringify(required(jwk)))
    .digest('base64url')
}

/** The public half, built from what is known to be public rather than by leaving out what is known to be private. */
export function publicHalf(jwk: JWK): JWK {
  return { ...required(jwk), kid: jwk.kid, alg: jwk.alg, use: 'sig' } as JWK
}

function required(jwk: JWK): JWK {
  const members = REQUIRED_MEMBERS[jwk.kty ?? '']
  if (!members) throw new TypeError(`a signing key can't be of type ${jwk.kty}`)
  return Object.fromEntries(members.map((member) => [member, jwk[member]])) as JWK
}

export function sealPrivate(masterKeys: MasterKeys, privateJwk: JWK): string {
  return seal(masterKeys, PURPOSE, JSON.stringify(privateJwk))
}

/**
 * Opens a private half and proves that it belongs to `kid`. Whoever can write to the database but has no master key can
 * thus neither pass off a key of their own nor exchange two of ours.
 * @throws SealError when no master key fits, or the envelope holds another key
 */
export function openPrivate(masterKeys: MasterKeys, kid: string, envelope: string): JWK {
  const privateJwk = JSON.parse(open(masterKeys, PURPOSE, envelope).toString('utf8')) as JWK
  if (privateJwk.kid !== kid || thumbprint(privateJwk) !== kid) {
    throw new SealError(`the private half stored for signing key ${kid} belongs to another key`)
  }
  return privateJwk
}

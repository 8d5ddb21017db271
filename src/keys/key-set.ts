import type { JWK } from 'jose'
import type { KeyState, SigningAlg, SigningKey } from './signing-key.ts'

/** One view of all keys, frozen: whoever holds it keeps a consistent set however the keys turn over meanwhile. */
export interface KeySet {
  /**
   * Private JWKs for the provider. It signs with the first key that fits an algorithm and may sign, so the signers stand
   * first; every other key carries `key_ops: ['verify']` (RFC 7517 §4.3): published, good for verifying, never for signing.
   */
  readonly jwks: { readonly keys: JWK[] }
  /** The same keys without their private halves, in the same order. */
  readonly publicJwks: { readonly keys: JWK[] }
  /** Which key signs. */
  readonly signers: Readonly<Partial<Record<SigningAlg, string>>>
}

const ORDER: readonly KeyState[] = ['current', 'next', 'previous']

/** @param algorithms in the order in which their signers stand */
export function buildKeySet(keys: readonly SigningKey[], algorithms: readonly SigningAlg[]): KeySet {
  const ordered = keys.toSorted(
    (a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || algorithms.indexOf(a.alg) - algorithms.indexOf(b.alg),
  )
  const signers = ordered.filter((key) => key.state === 'current').map((key) => [key.alg, key.kid])
  return Object.freeze({
    jwks: freezeSet(ordered.map((key) => restrict(key.privateJwk, key.state))),
    publicJwks: freezeSet(ordered.map((key) => restrict(key.publicJwk, key.state))),
    signers: Object.freeze(Object.fromEntries(signers)),
  })
}

/** Tells whether two sets would be served and signed with alike. */
export function isSameKeySet(a: KeySet, b: KeySet): boolean {
  return JSON.stringify(a.publicJwks) === JSON.stringify(b.publicJwks)
}

function restrict(jwk: JWK, state: KeyState): JWK {
  return Object.freeze(state === 'current' ? { ...jwk } : { ...jwk, key_ops: Object.freeze(['verify']) as string[] })
}

function freezeSet(keys: JWK[]): { readonly keys: JWK[] } {
  return Object.freeze({ keys: Object.freeze(keys) as JWK[] })
}

import { createPublicKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto'
import type { JWK } from 'jose'
import { ExternalSigningKey, type Configuration } from 'oidc-provider'
import { createSigner, type Signer } from '../keys/signer.ts'
import type { KeySet } from '../keys/ring.ts'

/** The keys as the library takes them: those that sign do so by our own signer, all others are there to verify. */
export function signingKeys({ jwks, signers }: KeySet): NonNullable<Configuration['jwks']> {
  const kids = Object.values(signers)
  const keys = jwks.keys.map((jwk) => (kids.includes(jwk.kid!) ? new CurrentKey(jwk) : jwk))
  return { keys: keys as NonNullable<Configuration['jwks']>['keys'] }
}

/** The library reads the public members from what `keyObject` gives. */
class CurrentKey extends ExternalSigningKey {
  readonly #jwk: JWK
  readonly #public: KeyObject
  readonly #sign: Signer

  constructor(jwk: JWK) {
    super()
    this.#jwk = jwk
    this.#public = createPublicKey({ key: jwk, format: 'jwk' } as JsonWebKeyInput)
    this.#sign = createSigner(jwk)
  }

  override get kid(): string {
    return this.#jwk.kid!
  }

  override get alg(): string {
    return this.#jwk.alg!
  }

  override keyObject(): KeyObject {
    return this.#public
  }

  override sign(data: Uint8Array): ReturnType<Signer> {
    return this.#sign(data)
  }
}

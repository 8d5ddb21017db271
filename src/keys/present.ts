import type { JWK } from 'jose'
import type { PublishedKey } from './signing-key.ts'

/** A key as the management API and the CLI show it. */
export interface KeyView {
  id: string
  kid: string
  alg: string
  state: string
  public_jwk: JWK
  published_at: string
  activated_at: string | null
  retired_at: string | null
}

/** What may leave the server about a key: named field by field, so that a private half can't slip through. */
export function presentKey(key: PublishedKey): KeyView {
  return {
    id: key.kid,
    kid: key.kid,
    alg: key.alg,
    state: key.state,
    public_jwk: key.publicJwk,
    published_at: key.publishedAt.toISOString(),
    activated_at: key.activatedAt?.toISOString() ?? null,
    retired_at: key.retiredAt?.toISOString() ?? null,
  }
}

/** What an API says of itself when it makes its verifier, and what of that can't be used. */
import { isTrustworthyUrl } from './discovery.ts'
import type { DpopOptions } from './dpop.ts'
import type { IntrospectionOptions } from './introspection.ts'
import { protectedResourceMetadataUrl } from './metadata.ts'
import type { RevocationList } from './revocations.ts'

export interface TokenVerifierOptions {
  /** The issuer's identifier, exactly as it stands in `iss`. HTTPS, or HTTP on the machine itself. */
  issuer: string
  /** This API's identifier: the one value of `aud` that it accepts. */
  audience: string
  /** JWS algorithms to accept; asymmetric ones only. */
  algorithms?: readonly string[]
  /** Where the keys are, for an API that can't reach the issuer by its public name; else found by RFC 8414. */
  jwksUri?: string
  /** This API's RFC 9728 metadata; derived from `audience` when that is a URL. */
  resourceMetadata?: string
  /** Takes tokens that are bound to a key (RFC 9449). Left out: such tokens are refused. */
  dpop?: DpopOptions
  clockToleranceSeconds?: number
  /** Takes tokens that are no JWTs, by asking the issuer (RFC 7662). Left out: such tokens are refused. */
  introspection?: IntrospectionOptions
  /** Refuses what was revoked before it expires: a {@link createRevocationList}. Without it a token lives to its `exp`. */
  revocations?: Pick<RevocationList, 'check'>
  fetch?: typeof globalThis.fetch
  /** Milliseconds since the epoch. */
  now?: () => number
}

const PRINTABLE = /^[\x20-\x7e]+$/

/** @throws TypeError when an option is unusable: at start, not at the first request */
export function assertUsable(options: TokenVerifierOptions): void {
  const { issuer, audience, jwksUri, algorithms = [], resourceMetadata, dpop } = options
  if (!isTrustworthyUrl(issuer) || /[?#]/.test(issuer)) {
    throw new TypeError('issuer must be an https URL without query or fragment (http only on the machine itself)')
  }
  if (!PRINTABLE.test(audience)) throw new TypeError('audience must be printable ASCII')
  if (jwksUri !== undefined && !URL.canParse(jwksUri)) throw new TypeError('jwksUri must be a URL')
  if (resourceMetadata !== undefined && !URL.canParse(resourceMetadata)) {
    throw new TypeError('resourceMetadata must be a URL')
  }
  // RFC 8725 §3.1: with a MAC among them, the public key itself would sign tokens.
  const wrong = [...algorithms, ...(dpop?.algorithms ?? [])].find(
    (alg) => !/^(?:[RPE]S(?:256|384|512)|EdDSA|Ed25519)$/.test(alg),
  )
  if (wrong !== undefined) throw new TypeError(`Not an asymmetric signature algorithm: ${wrong}`)
}

/** Where the API's own metadata stands when it doesn't say: by its audience, when that is a URL. */
export function derivedMetadataUrl(audience: string): string | undefined {
  return /^https?:/.test(audience) && URL.canParse(audience) ? protectedResourceMetadataUrl(audience) : undefined
}

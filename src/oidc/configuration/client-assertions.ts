/**
 * Clients that prove themselves with a key (`private_key_jwt`: RFC 7523 §2.2 and §3, and its update for audiences). The
 * library verifies the signature, the issuer and the time, and has each `jti` taken once over all instances; what it leaves
 * wide is narrowed here.
 */
import { errors, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import { requireAssertionAlgorithm } from './profiles.ts'

/** No HS*: a secret that both sides know proves nothing to a third. `EdDSA` is the older name of `Ed25519` (RFC 9864). */
export const ASSERTION_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA', 'PS256', 'RS256'] as const

/** An assertion is made for one request. A longer one is found in logs, and its record would have to be kept as long. */
const LONGEST_SECONDS = 300
/** What the library allows clocks to differ by. */
const TOLERANCE_SECONDS = 15
const LONGEST_ID = 200
const TYPES = [undefined, 'JWT', 'client-authentication+jwt']

type Check = NonNullable<Configuration['assertJwtClientAuthClaimsAndHeader']>

/**
 * The library takes the token endpoint's address as audience as well. A client that talks to several servers could then be
 * made to sign for one what another gets: only the issuer's own identifier counts, alone.
 * @throws InvalidClientAuth
 */
export function createAssertionCheck(issuer: string): Check {
  return (_ctx: KoaContextWithOIDC, claims, header, client) => {
    requireAssertionAlgorithm(client, header.alg)
    const audiences = [claims.aud].flat()
    if (audiences.length !== 1 || audiences[0] !== issuer) refuse('aud must be the issuer identifier and nothing else')
    if (!TYPES.includes(header.typ as string | undefined)) refuse('typ must be client-authentication+jwt or JWT')
    if (typeof claims.jti !== 'string' || claims.jti.length > LONGEST_ID)
      refuse('jti must be a text of moderate length')
    const now = Date.now() / 1000
    if (!(Number(claims.exp) - now <= LONGEST_SECONDS + TOLERANCE_SECONDS)) {
      refuse(`exp must be at most ${LONGEST_SECONDS} seconds ahead`)
    }
    // FAPI 2.0 §5.3.2.1 bears clocks of ten seconds ahead; the library looks at iat only where there is no exp.
    if (claims.iat !== undefined && !(Number(claims.iat) - now <= TOLERANCE_SECONDS)) refuse('iat must not be to come')
  }
}

function refuse(detail: string): never {
  throw new errors.InvalidClientAuth(detail)
}

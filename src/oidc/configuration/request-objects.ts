/**
 * Signed request objects (RFC 9101): an authorization request that its client has signed, so that nobody on the way through
 * the browser can change it. By value only: fetching one from an address of the client's choosing is not offered. The library
 * verifies the signature, issuer and times, and takes nothing from beside the object; what it leaves wide is narrowed here.
 */
import { errors, type Client, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import { policyOf } from './client-metadata.ts'

/** What the keys of clients sign with, but for RS256, which is for those who have signed with it before. No HS*, no none. */
export const REQUEST_OBJECT_ALGORITHMS = ['ES256', 'Ed25519', 'PS256'] as const

/** A request is made to be sent at once. */
const LONGEST_SECONDS = 300
/** What the library allows clocks to differ by. */
const TOLERANCE_SECONDS = 15
const TYPES = [undefined, 'JWT', 'oauth-authz-req+jwt']

type Feature = NonNullable<NonNullable<Configuration['features']>['requestObjects']>

export function requestObjects(issuer: string): Feature {
  return {
    enabled: true,
    assertJwtClaimsAndHeader(ctx: KoaContextWithOIDC, claims, header, client: Client) {
      // What was pushed was judged then; without an object it is kept as an unsigned one of the library's own.
      if ('PushedAuthorizationRequest' in ctx.oidc.entities) return
      const audiences = [claims.aud].flat()
      if (audiences.length !== 1 || audiences[0] !== issuer)
        refuse('aud must be the issuer identifier and nothing else')
      if (!TYPES.includes(header.typ as string | undefined)) refuse('typ must be oauth-authz-req+jwt or JWT')
      if (claims.client_id !== client.clientId) refuse('client_id must be in it (RFC 9101 §4)')
      // RFC 9101 §10.8: else an assertion of the client could be taken for a request of it, and the other way round.
      if (claims.sub !== undefined) refuse('sub must not be in it (RFC 9101 §10.8)')
      const now = Date.now() / 1000
      if (!(Number(claims.exp) - now <= LONGEST_SECONDS + TOLERANCE_SECONDS)) {
        refuse(`exp must be at most ${LONGEST_SECONDS} seconds ahead`)
      }
      if (policyOf(client).profile === 'fapi2' && claims.nbf === undefined) refuse('profile fapi2: nbf must be in it')
    },
  }
}

function refuse(detail: string): never {
  throw new errors.InvalidRequestObject(detail)
}

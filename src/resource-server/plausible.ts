/** What must be true of the claims of every access token, however they came here. */
import type { JWTPayload } from 'jose'

export class Implausible extends Error {}

/**
 * @param latest the latest time of issue, in seconds since 1970
 * @throws Implausible
 */
export function assertPlausible(claims: JWTPayload, latest: number): void {
  const { sub, client_id: clientId, jti, iat = Infinity, exp = 0, scope } = claims
  const texts = [sub, clientId, jti]
  if (!texts.every((text) => typeof text === 'string' && text !== '')) throw new Implausible('empty claim')
  if (scope !== undefined && typeof scope !== 'string') throw new Implausible('scope')
  if (iat > latest || exp <= iat) throw new Implausible('times')
}

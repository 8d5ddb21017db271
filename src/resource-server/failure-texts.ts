/** What a caller is told of a token that could not be read. */
import { errors } from 'jose'
import { InactiveTokenError } from './introspection.ts'
import { Implausible } from './plausible.ts'

/** A constant text for the caller; the error itself stays with the refusal as its cause. */
export function describeFailure(error: unknown): string {
  if (error instanceof InactiveTokenError) return 'The access token expired, was revoked or is not for this API'
  if (error instanceof errors.JWTExpired) return 'The access token expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    return CLAIM_REFUSALS.get(error.claim) ?? 'The access token lacks a claim or holds a wrong one'
  }
  if (error instanceof Implausible) return 'The access token is not acceptable here'
  return 'The access token is malformed or was not signed by the issuer'
}

const CLAIM_REFUSALS = new Map([
  ['iss', 'The access token comes from another issuer'],
  ['aud', 'The access token is meant for another API'],
  ['typ', 'The token is not an access token'],
  ['nbf', 'The access token is not valid yet'],
])

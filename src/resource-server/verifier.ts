/**
 * Checks access tokens: JWTs by their signature (jwts.ts), others by asking the issuer (RFC 7662), where the API is told to.
 * Both are then held to the same rules, with each request: what was revoked, whose key it is bound to, what it covers, and
 * how its holder signed in.
 */
import { decodeProtectedHeader, type JWTPayload } from 'jose'
import { createProofChecker, DPOP_ALGORITHMS, type ProvenRequest } from './dpop.ts'
import { describeFailure } from './failure-texts.ts'
import { createIntrospection, type Introspection } from './introspection.ts'
import { IntrospectionUnavailableError } from './introspection-answers.ts'
import { createKeySource, KeysUnavailableError, type KeySource } from './jwks.ts'
import { createJwts } from './jwts.ts'
import { assertCovers, assertSignIn, scopeList, type VerifyOptions } from './needs.ts'
import { createRefusals, type Refusals, type TokenRefusals } from './token-error.ts'
import { boundKey, present, type VerifiedToken } from './verified-token.ts'
import { assertUsable, derivedMetadataUrl, type TokenVerifierOptions } from './verifier-options.ts'

export interface TokenVerifier {
  readonly audience: string
  /** How this API refuses, for credentials that never get as far as `verify`. */
  readonly refusals: Refusals
  /** Undefined: tokens that are bound to a key are refused. */
  readonly dpop: { readonly algorithms: readonly string[]; readonly required: boolean } | undefined
  /**
   * A bearer's token.
   * @throws TokenError 401 for a token that doesn't count, 403 for one that covers too little, 503 while the issuer's
   *   keys can't be had, it doesn't answer by introspection, or `revocations` is behind and told to refuse then
   */
  verify(token: string, options?: VerifyOptions): Promise<VerifiedToken>
  /**
   * A token of the DPoP scheme, with the proof that came with it.
   * @throws TokenError as `verify`, and for a proof that doesn't count
   */
  verifyProven(token: string, request: ProvenRequest, options?: VerifyOptions): Promise<VerifiedToken>
  /** Fetches the issuer's keys, and where to introspect, ahead of the first token. @throws TokenError 503 */
  prepare(): Promise<void>
}

const ALGORITHMS = ['RS256', 'ES256', 'Ed25519', 'EdDSA'] as const
const MAX_TOKEN_LENGTH = 8 * 1024

/** @throws TypeError when an option is unusable: at start, not at the first request */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { issuer, audience, jwksUri, algorithms = ALGORITHMS, clockToleranceSeconds = 5, now = Date.now } = options
  assertUsable(options)
  const metadataUrl = options.resourceMetadata ?? derivedMetadataUrl(audience)
  const { algorithms: proofAlgorithms = DPOP_ALGORITHMS, required = false } = options.dpop ?? {}
  const dpop = options.dpop && { algorithms: proofAlgorithms, required }
  const refusals = createRefusals({ realm: audience, metadataUrl, dpop })
  const proofs = options.dpop && createProofChecker(options.dpop, { refusals: refusals.proven, now })
  const fetch = options.fetch ?? globalThis.fetch
  const keys = createKeySource({ issuer, jwksUri, fetch, now })
  const jwts = createJwts({ keys, issuer, audience, algorithms, clockToleranceSeconds, now })
  const introspection =
    options.introspection &&
    createIntrospection(options.introspection, { issuer, audience, clockToleranceSeconds, fetch, now })

  async function readClaims(token: string): Promise<JWTPayload> {
    if (introspection && !isJwt(token)) return introspection.claimsOf(token)
    const claims = await jwts.read(token)
    // Only what is signed is asked about: a forgery costs the issuer nothing.
    if (introspection?.always) await introspection.claimsOf(token)
    return claims
  }

  /** @param by the refusals of the scheme in which the token came */
  function refuseRevoked(token: VerifiedToken, scope: string, by: TokenRefusals): void {
    const answer = options.revocations?.check(token) ?? 'good'
    if (answer === 'revoked') throw by.invalid('The access token was revoked', scope)
    if (answer === 'unknown') throw by.unavailable(new Error('the list of revocations is behind'))
  }

  return {
    audience,
    refusals,
    dpop,
    async verify(token, { scope = [], ...signIn } = {}) {
      const needed = scopeList(scope)
      const claims = await readToken(token, needed.join(' '), { readClaims, refusals })
      // RFC 9449 §7.2 and RFC 8705 §3: whoever presents a bound token as a bearer may have stolen it.
      if (claims.cnf !== undefined) throw refusals.invalid('The access token is bound to a key', needed.join(' '))
      if (required) throw refusals.invalid('The access token is not bound to a key', needed.join(' '))
      const verified = present(claims)
      refuseRevoked(verified, needed.join(' '), refusals)
      assertCovers(verified, needed, refusals)
      assertSignIn(verified, { signIn, scope: needed.join(' '), now, by: refusals })
      return verified
    },
    async verifyProven(token, request, { scope = [], ...signIn } = {}) {
      const needed = scopeList(scope)
      if (!proofs) throw refusals.missing(needed.join(' '))
      const { proven } = refusals
      const claims = await readToken(token, needed.join(' '), { readClaims, refusals: proven })
      const keyThumbprint = boundKey(claims)
      if (keyThumbprint === undefined) {
        throw proven.invalid('The access token is not bound to a key by DPoP', needed.join(' '))
      }
      refuseRevoked(present(claims), needed.join(' '), proven)
      const nextNonce = await proofs.check(token, keyThumbprint, request, needed.join(' '))
      const verified = present(claims, { keyThumbprint, nextNonce })
      assertCovers(verified, needed, proven)
      assertSignIn(verified, { signIn, scope: needed.join(' '), now, by: proven })
      return verified
    },
    prepare: () => prepare({ keys, introspection, refusals }),
  }
}

interface Reading {
  readClaims: (token: string) => Promise<JWTPayload>
  refusals: TokenRefusals
}

async function readToken(token: string, scope: string, { readClaims, refusals }: Reading): Promise<JWTPayload> {
  if (token.length > MAX_TOKEN_LENGTH) throw refusals.invalid('The access token is too large', scope)
  try {
    return await readClaims(token)
  } catch (error) {
    if (error instanceof KeysUnavailableError || error instanceof IntrospectionUnavailableError)
      throw refusals.unavailable(error)
    throw refusals.invalid(describeFailure(error), scope, error)
  }
}

/** What has the form of a JWT is judged as one: an ID token, say, is not sent to anybody. */
function isJwt(token: string): boolean {
  if (token.split('.').length !== 3) return false
  try {
    decodeProtectedHeader(token)
    return true
  } catch {
    return false
  }
}

interface Preparing {
  keys: KeySource
  introspection: Introspection | undefined
  refusals: Refusals
}

async function prepare({ keys, introspection, refusals }: Preparing): Promise<void> {
  try {
    await Promise.all([keys.load(), introspection?.prepare()])
  } catch (error) {
    throw refusals.unavailable(error)
  }
}

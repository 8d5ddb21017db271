/**
 * Checks access tokens: JWTs as RFC 9068 §4 and RFC 8725 ask, against the keys that the issuer publishes; others by asking
 * the issuer (RFC 7662), where the API is told to. Both are then held to the same rules.
 */
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose'
import { isTrustworthyUrl } from './discovery.ts'
import { createProofChecker, DPOP_ALGORITHMS, type DpopOptions, type ProvenRequest } from './dpop.ts'
import {
  createIntrospection,
  InactiveTokenError,
  type Introspection,
  type IntrospectionOptions,
} from './introspection.ts'
import { IntrospectionUnavailableError } from './introspection-answers.ts'
import { createKeySource, KeysUnavailableError, type KeySource } from './jwks.ts'
import { protectedResourceMetadataUrl } from './metadata.ts'
import { assertPlausible, Implausible } from './plausible.ts'
import type { RevocationList } from './revocations.ts'
import { scopesToAsk } from './scopes-to-ask.ts'
import { createRefusals, type Refusals, type TokenRefusals } from './token-error.ts'

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

export interface VerifyOptions {
  /** What the token must cover, all of it: a list, or one text separated by spaces. */
  scope?: string | readonly string[]
  /** Kinds of sign-in of which one will do, the best first; the token must say so in `acr`. */
  acr?: readonly string[]
  /** How long ago the sign-in may be, in whole seconds; the token must say it in `auth_time`. */
  maxAgeSeconds?: number
}

/** What a good token says. A person is `issuer` and `subject` together, never an e-mail address. */
export interface VerifiedToken {
  readonly issuer: string
  readonly subject: string
  readonly clientId: string
  /** The token family: what was granted to one client in one sign-in. Undefined for what a client got for itself. */
  readonly grantId: string | undefined
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
  /** Its `jti`; of a token that has none, which is no JWT, the SHA-256 of the token in base64url. */
  readonly tokenId: string
  readonly issuedAt: Date
  readonly expiresAt: Date
  /** The service that acts for the subject, with a token that it got by exchange (RFC 8693 §4.1); undefined for none. */
  readonly actor: string | undefined
  /** The thumbprint of the key that its holder proved (RFC 9449 §6.1); undefined for a bearer's. */
  readonly keyThumbprint: string | undefined
  /** To be sent as `DPoP-Nonce` with the answer; undefined for none. */
  readonly nextNonce: string | undefined
  /** Every claim, as signed, or as the issuer told it when asked. */
  readonly claims: Readonly<JWTPayload>
}

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
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const PRINTABLE = /^[\x20-\x7e]+$/

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
  const introspection =
    options.introspection &&
    createIntrospection(options.introspection, { issuer, audience, clockToleranceSeconds, fetch, now })

  async function readClaims(token: string): Promise<JWTPayload> {
    if (introspection && !isJwt(token)) return introspection.claimsOf(token)
    const claims = await readJwt(token)
    // Only what is signed is asked about: a forgery costs the issuer nothing.
    if (introspection?.always) await introspection.claimsOf(token)
    return claims
  }

  async function readJwt(token: string): Promise<JWTPayload> {
    assertPlainHeader(token)
    const { payload } = await jwtVerify(token, (header) => keys.keyFor(header), {
      algorithms: [...algorithms],
      issuer,
      audience,
      typ: 'at+jwt', // RFC 9068 §4: an ID token or any other JWT of the same issuer must not pass for an access token
      requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti'],
      clockTolerance: clockToleranceSeconds,
      currentDate: new Date(now()),
    })
    assertPlausible(payload, now() / 1000 + clockToleranceSeconds)
    return payload
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

/** The one way in which the token is bound; undefined when there is none, or another that nobody here can check. */
function boundKey({ cnf }: JWTPayload): string | undefined {
  if (typeof cnf !== 'object' || cnf === null || Object.keys(cnf).length !== 1) return undefined
  const { jkt } = cnf as { jkt?: unknown }
  return typeof jkt === 'string' ? jkt : undefined
}

function assertCovers({ scopes }: VerifiedToken, needed: readonly string[], refusals: TokenRefusals): void {
  if (!needed.every((name) => scopes.includes(name))) throw refusals.insufficient(scopesToAsk(scopes, needed).join(' '))
}

interface SignInCheck {
  signIn: Pick<VerifyOptions, 'acr' | 'maxAgeSeconds'>
  scope: string
  now: () => number
  by: TokenRefusals
}

/** RFC 9470 §3. A token that says nothing of its sign-in fits no demand on it: a machine's, or one whose API asks for no such claims. */
function assertSignIn({ claims }: VerifiedToken, { signIn, scope, now, by }: SignInCheck): void {
  const { acr: acrValues, maxAgeSeconds } = signIn
  const { acr, auth_time: at } = claims
  const isOfKind = acrValues === undefined || (typeof acr === 'string' && acrValues.includes(acr))
  const isRecent = maxAgeSeconds === undefined || (typeof at === 'number' && now() / 1000 - at <= maxAgeSeconds)
  if (!isOfKind || !isRecent) throw by.stepUp({ acrValues, maxAgeSeconds }, scope)
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
    throw refusals.invalid(describe(error), scope, error)
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

/** Extensions change what a signature means; none is understood, so none passes (RFC 7515 §4.1.11). */
function assertPlainHeader(token: string): void {
  if ('crit' in decodeProtectedHeader(token)) throw new Implausible('critical header')
}

/** A constant text for the caller; the error itself stays with the refusal as its cause. */
function describe(error: unknown): string {
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

type Binding = Pick<VerifiedToken, 'keyThumbprint' | 'nextNonce'>

function present(claims: JWTPayload, binding?: Binding): VerifiedToken {
  const { iss = '', sub = '', client_id: clientId, jti = '', iat = 0, exp = 0, scope, roles, grant_id, act } = claims
  return Object.freeze({
    issuer: iss,
    subject: sub,
    clientId: String(clientId),
    grantId: typeof grant_id === 'string' ? grant_id : undefined,
    scopes: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [],
    roles: Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [],
    tokenId: jti,
    issuedAt: new Date(iat * 1000),
    expiresAt: new Date(exp * 1000),
    actor: actorOf(act),
    keyThumbprint: binding?.keyThumbprint,
    nextNonce: binding?.nextNonce,
    claims,
  })
}

function actorOf(act: unknown): string | undefined {
  const sub = typeof act === 'object' && act !== null && 'sub' in act ? act.sub : undefined
  return typeof sub === 'string' ? sub : undefined
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

/** @throws TypeError for a scope that can't exist (RFC 6749 §3.3): a mistake in the API's own code */
function scopeList(scope: string | readonly string[]): readonly string[] {
  const names = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : scope
  const wrong = names.find((name) => !SCOPE_TOKEN.test(name))
  if (wrong !== undefined) throw new TypeError(`Not a scope: ${JSON.stringify(wrong)}`)
  return names
}

function assertUsable(options: TokenVerifierOptions): void {
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

function derivedMetadataUrl(audience: string): string | undefined {
  return /^https?:/.test(audience) && URL.canParse(audience) ? protectedResourceMetadataUrl(audience) : undefined
}

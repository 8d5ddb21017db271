/**
 * Refusals in the language of RFC 6750 §3 and RFC 9449 §7.1: which status, which error code, which challenge. Descriptions
 * are constant texts; nothing out of a request is ever written into a header.
 */
export type TokenErrorCode =
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'insufficient_user_authentication'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'

/**
 * A request that may not pass. Carries `status`, `headers` and `expose` as Koa and `http-errors` know them, so that a
 * framework's ordinary error handling answers correctly.
 */
export class TokenError extends Error {
  override readonly name = 'TokenError'
  readonly status: 400 | 401 | 403 | 503
  /** The RFC 6750 §3.1 code; undefined when no credentials were sent, and when the issuer can't be asked. */
  readonly error: TokenErrorCode | undefined
  /** The value of `WWW-Authenticate`; undefined for 503, which no other token would mend. */
  readonly challenge: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** The message is meant for the caller and holds no detail of the inside. */
  readonly expose = true

  constructor(message: string, refusal: Refusal) {
    super(message, refusal.cause === undefined ? undefined : { cause: refusal.cause })
    this.status = refusal.status
    this.error = refusal.error
    this.challenge = refusal.challenge
    this.headers = refusal.headers
  }
}

interface Refusal {
  status: 400 | 401 | 403 | 503
  error?: TokenErrorCode
  challenge?: string
  headers: Record<string, string>
  cause?: unknown
}

/** The refusals of one API. `scope` is what the request would have needed, separated by spaces. */
export interface Refusals extends TokenRefusals {
  /** No credentials at all: a challenge without an error code (RFC 6750 §3.1, last paragraph). */
  missing(scope?: string): TokenError
  /** The request itself is malformed: 400 `invalid_request`. */
  malformed(description: string): TokenError
  /** The same for credentials of the DPoP scheme, and what only they can get wrong. */
  readonly proven: ProofRefusals
}

export interface TokenRefusals {
  /** The token doesn't count: 401 `invalid_token`. */
  invalid(description: string, scope?: string, cause?: unknown): TokenError
  /** A good token that may do less: 403 `insufficient_scope`, naming everything to ask for. */
  insufficient(scope: string): TokenError
  /** The person must sign in anew, or better: 401 `insufficient_user_authentication` (RFC 9470 §3), naming what would do. */
  stepUp(needs: SignInNeeds, scope?: string): TokenError
  /** The issuer's keys can't be had or are too old to trust, or it doesn't answer: 503, not the caller's fault. */
  unavailable(cause: unknown): TokenError
}

export interface ProofRefusals extends TokenRefusals {
  /** The proof doesn't count: 401 `invalid_dpop_proof`. */
  proof(description: string, scope?: string, cause?: unknown): TokenError
  /** The proof needs this nonce: 401 `use_dpop_nonce` (RFC 9449 §9). */
  nonce(nonce: string, scope?: string): TokenError
  /** Nobody can tell whether the proof was used before: 503. */
  uncheckable(cause: unknown): TokenError
}

export interface RefusalOptions {
  realm: string
  /** RFC 9728 metadata of the API, named in every challenge (§5.1) so that a client can find the issuer. */
  metadataUrl?: string | undefined
  /** Undefined: the API knows of no proofs. */
  dpop?: { algorithms: readonly string[]; required: boolean } | undefined
}

/** What a request asks of the sign-in behind its token. */
export interface SignInNeeds {
  /** One of these kinds of sign-in, the best first. */
  acrValues?: readonly string[] | undefined
  /** Not longer ago than this. */
  maxAgeSeconds?: number | undefined
}

type Scheme = 'Bearer' | 'DPoP'

interface Reason {
  status: 400 | 401 | 403
  message: string
  error?: TokenErrorCode
  scope?: string | undefined
  cause?: unknown
  headers?: Record<string, string>
  /** Further parameters of the challenge. */
  more?: Record<string, string>
}

const RETRY_AFTER_SECONDS = '5'

export function createRefusals({ realm, metadataUrl, dpop }: RefusalOptions): Refusals {
  // RFC 6750 §3: at least one parameter must follow the scheme.
  const about: Record<string, string> = metadataUrl ? { resource_metadata: metadataUrl } : { realm }
  const algs: Record<string, string> = dpop ? { algs: dpop.algorithms.join(' ') } : {}

  /** Who came with a proof is answered in its scheme; anybody else learns of every scheme that would do. */
  function challengeOf(scheme: Scheme, { error, message, scope, more }: Reason): string {
    const told = { ...about, ...(error && { error, error_description: message }), ...(scope && { scope }), ...more }
    if (scheme === 'DPoP' || dpop?.required) return formatChallenge('DPoP', { ...told, ...algs })
    const bearer = formatChallenge('Bearer', told)
    if (!dpop) return bearer
    return `${bearer}, ${formatChallenge('DPoP', { ...about, ...(scope && { scope }), ...algs })}`
  }

  function refuse(scheme: Scheme, reason: Reason): TokenError {
    const { status, message, error, cause } = reason
    const challenge = challengeOf(scheme, reason)
    const headers = { 'www-authenticate': challenge, ...reason.headers }
    return new TokenError(message, { status, ...(error && { error }), challenge, headers, cause })
  }

  function ofTokens(scheme: Scheme): TokenRefusals {
    return {
      invalid: (message, scope, cause) =>
        refuse(scheme, { status: 401, message, error: 'invalid_token', scope, cause }),
      insufficient: (scope) =>
        refuse(scheme, {
          status: 403,
          message: 'The access token does not cover this request',
          error: 'insufficient_scope',
          scope,
        }),
      stepUp: ({ acrValues = [], maxAgeSeconds }, scope) =>
        refuse(scheme, {
          status: 401,
          message: 'A more recent or a stronger sign-in is required',
          error: 'insufficient_user_authentication',
          scope,
          more: {
            ...(acrValues.length > 0 && { acr_values: acrValues.join(' ') }),
            ...(maxAgeSeconds !== undefined && { max_age: String(maxAgeSeconds) }),
          },
        }),
      unavailable: (cause) =>
        later('Access tokens cannot be checked at the moment: the authorization server does not answer', cause),
    }
  }

  return {
    ...ofTokens('Bearer'),
    missing: (scope) => refuse('Bearer', { status: 401, message: 'An access token is required', scope }),
    malformed: (message) => refuse('Bearer', { status: 400, message, error: 'invalid_request' }),
    proven: {
      ...ofTokens('DPoP'),
      proof: (message, scope, cause) =>
        refuse('DPoP', { status: 401, message, error: 'invalid_dpop_proof', scope, cause }),
      nonce: (nonce, scope) =>
        refuse('DPoP', {
          status: 401,
          message: 'The DPoP proof must hold the nonce of this answer',
          error: 'use_dpop_nonce',
          scope,
          headers: { 'dpop-nonce': nonce },
        }),
      uncheckable: (cause) => later('Proofs of possession cannot be checked at the moment', cause),
    },
  }
}

function later(message: string, cause: unknown): TokenError {
  return new TokenError(message, { status: 503, headers: { 'retry-after': RETRY_AFTER_SECONDS }, cause })
}

function formatChallenge(scheme: Scheme, parameters: Record<string, string>): string {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`)
  return `${scheme} ${pairs.join(', ')}`
}

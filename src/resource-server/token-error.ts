/**
 * Refusals in the language of RFC 6750 §3: which status, which error code, which challenge. Descriptions are constant
 * texts; nothing out of a request is ever written into a header.
 */
export type TokenErrorCode = 'invalid_request' | 'invalid_token' | 'insufficient_scope'

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
export interface Refusals {
  /** No credentials at all: a challenge without an error code (RFC 6750 §3.1, last paragraph). */
  missing(scope?: string): TokenError
  /** The request itself is malformed: 400 `invalid_request`. */
  malformed(description: string): TokenError
  /** The token doesn't count: 401 `invalid_token`. */
  invalid(description: string, scope?: string, cause?: unknown): TokenError
  /** A good token that may do less: 403 `insufficient_scope`, naming everything that is needed. */
  insufficient(scope: string): TokenError
  /** The issuer's keys have never been seen or are too old to trust: 503, not the caller's fault. */
  unavailable(cause: unknown): TokenError
}

const RETRY_AFTER_SECONDS = '5'

/** @param metadataUrl RFC 9728 metadata of the API, named in every challenge (§5.1) so that a client can find the issuer */
export function createRefusals({ realm, metadataUrl }: { realm: string; metadataUrl?: string | undefined }): Refusals {
  // RFC 6750 §3: at least one parameter must follow the scheme.
  const about: Record<string, string> = metadataUrl ? { resource_metadata: metadataUrl } : { realm }

  function refuse(status: 400 | 401 | 403, message: string, error?: TokenErrorCode, scope?: string, cause?: unknown) {
    const challenge = formatChallenge({
      ...about,
      ...(error && { error, error_description: message }),
      ...(scope && { scope }),
    })
    const headers = { 'www-authenticate': challenge }
    return new TokenError(message, { status, ...(error && { error }), challenge, headers, cause })
  }

  return {
    missing: (scope) => refuse(401, 'An access token is required', undefined, scope),
    malformed: (description) => refuse(400, description, 'invalid_request'),
    invalid: (description, scope, cause) => refuse(401, description, 'invalid_token', scope, cause),
    insufficient: (scope) => refuse(403, 'The access token does not cover this request', 'insufficient_scope', scope),
    unavailable: (cause) =>
      new TokenError('Access tokens cannot be checked at the moment: the authorization server does not answer', {
        status: 503,
        headers: { 'retry-after': RETRY_AFTER_SECONDS },
        cause,
      }),
  }
}

function formatChallenge(parameters: Record<string, string>): string {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`)
  return `Bearer ${pairs.join(', ')}`
}

/** What the issuer says of a token when asked, held to the rules of a JWT: issuer, audience, times, kind. */
import { errors, type JWTPayload } from 'jose'
import { isTrustworthyUrl } from './discovery.ts'
import { digestOf } from './digest.ts'
import { createAnswers, type ActiveAnswer } from './introspection-answers.ts'
import { assertPlausible, Implausible } from './plausible.ts'

export interface IntrospectionOptions {
  /** A client that the resource names in `introspection_clients`: to any other each token is inactive. */
  clientId: string
  /** Sent as `client_secret_basic`. */
  clientSecret: string
  /** HTTPS, or HTTP on the machine itself; else found by RFC 8414. */
  endpoint?: string
  /** For how long a token that was good counts without asking anew, which is how long a revoked one may pass: 0 to 60, default 10. */
  cacheSeconds?: number
  /** How many answers are kept of good tokens, and as many of bad ones; the oldest go first. Default 10 000. */
  mostEntries?: number
  /** The longest that one question may take, with its time in the queue, in milliseconds: 1 to 60 000, default 3000. */
  timeoutMs?: number
  /** Asks about JWTs as well, when their signature is good: revoked ones end as soon as others. Default false. */
  always?: boolean
  fetch?: typeof globalThis.fetch
}

export interface IntrospectionContext {
  issuer: string
  audience: string
  clockToleranceSeconds: number
  fetch: typeof globalThis.fetch
  /** Milliseconds since the epoch. */
  now: () => number
}

export interface Introspection {
  readonly always: boolean
  /**
   * The claims of an access token for this API.
   * @throws InactiveTokenError, Implausible or an error of `jose` for one that doesn't count
   * @throws IntrospectionUnavailableError when nobody can tell
   */
  claimsOf(token: string): Promise<JWTPayload>
  /** Finds the endpoint unless it is known. @throws Error */
  prepare(): Promise<void>
}

export class InactiveTokenError extends Error {}

/** RFC 6750 §2.1. Nothing else is a token, so nobody need be asked. */
const TOKEN68 = /^[\w\-.~+/]+=*$/

/** @throws TypeError when an option is unusable */
export function createIntrospection(options: IntrospectionOptions, context: IntrospectionContext): Introspection {
  const { cacheSeconds = 10, mostEntries = 10_000, timeoutMs = 3_000, always = false } = options
  const limits = { cacheSeconds, mostEntries, timeoutMs }
  assertUsable({ ...options, ...limits })
  const answers = createAnswers({ ...context, ...options, ...limits, fetch: options.fetch ?? context.fetch })

  return {
    always,
    async claimsOf(token) {
      if (!TOKEN68.test(token)) throw new Implausible('characters')
      const answer = await answers.about(token)
      if (!answer) throw new InactiveTokenError()
      // A copy: the answer is shared by everybody who sends this token.
      const claims: JWTPayload = structuredClone({ jti: digestOf(token), ...answer })
      assertMeantForUs(claims, context)
      assertAccessToken(claims)
      return claims
    },
    prepare: () => answers.prepare(),
  }
}

/** As `jose` has it for JWTs; RFC 7662 §4 leaves it to us to check that a token is meant for this API. */
function assertMeantForUs(claims: JWTPayload, context: IntrospectionContext): void {
  const { issuer, audience, clockToleranceSeconds: tolerance, now } = context
  const { iss, aud, exp, iat, nbf = 0 } = claims
  const seconds = now() / 1000
  if (iss !== issuer) throw wrong(claims, 'iss')
  if (![aud].flat().includes(audience)) throw wrong(claims, 'aud')
  if (!Number.isFinite(exp)) throw wrong(claims, 'exp')
  if (!Number.isFinite(iat)) throw wrong(claims, 'iat')
  if (!(nbf <= seconds + tolerance)) throw wrong(claims, 'nbf')
  if (Number(exp) <= seconds - tolerance) throw new errors.JWTExpired('expired', claims, 'exp', 'check_failed')
  assertPlausible(claims, seconds + tolerance)
}

/** A refresh token is told without a type. One of DPoP without its key would pass for a bearer's. */
function assertAccessToken(claims: ActiveAnswer): void {
  const { token_type: type, cnf } = claims
  const kind = typeof type === 'string' ? type.toLowerCase() : undefined
  if (kind !== 'bearer' && kind !== 'dpop') throw wrong(claims, 'typ')
  if (kind === 'dpop' && (typeof cnf !== 'object' || cnf === null)) throw wrong(claims, 'cnf')
}

function wrong(claims: JWTPayload, claim: string): Error {
  return new errors.JWTClaimValidationFailed(`unexpected "${claim}"`, claims, claim, 'check_failed')
}

function assertUsable(options: IntrospectionOptions): void {
  const { clientId, clientSecret, endpoint, cacheSeconds = 0, mostEntries = 1, timeoutMs = 1 } = options
  if (!clientId || !clientSecret) throw new TypeError('introspection needs clientId and clientSecret')
  // RFC 7662 §4: the question holds a token and a secret.
  if (endpoint !== undefined && !isTrustworthyUrl(endpoint)) {
    throw new TypeError('introspection.endpoint must be an https URL (http only on the machine itself)')
  }
  if (!(cacheSeconds >= 0 && cacheSeconds <= 60)) throw new TypeError('introspection.cacheSeconds must be 0 to 60')
  if (!Number.isInteger(mostEntries) || mostEntries < 1)
    throw new TypeError('introspection.mostEntries must be 1 or more')
  if (!(timeoutMs >= 1 && timeoutMs <= 60_000)) throw new TypeError('introspection.timeoutMs must be 1 to 60000')
}

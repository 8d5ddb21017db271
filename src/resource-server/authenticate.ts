/** Takes the access token out of a request: the `Authorization` header and nothing else. */
import type { Refusals } from './token-error.ts'
import type { TokenVerifier, VerifiedToken, VerifyOptions } from './verifier.ts'

/**
 * Headers as Node (`rawHeaders`, `headersDistinct`, `headers`) or the Fetch API give them. Prefer `rawHeaders`: Node's
 * `headers` has already dropped a second `Authorization`.
 */
export type RequestHeaders =
  Headers | readonly string[] | Readonly<Record<string, string | readonly string[] | undefined>>

/** RFC 6750 §2.1. */
const TOKEN68 = /^[\w\-.~+/]+=*$/

/**
 * The verified token of a request. A token in the query or in a form body doesn't count as credentials: the one leaks
 * (RFC 9700 §4.3.2), the other isn't supported.
 * @throws TokenError 400 for malformed credentials, 401 for none or bad ones, 403 and 503 as `verify` says
 */
export async function authenticate(
  headers: RequestHeaders,
  verifier: TokenVerifier,
  options: VerifyOptions = {},
): Promise<VerifiedToken> {
  const token = bearerToken(authorizationValues(headers), verifier.refusals)
  if (token !== undefined) return verifier.verify(token, options)
  const { scope = [] } = options
  throw verifier.refusals.missing(typeof scope === 'string' ? scope : scope.join(' '))
}

function bearerToken(values: readonly string[], refusals: Refusals): string | undefined {
  if (values.length > 1) throw refusals.malformed('More than one Authorization header')
  const [scheme = '', ...rest] = (values[0] ?? '').trim().split(/ +/)
  if (scheme.toLowerCase() !== 'bearer') return undefined
  const [token = '', ...more] = rest
  if (more.length > 0 || !TOKEN68.test(token)) throw refusals.malformed('The Authorization header is malformed')
  return token
}

function authorizationValues(headers: RequestHeaders): string[] {
  if (headers instanceof Headers) return present(headers.get('authorization'))
  if (isRaw(headers)) return headers.filter((_, index) => index % 2 === 1 && isAuthorization(headers[index - 1]))
  return Object.entries(headers).flatMap(([name, value]) => (isAuthorization(name) ? present(value) : []))
}

function isRaw(headers: RequestHeaders): headers is readonly string[] {
  return Array.isArray(headers)
}

function isAuthorization(name: string | undefined): boolean {
  return name?.toLowerCase() === 'authorization'
}

function present(value: string | readonly string[] | null | undefined): string[] {
  if (value === null || value === undefined) return []
  return typeof value === 'string' ? [value] : [...value]
}

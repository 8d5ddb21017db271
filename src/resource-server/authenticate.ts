/** Takes the access token out of a request: the `Authorization` header and nothing else. */
import type { ProvenRequest } from './dpop.ts'
import type { Refusals } from './token-error.ts'
import type { VerifyOptions } from './needs.ts'
import type { VerifiedToken } from './verified-token.ts'
import type { TokenVerifier } from './verifier.ts'

/**
 * Headers as Node (`rawHeaders`, `headersDistinct`, `headers`) or the Fetch API give them. Prefer `rawHeaders`: Node's
 * `headers` has already dropped a second `Authorization`.
 */
export type RequestHeaders =
  Headers | readonly string[] | Readonly<Record<string, string | readonly string[] | undefined>>

export interface AuthenticateOptions extends VerifyOptions {
  /** Of the request; needed by a verifier that takes proofs of possession. */
  method?: string | undefined
  /** Path and query of the request, as they came (`request.url` of Node); needed for the same. */
  target?: string | undefined
}

interface Credentials {
  scheme: 'bearer' | 'dpop'
  token: string
}

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
  options: AuthenticateOptions = {},
): Promise<VerifiedToken> {
  const { method, target, ...needs } = options
  const found = credentials(valuesOf(headers, 'authorization'), verifier)
  if (found?.scheme === 'bearer') return verifier.verify(found.token, needs)
  if (found?.scheme === 'dpop') {
    const proofs = valuesOf(headers, 'dpop')
    return verifier.verifyProven(found.token, { proofs, ...requestLine(method, target) }, needs)
  }
  const { scope = [] } = options
  throw verifier.refusals.missing(typeof scope === 'string' ? scope : scope.join(' '))
}

/** @throws TypeError when the API left them out: a mistake in its own code */
function requestLine(method: string | undefined, target: string | undefined): Omit<ProvenRequest, 'proofs'> {
  if (method === undefined || target === undefined) throw new TypeError('a proof is checked against method and target')
  return { method, target }
}

/** Of a scheme that this API takes; any other is as good as none. */
function credentials(
  values: readonly string[],
  { refusals, dpop }: { refusals: Refusals; dpop: unknown },
): Credentials | undefined {
  if (values.length > 1) throw refusals.malformed('More than one Authorization header')
  const [name = '', ...rest] = (values[0] ?? '').trim().split(/ +/)
  const scheme = name.toLowerCase()
  if (scheme !== 'bearer' && (scheme !== 'dpop' || !dpop)) return undefined
  const [token = '', ...more] = rest
  if (more.length > 0 || !TOKEN68.test(token)) throw refusals.malformed('The Authorization header is malformed')
  return { scheme, token }
}

function valuesOf(headers: RequestHeaders, wanted: string): string[] {
  const is = (name: string | undefined) => name?.length === wanted.length && name.toLowerCase() === wanted
  if (isRaw(headers)) return headers.filter((_, index) => index % 2 === 1 && is(headers[index - 1]))
  if (headers instanceof Headers) return present(headers.get(wanted))
  return Object.entries(headers).flatMap(([name, value]) => (is(name) ? present(value) : []))
}

function isRaw(headers: RequestHeaders): headers is readonly string[] {
  return Array.isArray(headers)
}

function present(value: string | readonly string[] | null | undefined): string[] {
  if (value === null || value === undefined) return []
  return typeof value === 'string' ? [value] : [...value]
}

/** Where the issuer gives tokens, by its metadata (RFC 8414). */
import { perform, type Transport } from './call.ts'
import { CredentialsError } from './errors.ts'

/**
 * @throws CredentialsError when the metadata belongs to another issuer or names no usable token endpoint; and whatever a
 * call may end with
 */
export async function discoverTokenEndpoint(transport: Transport, issuer: string, deadlineMs: number): Promise<URL> {
  const url = metadataUrl(issuer)
  const headers = { accept: 'application/json' }
  const { text } = await perform(transport, { method: 'GET', url, headers, keyed: false, deadlineMs })
  const { issuer: named, token_endpoint: endpoint } = parse(text)
  // RFC 8414 §3.3: another issuer's document could send our secret to another's endpoint.
  if (named !== issuer) throw new CredentialsError(`${url.href} names another issuer`)
  if (typeof endpoint !== 'string' || !isTrustworthy(endpoint)) {
    throw new CredentialsError(`${url.href} names no usable token_endpoint`)
  }
  return new URL(endpoint)
}

/** By path insertion (RFC 8414 §3.1). */
function metadataUrl(issuer: string): URL {
  const { origin, pathname } = new URL(issuer)
  return new URL(`${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`)
}

function parse(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** HTTPS, or plain HTTP to the machine itself: credentials don't cross an open network. */
export function isTrustworthy(value: string): boolean {
  const url = URL.parse(value)
  if (!url || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))
}

const LOOPBACK = /^(?:localhost|(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

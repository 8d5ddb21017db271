/** Finds what the issuer offers by its metadata (RFC 8414). */
import { fetchJson } from './fetch-json.ts'

/**
 * Where the metadata of an issuer stands, by path insertion (RFC 8414 §3.1): `https://id.example.com/tenant` →
 * `https://id.example.com/.well-known/oauth-authorization-server/tenant`.
 */
export function metadataUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer)
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`
}

/** @throws Error when the metadata can't be had, belongs to another issuer or names no usable URL by this name */
export async function discoverUrl(
  fetch: typeof globalThis.fetch,
  issuer: string,
  name: 'jwks_uri' | 'introspection_endpoint',
): Promise<string> {
  const url = metadataUrl(issuer)
  const { body } = await fetchJson(fetch, url)
  const { issuer: named, [name]: found } = (body ?? {}) as Record<string, unknown>
  // RFC 8414 §3.3: identical, or the document must not be used; otherwise one issuer could speak for another.
  if (named !== issuer) throw new Error(`${url} names another issuer`)
  if (typeof found !== 'string' || !isTrustworthyUrl(found)) throw new Error(`${url} names no usable ${name}`)
  return found
}

/** HTTPS, or plain HTTP to the machine itself: what came over an open network could be anyone's. */
export function isTrustworthyUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, hostname } = new URL(value)
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname))
}

const LOOPBACK = /^(?:localhost|(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

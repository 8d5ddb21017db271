/**
 * Where a browser may be sent with a code in its hand. Redirect URIs are compared character by character (RFC 9700 §4.1.3),
 * so each is stored in the one spelling that every URL parser agrees on: then what was registered, what a person is shown
 * and where the browser goes can't differ. Loopback URIs of native apps match with any port (RFC 8252 §7.3); that is for
 * the protocol, here every URI is text.
 */
import type { ClientKind } from './client.ts'

const LONGEST = 2000
/** RFC 3986 §2: what a URI is written with. Space, control characters, backslash, quotes and non-ASCII are not in it. */
const URI_TEXT = /^(?:[\w\-.~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/
const SCHEME = /^[a-z][a-z0-9+.-]*:/i
/** RFC 8252 §7.1: a domain name of the app's maker, turned round. */
const REVERSE_DNS = /^[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+:$/
const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]']
/** %00–%1F, %7F, an encoded slash or backslash: harmless to us, and read in two ways by what stands in between. */
const TREACHEROUS_ESCAPE = /%(?:[01][0-9a-f]|7f|2f|5c)/i

/**
 * What is wrong with a redirect URI for a client of this kind, as the end of a sentence that begins with the URI;
 * undefined when it may be registered. Rules: RFC 6749 §3.1.2 (absolute, no fragment), RFC 9700 §2.1 and §4.1 (exact, no
 * wildcard), RFC 8252 §7 (https, http on loopback only, reverse-DNS schemes for native apps).
 */
export function redirectUriProblem(uri: string, kind: ClientKind): string | undefined {
  if (kind === 'service') return 'is of no use: a service client sends nobody to a browser'
  return (
    textProblem(uri) ?? schemeProblem(uri, kind) ?? authorityProblem(uri) ?? pathProblem(uri) ?? spellingProblem(uri)
  )
}

/** The same for where the browser goes after logout (RP-Initiated Logout 1.0 §3.1 asks no less). */
export function postLogoutRedirectUriProblem(uri: string, kind: ClientKind): string | undefined {
  return redirectUriProblem(uri, kind)
}

/** What is wrong with a browser origin that may call us from script; undefined when nothing is. Never `*`, never `null`. */
export function originProblem(origin: string): string | undefined {
  const url = URL.parse(origin)
  if (origin === '*' || origin === 'null' || !url || !['https:', 'http:'].includes(url.protocol)) {
    return 'is not an origin such as https://app.example.com'
  }
  if (url.protocol === 'http:' && !LOOPBACK_HOSTS.includes(url.hostname))
    return 'must be https unless it is on loopback'
  if (origin.includes('*')) return 'must not contain a wildcard: list each origin'
  return url.origin === origin ? undefined : `must be spelled as browsers send it: ${url.origin}`
}

/** Whether the URI leads to the machine that the browser runs on, where any program may be listening (RFC 8252 §8.6). */
export function isLoopbackRedirect(uri: string): boolean {
  const url = URL.parse(uri)
  return url !== null && ['https:', 'http:'].includes(url.protocol) && LOOPBACK_HOSTS.includes(url.hostname)
}

/** Whether the URI opens an app by its scheme, which any installed app may have claimed (RFC 8252 §8.6). */
export function isCustomSchemeRedirect(uri: string): boolean {
  const url = URL.parse(uri)
  return url !== null && !['https:', 'http:'].includes(url.protocol)
}

/**
 * What a person is shown of where they will be sent: host and port, or the scheme when it opens an app. International
 * names stay in their xn-- form, so that a look-alike letter can't pass for another.
 */
export function redirectHost(uri: string): string {
  const url = URL.parse(uri)
  if (!url) return uri
  return isCustomSchemeRedirect(uri) ? url.protocol.slice(0, -1) : url.host
}

function textProblem(uri: string): string | undefined {
  if (uri.length > LONGEST) return `is longer than ${LONGEST} characters`
  if (!SCHEME.test(uri)) return 'is not an absolute URI such as https://app.example.com/callback'
  if (uri.includes('#')) return 'must not have a fragment (RFC 6749 §3.1.2)'
  if (uri.includes('*')) return 'must not contain a wildcard: list each URI (RFC 9700 §4.1)'
  if (!URI_TEXT.test(uri)) return `contains a character that URIs don't have${correction(uri)}`
  if (!URL.parse(uri)) return 'is not a valid URI'
  return undefined
}

function schemeProblem(uri: string, kind: ClientKind): string | undefined {
  const { protocol, hostname } = new URL(uri)
  const loopback = LOOPBACK_HOSTS.includes(hostname)
  if (protocol === 'https:') {
    // RFC 8252 §7.2: an https URI of a native app is one that the app's maker has claimed, which nobody can on loopback.
    return kind === 'native' && loopback ? 'must be http on loopback for a native app' : undefined
  }
  if (protocol === 'http:') return loopback ? undefined : 'must be https; http is for loopback addresses only'
  if (kind !== 'native') return 'must be https; only native apps may have a scheme of their own'
  if (!REVERSE_DNS.test(protocol))
    return 'must have a scheme in reverse-DNS form such as com.example.app (RFC 8252 §7.1)'
  const scheme = protocol.slice(0, -1)
  return /^[^:]+:\//.test(uri) ? undefined : `must have a path, as in ${scheme}:/callback`
}

function authorityProblem(uri: string): string | undefined {
  const authority = /^[^:]+:\/\/([^/?]*)/.exec(uri)?.[1]
  if (authority === undefined) return undefined
  if (authority.includes('@')) return 'must not contain a user name or password'
  if (/\.(?::|$)/.test(authority)) return 'must not have a host that ends in a dot'
  return undefined
}

function pathProblem(uri: string): string | undefined {
  const path = /^[^:]+:(?:\/\/[^/?]*)?([^?]*)/.exec(uri)?.[1] ?? ''
  const segments = path.split('/').map((segment) => segment.replaceAll(/%2e/gi, '.'))
  if (segments.some((segment) => segment === '.' || segment === '..')) return 'must not contain . or .. in its path'
  if (TREACHEROUS_ESCAPE.test(path)) return 'must not contain an escaped slash, backslash or control character'
  return undefined
}

function spellingProblem(uri: string): string | undefined {
  const url = new URL(uri)
  const bareOrigin = url.pathname === '/' && uri === `${url.origin}${url.search}`
  return url.href === uri || bareOrigin ? undefined : `must be spelled ${url.href}`
}

function correction(uri: string): string {
  const url = URL.parse(uri)
  return url && url.href !== uri ? `; spell it ${url.href}` : ''
}

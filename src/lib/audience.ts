const LONGEST = 2000
const URI_TEXT = /^[a-z][a-z0-9+.-]*:(?:[\w\-.~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/i

/**
 * The one normal form of a resource indicator (RFC 8707 §2: an absolute URI without a fragment): scheme and host in lower
 * case, no default port, no dot segments, and no lone slash behind the host, so that `https://API.example.com:443/` and
 * `https://api.example.com` are the same audience. Paths are compared as they stand.
 * @returns undefined for what is no audience
 */
export function normalAudience(text: string): string | undefined {
  if (text.length > LONGEST || text.includes('#') || !URI_TEXT.test(text)) return undefined
  const url = URL.parse(text)
  if (!url || url.username !== '' || url.password !== '') return undefined
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:'
  if (!isWeb) return url.href
  return url.pathname === '/' && url.search === '' ? url.origin : url.href
}

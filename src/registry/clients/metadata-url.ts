/**
 * A client_id that is a URL: where the client's own metadata document stands (draft-ietf-oauth-client-id-metadata-document
 * §3). Clients know themselves by the URL and so do their tokens; everything in the database hangs on an id of the usual
 * form that follows from it.
 */
import { idFor } from '../../lib/ids.ts'

const LONGEST = 500
/** RFC 3986 §2 without `#` and `?`; anything else would be read differently by different parsers. */
const URL_TEXT = /^(?:[\w\-.~:/[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/
const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]']

/** Whether a client_id claims to be the URL of a document. Ids that are made here never begin so. */
export function isMetadataUrl(clientId: string): boolean {
  return /^https?:/i.test(clientId)
}

/** The id by which the database knows a client, whatever the client calls itself. */
export function registryId(clientId: string): string {
  return isMetadataUrl(clientId) ? idFor('cli', clientId) : clientId
}

/**
 * What is wrong with such a URL, as words that follow "the client_id"; undefined when it may be asked. Compared character by
 * character later, so each URL has one spelling.
 * @param allowLoopback development: documents on this machine, by plain http if need be
 */
export function metadataUrlProblem(text: string, { allowLoopback }: { allowLoopback: boolean }): string | undefined {
  if (text.length > LONGEST) return `is a URL of more than ${LONGEST} characters`
  if (text.includes('#')) return 'must not have a fragment'
  if (text.includes('?')) return 'must not have a query'
  const url = URL_TEXT.test(text) ? URL.parse(text) : null
  if (!url) return 'is not a URL'
  if (url.protocol !== 'https:' && !(allowLoopback && LOOPBACK_HOSTS.includes(url.hostname))) {
    return 'must begin with https://'
  }
  if (text.includes('@')) return 'must not carry credentials'
  if (url.pathname === '/') return 'must have a path, as in https://app.example.com/client.json'
  const segments = text.split('/').map((segment) => segment.replaceAll(/%2e/gi, '.'))
  if (segments.some((segment) => segment === '.' || segment === '..')) return 'must not have . or .. in its path'
  if (url.href !== text) return 'is not spelled as URLs are'
  return undefined
}

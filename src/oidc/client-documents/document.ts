/**
 * What a client says of itself in its metadata document, and what of it counts (draft-ietf-oauth-client-id-metadata-document
 * §4). Whoever can put a file on a web server wrote it, so it decides little: a name, where the browser goes back to, and
 * that is all. Grants, scopes and the way of authentication follow from what it is.
 */
import { z } from 'zod'
import type { StrangerAnswer } from '../../outbound/stranger.ts'
import type { DocumentClient } from '../../registry/clients/from-document.ts'

/** §6.6 recommends no more than 5 kilobytes. */
export const LARGEST_DOCUMENT = 5 * 1024

/** Why a document does not count, as words that follow "the client metadata document". */
export class DocumentError extends Error {
  override readonly name = 'DocumentError'
  /** Whether its host could not be asked, so that what it said before still counts. */
  readonly isUnreachable: boolean

  constructor(message: string, { isUnreachable = false, cause }: { isUnreachable?: boolean; cause?: unknown } = {}) {
    super(message, { cause })
    this.isUnreachable = isUnreachable
  }
}

const text = (name: string) => z.string(`must have ${name}, a text`).min(1, `must have ${name}`)

const shape = z.looseObject({
  client_id: text('client_id'),
  client_name: text('client_name'),
  redirect_uris: z.array(z.string(), 'must have redirect_uris, a list of URIs').min(1, 'must have redirect_uris'),
  token_endpoint_auth_method: z.literal('none', 'must have the token_endpoint_auth_method none').optional(),
  grant_types: z.array(z.string(), 'must have a list as grant_types').optional(),
  response_types: z.array(z.string(), 'must have a list as response_types').optional(),
  application_type: z.enum(['native', 'web'], 'must have native or web as application_type').optional(),
})

/**
 * The client that a fetched document describes.
 * @throws DocumentError
 */
export function readDocument(url: string, { status, headers, body, isCut }: StrangerAnswer): DocumentClient {
  checkStatus(status)
  const [type = ''] = String(headers['content-type'] ?? '').split(';')
  // What people upload to a web site is mostly served as something else, so that it can't speak for the site.
  if (!/^application\/(?:[\w.-]+\+)?json$/i.test(type.trim())) throw new DocumentError('is not served as JSON')
  if (isCut) throw new DocumentError(`is larger than ${LARGEST_DOCUMENT} bytes`)
  const result = shape.safeParse(parse(body))
  if (!result.success) throw new DocumentError(result.error.issues[0]?.message ?? 'is not as it must be')
  const document = result.data
  // §4.1: by simple string comparison. Else any site could lend its name to another's document.
  if (document.client_id !== url) throw new DocumentError('names another client_id than its own URL')
  // §4.1: anybody can read the document, so nothing in it is a secret.
  if ('client_secret' in document || 'client_secret_expires_at' in document) {
    throw new DocumentError('must not hold a client secret')
  }
  checkGrants(document.grant_types ?? ['authorization_code'])
  return { url, name: document.client_name, redirectUris: usable(document.redirect_uris) }
}

/** The code flow and refreshing is what it gets, whatever it lists; but what can only be meant for somebody else is refused. */
function checkGrants(grantTypes: readonly string[]): void {
  if (grantTypes.includes('client_credentials')) {
    throw new DocumentError('must not ask for client_credentials: nobody vouches for it')
  }
  if (!grantTypes.includes('authorization_code')) {
    throw new DocumentError('must have authorization_code among its grant_types')
  }
}

/** §4: 200 alone. A redirect is not followed: it would let an open redirector speak for its site. */
function checkStatus(status: number): void {
  if (status === 200) return
  if (status >= 300 && status < 400) throw new DocumentError('redirects, which is not followed')
  const isUnreachable = status >= 500 || status === 429 || status === 408
  throw new DocumentError(`was answered with status ${status}`, { isUnreachable })
}

function parse(body: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (cause) {
    throw new DocumentError('is not JSON', { cause })
  }
  throw new DocumentError('is not a JSON object')
}

/** Apps list beside the others a scheme of their own, which no self-registered client may use: a request for it is refused. */
function usable(redirectUris: readonly string[]): string[] {
  const web = redirectUris.filter((uri) => /^https?:/i.test(uri))
  if (web.length === 0) throw new DocumentError('must have a redirect URI at https, or at http on loopback')
  return web
}

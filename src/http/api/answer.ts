/** From what a handler returned to what is sent: representation, entity tag, links, caching. */
import type { Cursors } from './cursor.ts'
import { CSV_CONTENT_TYPE, toCsv } from './csv.ts'
import type { Endpoint } from './endpoint.ts'
import { strongTag, versionTag, weakTag } from './etag.ts'
import { pick } from './fields.ts'
import type { StoredAnswer } from './idempotency.ts'
import { describePage, type Page } from './lists.ts'
import { CSV_TYPE } from './negotiation.ts'
import type { Answer, Found } from './operation.ts'
import type { CheckedRequest } from './request.ts'

export interface Rendering {
  endpoint: Endpoint
  request: CheckedRequest
  mediaType: string | undefined
  cursors: Cursors | undefined
  /** The absolute URL of a path of this API and version. */
  urlOf: (path: string) => string
  /** Below the version, as it came. */
  path: string
  /** Whether the path named the version. */
  inPath: boolean
}

/** What depends on who asks is kept, if at all, by the asking client alone, and asked about each time (RFC 9111 §5.2). */
const CACHE = 'private, no-cache'

/** @throws Error when the handler's answer is not what the operation declares */
export function renderAnswer(rendering: Rendering, answer: Answer): StoredAnswer {
  const { endpoint, mediaType } = rendering
  const status = statusOf(endpoint, answer)
  const page = answer.list && pageOf(rendering, answer.list)
  const body = contentOf(rendering, answer, page)
  const headers: Record<string, string> = {
    'cache-control': answer.secrets ? 'no-store' : CACHE,
    ...(body !== null && mediaType && { 'content-type': contentType(mediaType) }),
    ...(answer.location && { location: rendering.urlOf(answer.location) }),
    ...(page && { link: Object.entries(page.links).map(([rel, url]) => `<${url}>; rel="${rel}"`).join(', ') }), // prettier-ignore
    ...contentLocation(rendering, answer, body),
    ...tagOf(rendering, answer, body),
    ...answer.headers,
  }
  return { status, headers, body }
}

export function statusOf({ operation, status }: Endpoint, answer: Answer): number {
  const told = answer.status ?? status
  if (told === undefined) throw new Error(`${operation.id} must say which status it answers with`)
  return told
}

function pageOf({ request, cursors, path, urlOf }: Rendering, found: Found): Page {
  if (!request.list || !cursors) throw new Error('a list came from an operation that declares none')
  return describePage(request.list, found, cursors, (change) => urlOf(path + queryText(request.values, change)))
}

function queryText(values: ReadonlyMap<string, string>, change: Record<string, string | undefined> = {}): string {
  const changed = [...new Map<string, string | undefined>([...values, ...Object.entries(change)])]
  const text = new URLSearchParams(changed.filter((pair): pair is [string, string] => pair[1] !== undefined)).toString()
  return text === '' ? '' : `?${text}`
}

function contentOf({ endpoint, request, mediaType }: Rendering, answer: Answer, page: Page | undefined): string | null {
  const { fields } = request
  if (answer.list) {
    const items = answer.list.items.map((item) => pick(item, fields))
    if (mediaType === CSV_TYPE) return toCsv(columnsOf(endpoint, fields), items)
    return JSON.stringify({ data: items, ...page })
  }
  return answer.body ? JSON.stringify(pick(answer.body, fields)) : null
}

function columnsOf({ operation }: Endpoint, fields: ReadonlySet<string> | undefined): string[] {
  return (operation.list?.csv ?? []).filter((column) => !fields || fields.has(column))
}

/** RFC 8259 knows no charset; some clients guess without one. */
function contentType(mediaType: string): string {
  if (mediaType === CSV_TYPE) return CSV_CONTENT_TYPE
  return /^text\/|[/+]json$/.test(mediaType) ? `${mediaType}; charset=utf-8` : mediaType
}

/** Which resource the content is a representation of, where the request's URL does not say (RFC 9110 §8.7). */
function contentLocation({ endpoint, request, inPath, path, urlOf }: Rendering, answer: Answer, body: string | null) {
  const { method } = endpoint.operation
  if (body === null) return {}
  if (method === 'GET') return inPath ? {} : { 'content-location': urlOf(path + queryText(request.values)) }
  if (answer.version === undefined) return {}
  if (answer.location) return { 'content-location': urlOf(answer.location) }
  return method === 'POST' ? {} : { 'content-location': urlOf(path) }
}

function tagOf({ endpoint, mediaType }: Rendering, answer: Answer, body: string | null) {
  const { version, secrets = [] } = answer
  if (version !== undefined) {
    if (body === null) return { etag: versionTag(version) }
    // Of what will be read from now on: a secret is shown once, and no tag is made of it.
    const bytes = secrets.length === 0 ? body : JSON.stringify(leaveOut(body, secrets))
    return { etag: strongTag(version, { mediaType, version: endpoint.version, bytes }) }
  }
  return endpoint.operation.method === 'GET' && body !== null && !answer.secrets ? { etag: weakTag(body) } : {}
}

function leaveOut(body: string, secrets: readonly string[]): Record<string, unknown> {
  const all = JSON.parse(body) as Record<string, unknown>
  return Object.fromEntries(Object.entries(all).filter(([name]) => !secrets.includes(name)))
}

/** The answer as it is kept for repetitions: without what is shown once, which it then says. */
export function withoutSecrets(stored: StoredAnswer, secrets: readonly string[]): StoredAnswer {
  if (secrets.length === 0 || stored.body === null) return stored
  return { ...stored, body: JSON.stringify({ ...leaveOut(stored.body, secrets), secrets_omitted: true }) }
}

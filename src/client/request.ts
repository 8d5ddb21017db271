/** Builds requests to the API and reads its answers: paths, queries, bodies, conditions. */
import { perform, type Transport } from './call.ts'
import type { BearerSource } from './credentials.ts'
import { UnexpectedAnswerError, type Received } from './errors.ts'
import type { Answer, CallOptions, ChangeOptions, CreateOptions, Query, ReadOptions } from './operation.ts'

/** A request that is no operation of the typed client. */
export interface PlainRequest extends CallOptions {
  method: string
  /** Relative to the base: `/users`. */
  path: string
  body?: unknown
  /** `application/json`, or for PATCH `application/merge-patch+json`, unless given. */
  mediaType?: string
  idempotencyKey?: string | false
  ifMatch?: string | undefined
  known?: Answer<unknown>
}

export interface Endpoint {
  transport: Transport
  /** Without a slash at its end. */
  base: string
  bearer: BearerSource | undefined
  deadlineMs: number
  newKey: () => string
}

export type AnyOptions = CallOptions & Partial<CreateOptions> & Partial<ChangeOptions> & ReadOptions<unknown>

/** @throws as `perform`, and TypeError for a request that can't be built */
export async function request(endpoint: Endpoint, given: PlainRequest): Promise<Answer<unknown>> {
  const { transport, bearer } = endpoint
  const key = keyOf(endpoint, given)
  const received = await perform(transport, {
    method: given.method,
    url: urlOf(endpoint.base, given.path, given.query),
    headers: headersOf(given, key),
    body: given.body === undefined ? undefined : JSON.stringify(given.body),
    keyed: key !== undefined,
    bearer,
    deadlineMs: given.deadlineMs ?? endpoint.deadlineMs,
    signal: given.signal,
  })
  return readAnswer(received, given.known)
}

/** Puts values into a path template, each as one segment. @throws TypeError for one that would change the path */
export function fillPath(template: string, values: readonly unknown[]): string {
  let index = 0
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[index++]
    // A URL resolves dot segments, however they are written: `readUser('..')` would ask for another thing.
    if (typeof value !== 'string' || value === '' || value === '.' || value === '..') {
      throw new TypeError(`${name} must be an id, not ${JSON.stringify(value)}`)
    }
    return encodeURIComponent(value)
  })
}

function urlOf(base: string, path: string, query: Query = {}): URL {
  const url = new URL(base + path)
  // `request({ path: '@evil.example/' })` must not take the credentials elsewhere.
  if (!path.startsWith('/') || !url.href.startsWith(`${base}/`)) throw new TypeError('the path must begin with /')
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, textOf(value))
  }
  return url
}

function textOf(value: NonNullable<Query[string]>): string {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' ? value.join(',') : String(value)
}

/** One key for all tries of a call. */
function keyOf({ newKey }: Endpoint, { method, idempotencyKey }: PlainRequest): string | undefined {
  if (idempotencyKey === false) return undefined
  return idempotencyKey ?? (method === 'POST' ? newKey() : undefined)
}

function headersOf(given: PlainRequest, key: string | undefined): Record<string, string> {
  const mediaType = given.mediaType ?? (given.method === 'PATCH' ? 'application/merge-patch+json' : 'application/json')
  return {
    accept: 'application/json',
    ...given.headers,
    ...(given.body !== undefined && { 'content-type': mediaType }),
    ...(key !== undefined && { 'idempotency-key': `"${checkedKey(key)}"` }),
    ...(given.ifMatch !== undefined && { 'if-match': given.ifMatch }),
    ...(given.known?.etag !== undefined && { 'if-none-match': given.known.etag }),
  }
}

/** It travels as a string of RFC 9651 §3.3.3. */
function checkedKey(key: string): string {
  if (/^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/.test(key)) return key
  throw new TypeError('an idempotency key has 1 to 255 visible ASCII characters, no quotation mark and no backslash')
}

function readAnswer(received: Received, known: Answer<unknown> | undefined): Answer<unknown> {
  const { status, headers } = received
  if (status === 304) {
    if (known) return known
    throw new UnexpectedAnswerError('the server answered 304 to a request without a condition', status)
  }
  return {
    body: received.text === '' ? undefined : parse(received),
    status,
    etag: headers.get('etag') ?? undefined,
    location: headers.get('location') ?? undefined,
    replayed: headers.get('idempotent-replayed') === 'true',
    headers,
  }
}

function parse({ status, headers, text }: Received): unknown {
  const type = headers.get('content-type') ?? 'nothing that says its type'
  if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(type)) {
    throw new UnexpectedAnswerError(`the server answered ${type} where JSON was asked for`, status)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UnexpectedAnswerError('the server answered what is no JSON', status, error)
  }
}

/** A program that calls the management API of a running server. */
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import type { TestServer } from './auth-server.ts'

export interface Reply {
  status: number
  headers: Headers
  /** The ETag as `If-Match` wants it. */
  etag: string
  /** The text, where it is no JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

export interface Sending {
  body?: unknown
  headers?: Record<string, string>
}

export interface ApiCaller {
  /** Of its API key; empty for callers with another credential. */
  keyId: string
  value: string
  /** Paths begin below the version: `/clients`. */
  send(method: string, path: string, sending?: Sending): Promise<Reply>
  get(path: string, headers?: Record<string, string>): Promise<Reply>
}

/** With an API key of these scopes; of all unless given. */
export async function callerWithKey(
  server: Pick<TestServer, 'issuer' | 'db'>,
  scopes: readonly string[] = managementScopes,
): Promise<ApiCaller> {
  const { apiKey, value } = await createApiKey(server.db.knex, { name: 'Test', scopes, actor: 'test' })
  return { ...callerWith(server, value), keyId: apiKey.id }
}

/** With a credential, or with none. */
export function callerWith({ issuer }: Pick<TestServer, 'issuer'>, value: string | undefined): ApiCaller {
  async function send(method: string, path: string, { body, headers = {} }: Sending = {}): Promise<Reply> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const response = await fetch(`${issuer}/api/v1${path}`, {
      method,
      headers: {
        ...(value !== undefined && { authorization: `Bearer ${value}` }),
        ...(body !== undefined && { 'content-type': type }),
        // Compressed answers have tags of their own.
        'accept-encoding': 'identity',
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '') && text !== ''
    return {
      status: response.status,
      headers: response.headers,
      etag: response.headers.get('etag') ?? '',
      body: isJson ? JSON.parse(text) : text,
    }
  }
  return { keyId: '', value: value ?? '', send, get: (path, headers = {}) => send('GET', path, { headers }) }
}

/** The code of a problem; undefined for what is none. */
export function problemOf({ headers, body }: Reply): string | undefined {
  if (headers.get('content-type') !== 'application/problem+json') return undefined
  return String(body.type).split('#')[1]
}

/** One operation, asked rightly: `refusals` then asks it wrongly in every way that applies. */
export interface Asked {
  method: string
  /** With ids of things that are there. */
  path: string
  /** What would be accepted. */
  body?: object
  /** The same path with an id that nobody has. */
  missing?: string
  /** The operation needs `If-Match`. */
  conditional?: true
  /** Scope that it needs. */
  scope: string
}

interface Refusal extends Sending {
  why: string
  method: string
  path: string
  status: number
  code: string
}

/** What the conventions refuse of an operation. */
export function refusals({ method, path, body, missing, conditional }: Asked): Refusal[] {
  const headers: Record<string, string> = conditional ? { 'if-match': '*' } : {}
  const right = { method, path, headers, ...(body && { body }) }
  const badRequest = { status: 400, code: 'invalid-request' }
  const found: Refusal[] = [
    { ...right, why: 'an unknown parameter', path: `${path}?nonsense=1`, ...badRequest },
    {
      ...right,
      why: 'no version of ours',
      headers: { ...headers, 'api-version': '99' },
      status: 400,
      code: 'version-unknown',
    },
    { why: 'a method that nothing has', method: 'REPORT', path, status: 501, code: 'not-implemented' },
  ]
  if (missing !== undefined)
    found.push({ ...right, why: 'an unknown id', path: missing, status: 404, code: 'not-found' })
  if (method !== 'DELETE') {
    const picky = { ...headers, accept: 'image/png' }
    found.push({ ...right, why: 'an image', headers: picky, status: 406, code: 'not-acceptable' })
  }
  if (body) {
    const text = { ...headers, 'content-type': 'text/plain' }
    found.push(
      { ...right, why: 'an unknown field', body: { ...body, nonsense: 1 }, ...badRequest },
      { ...right, why: 'broken JSON', body: '{"a":', ...badRequest },
      { ...right, why: 'a field of a prototype', body: '{"__proto__":{}}', ...badRequest },
      { ...right, why: 'plain text', headers: text, body: 'x', status: 415, code: 'unsupported-media-type' },
    )
  }
  if (conditional) {
    const past = { 'if-match': '"999-00000000"' }
    found.push(
      { ...right, why: 'no precondition', headers: {}, status: 428, code: 'precondition-required' },
      { ...right, why: 'another version', headers: past, status: 412, code: 'precondition-failed' },
    )
  }
  return found
}

interface Assertions {
  is(actual: unknown, expected: unknown, message?: string): boolean
  regex(text: string, pattern: RegExp, message?: string): boolean
}

/**
 * Asks each operation wrongly in every way, with all scopes, with none and without a credential: each answer is the problem
 * that it should be. Nothing may come of any of it.
 */
export async function refusesWhatIsWrong(
  t: Assertions,
  server: Pick<TestServer, 'issuer' | 'db'>,
  operations: readonly Asked[],
): Promise<void> {
  const [admin, stranger] = [await callerWithKey(server), callerWith(server, undefined)]
  for (const asked of operations) {
    const { method, path, body, scope, conditional } = asked
    for (const { why, status, code, ...request } of refusals(asked)) {
      const reply = await admin.send(request.method, request.path, request)
      t.is(`${reply.status} ${problemOf(reply)}`, `${status} ${code}`, `${method} ${path}: ${why}`)
      t.is(reply.body.status, status, why)
      t.regex(reply.body.trace_id, /^[0-9a-f]{32}$/, why)
    }
    const right = { ...(body && { body }), headers: conditional ? { 'if-match': '*' } : {} }
    const nobody = await stranger.send(method, path, right)
    t.is(`${nobody.status} ${problemOf(nobody)}`, '401 unauthenticated', `${method} ${path}`)
    t.regex(nobody.headers.get('www-authenticate') ?? '', /^Bearer realm=/)
    const others = await callerWithKey(
      server,
      managementScopes.filter((each) => each !== scope),
    )
    const lacking = await others.send(method, path, right)
    t.is(`${lacking.status} ${problemOf(lacking)}`, '403 insufficient-scope', `${method} ${path}`)
    t.regex(lacking.headers.get('www-authenticate') ?? '', new RegExp(`error="insufficient_scope", scope="${scope}"`))
  }
}

/** Paths with the methods that they do not have: 405 names those that they have, OPTIONS too. */
export async function tellsMethods(
  t: Assertions,
  server: Pick<TestServer, 'issuer' | 'db'>,
  allowed: Readonly<Record<string, string>>,
): Promise<void> {
  const caller = await callerWithKey(server)
  for (const [path, methods] of Object.entries(allowed)) {
    const wrong = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].find((method) => !methods.includes(method))!
    const refused = await caller.send(wrong, path)
    t.is(`${refused.status} ${problemOf(refused)}`, '405 method-not-allowed', path)
    t.is(refused.headers.get('allow'), methods, path)
    const options = await callerWith(server, undefined).send('OPTIONS', path)
    t.is(`${options.status} ${options.headers.get('allow')}`, `204 ${methods}`, path)
  }
}

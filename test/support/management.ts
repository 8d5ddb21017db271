/** The management API of a real server; each answer is held against what its operation declares. */
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { startAuthServer, type TestServer } from './auth-server.ts'
import type { Teardown } from './database.ts'

export interface Reply {
  status: number
  headers: Headers
  /** The text, where it is no JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

export interface Sending {
  body?: unknown
  headers?: Record<string, string>
}

/** Someone with a credential: `await as('PATCH', '/users/usr_…', { body, headers })`. */
export type Caller = (method: string, path: string, sending?: Sending) => Promise<Reply>

export interface Management {
  server: TestServer
  /** With an API key of these scopes. */
  withKey: (...scopes: string[]) => Promise<Caller>
  /** With an access token; without any credential when undefined. */
  withToken: (value: string | undefined) => Caller
}

/** A server of its own, without quotas. */
export async function startManagement(t: Teardown): Promise<Management> {
  const quota = 'off'
  const server = await startAuthServer(t, { RATE_LIMIT_ADDRESS: quota, RATE_LIMIT_API: quota, RATE_LIMIT_TOKEN: quota })
  const withToken =
    (value: string | undefined): Caller =>
    (method, path, sending) =>
      send(
        `${server.issuer}/api/v1${path}`,
        method,
        value === undefined ? {} : { authorization: `Bearer ${value}` },
        sending,
      )
  return {
    server,
    withToken,
    withKey: async (...scopes) => {
      const { value } = await createApiKey(server.db.knex, { name: 'Test', scopes, actor: 'test' })
      return withToken(value)
    },
  }
}

async function send(
  url: string,
  method: string,
  credentials: Record<string, string>,
  { body, headers = {} }: Sending = {},
): Promise<Reply> {
  const content = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
  const response = await fetch(url, {
    method,
    headers: { ...credentials, ...(body !== undefined && { 'content-type': content }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}

/** `{ 'if-match': … }` of what was read. */
export function ifMatch({ headers }: Reply): { 'if-match': string } {
  return { 'if-match': headers.get('etag') ?? '' }
}

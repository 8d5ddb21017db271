/** Browser sessions for virtual clients: signed in, and with the app's consent remembered. */
import { Visitor } from '../../test/support/visitor.ts'
import { APP_SCOPE, AUDIENCES, PASSWORD, REDIRECT_URI, type SeededClient, type SeededPerson } from './names.ts'
import type { Grantry } from './grantry.ts'
import type { BareLibrary } from './library.ts'
import { forwardedHeaders, type Target } from './workload.ts'

/** Name and value of each cookie. */
export type Cookies = Record<string, string>

/** A signed-in browser, and what the app got from its first request: a code for tokens that outlive the session. */
export interface Session {
  cookies: Cookies
  code: string
  verifier: string
}

/** A browser whose requests come through the proxy in front. */
class ProxiedVisitor extends Visitor {
  readonly #client: number

  constructor({ issuer, port }: Target, client: number) {
    super(issuer, [`http://127.0.0.1:${port}`])
    this.#client = client
  }

  override request(target: string, init: RequestInit = {}): Promise<Response> {
    const { Host: _host, ...forwarded } = forwardedHeaders(this.issuer, this.#client)
    return super.request(target, { ...init, headers: { ...forwarded, ...(init.headers as Record<string, string>) } })
  }
}

/** Signs these people in, one after the other, and has them allow the app what it asks for. */
export async function signIn(target: Target, app: SeededClient, people: readonly SeededPerson[]): Promise<Session[]> {
  const sessions: Session[] = []
  const client = { client_id: app.id, client_secret: app.secret, redirect_uri: REDIRECT_URI }
  for (const [index, { username }] of people.entries()) {
    const visitor = new ProxiedVisitor(target, index)
    const parameters = { prompt: 'consent' }
    const options = { scope: APP_SCOPE, resource: AUDIENCES.RS256, parameters }
    const { code, error, verifier } = await visitor.authorize(client, { username, password: PASSWORD }, options)
    if (!code) throw new Error(`${username} was not let in: ${error}`)
    const kept = [...visitor.cookies].filter(([, { path }]) => path === '/')
    const cookies = Object.fromEntries(kept.map(([name, { value }]) => [name, value]))
    sessions.push({ cookies, code, verifier })
  }
  return sessions
}

/** A session for each of so many virtual clients, each of another person. */
export function signInAll(server: Grantry | BareLibrary, count: number): Promise<Session[]> {
  const { app, people } = server.seed
  return signIn(server, app, people.slice(0, count))
}

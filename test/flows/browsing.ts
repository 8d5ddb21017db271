/** What tests of sessions ask of a browser and its apps. */
import { redeem, type Answer, type AuthorizationOptions, type TokenResponse, type Visitor } from '../support/visitor.ts'
import type { TestClient } from '../support/registry.ts'

/** Opens the client's authorization request and stops where a page is shown or the client is reached. */
export async function ask(
  visitor: Visitor,
  client: TestClient,
  options: AuthorizationOptions = {},
): Promise<Answer & { status: number; html: string }> {
  const { url, verifier, state } = visitor.request_uri(client, options)
  const page = await visitor.open(url)
  const end = new URL(page.url)
  const parameters = end.searchParams
  const [code, error] = ['code', 'error'].map((name) => parameters.get(name) ?? undefined)
  return { url: end, code, error, verifier, state, parameters, status: page.status, html: page.html }
}

/** What `prompt=none` tells: `code`, or the error. */
export async function silently(visitor: Visitor, client: TestClient, options: AuthorizationOptions = {}) {
  const { code, error } = await ask(visitor, client, { prompt: 'none', ...options })
  return code === undefined ? error : 'code'
}

/** Signs in, consents, redeems. */
export async function tokensFor(
  visitor: Visitor,
  client: TestClient,
  person: { username: string; password: string },
  options: AuthorizationOptions = {},
): Promise<TokenResponse['body']> {
  const answer = await visitor.authorize(client, person, options)
  const { status, body } = await redeem(visitor.issuer, client, answer)
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body
}

export function userinfo(issuer: string, accessToken = ''): Promise<Response> {
  return fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${accessToken}` } })
}

/** Another browser that was given this one's cookies, as by a thief. */
export function withCookiesOf<V extends Visitor>(thief: V, victim: Visitor): V {
  for (const [name, cookie] of victim.cookies) thief.cookies.set(name, cookie)
  return thief
}

export const asksForPassword = /name="password"/
export const asksForConsent = /value="allow"/

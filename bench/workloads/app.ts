/** What an app does with its people's sessions: authorization requests, and the exchange of what comes back. */
import { createHash, randomBytes } from 'node:crypto'
import { headerOf, type Answer, type Call } from '../support/http-connection.ts'
import type { Cookies, Session } from '../support/sign-in.ts'
import { APP_SCOPE, basic, PERSON_SCOPE, REDIRECT_URI, type SeededClient } from '../support/names.ts'
import { expectStatus, form, forwardedHeaders } from '../support/workload.ts'

export interface AppSettings {
  issuer: string
  app: SeededClient
  /** Left out, the tokens are for the userinfo endpoint alone. */
  audience?: string
  /** Of each virtual client. */
  sessions: Session[]
}

export type Code = Pick<Session, 'code' | 'verifier'>

export interface Tokens {
  access_token: string
  id_token: string
  refresh_token: string
}

export function createApp({ issuer, app, audience, sessions }: AppSettings) {
  const verifiers: string[] = []

  return {
    /** An authorization request of a person whose session is remembered. */
    authorization(client: number): Call {
      const { cookies } = sessions[client % sessions.length]!
      const verifier = (verifiers[client] = randomBytes(32).toString('base64url'))
      const query = new URLSearchParams({
        client_id: app.id,
        redirect_uri: REDIRECT_URI,
        response_type: 'code',
        scope: audience === undefined ? PERSON_SCOPE : APP_SCOPE,
        ...(audience !== undefined && { resource: audience }),
        state: 'a-state',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      })
      const cookie = Object.entries(cookies).map(([name, value]) => `${name}=${value}`)
      const headers = { ...forwardedHeaders(issuer, client), Cookie: cookie.join('; ') }
      return { method: 'GET', path: `/authorize?${query}`, headers }
    },
    /** @throws when it does not lead back to the app with a code */
    takeAuthorization(client: number, answer: Answer): Code {
      expectStatus(answer, 303)
      keepCookies(sessions[client % sessions.length]!.cookies, answer)
      const code = new URL(headerOf(answer, 'location') ?? '', issuer).searchParams.get('code')
      if (code === null) throw new Error(`no code but ${headerOf(answer, 'location')}`)
      return { code, verifier: verifiers[client]! }
    },
    exchange(client: number, { code, verifier }: Code): Call {
      return token(client, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT_URI,
        code_verifier: verifier,
      })
    },
    refresh: (client: number, refreshToken: string) =>
      token(client, { grant_type: 'refresh_token', refresh_token: refreshToken }),
    /** @throws when any of the three tokens is missing */
    takeTokens(answer: Answer): Tokens {
      expectStatus(answer, 200)
      const tokens = JSON.parse(answer.body) as Tokens
      if (!tokens.access_token || !tokens.id_token || !tokens.refresh_token) throw new Error('a token is missing')
      return tokens
    },
  }

  function token(client: number, parameters: Record<string, string>): Call {
    return form('/token', { ...forwardedHeaders(issuer, client), Authorization: basic(app) }, parameters)
  }
}

function keepCookies(cookies: Cookies, { head }: Answer): void {
  for (const [, name = '', value = ''] of head.matchAll(/^set-cookie: *([^=]+)=([^;\r]*)/gim)) {
    if (Object.hasOwn(cookies, name) && value !== '') cookies[name] = value
  }
}

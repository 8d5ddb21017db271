import { expectStatus, forwardedHeaders, type Workload } from '../support/workload.ts'
import { createApp, type AppSettings, type Code } from './app.ts'

/** Each virtual client asks who its person is, with an access token of its own. */
export function create(settings: AppSettings): Workload {
  const app = createApp(settings)
  const codes: (Code | undefined)[] = []
  const tokens: string[] = []
  return {
    prepare: {
      next(client) {
        if (tokens[client] !== undefined) return undefined
        const code = codes[client]
        return code ? app.exchange(client, code) : app.authorization(client)
      },
      take(client, answer) {
        if (codes[client]) tokens[client] = app.takeTokens(answer).access_token
        else codes[client] = app.takeAuthorization(client, answer)
        return undefined
      },
    },
    run: {
      next: (client) => ({
        method: 'GET',
        path: '/userinfo',
        headers: { ...forwardedHeaders(settings.issuer, client), Authorization: `Bearer ${tokens[client]}` },
      }),
      take: (_client, answer) => expectStatus(answer, 200),
    },
  }
}

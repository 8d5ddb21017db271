import type { Answer } from '../support/http-connection.ts'
import type { Workload } from '../support/workload.ts'
import { createApp, type AppSettings } from './app.ts'

/** Each virtual client renews its own tokens, again and again: access token, ID token and the next refresh token. */
export function create(settings: AppSettings): Workload {
  const app = createApp(settings)
  const chains: string[] = []
  const keep = (client: number, answer: Answer) => {
    chains[client] = app.takeTokens(answer).refresh_token
    return undefined
  }
  return {
    prepare: {
      next: (client) => (chains[client] === undefined ? app.exchange(client, settings.sessions[client]!) : undefined),
      take: keep,
    },
    run: {
      next: (client) => app.refresh(client, chains[client]!),
      take: keep,
    },
  }
}

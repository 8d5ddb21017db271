import type { Workload } from '../support/workload.ts'
import { createApp, type AppSettings } from './app.ts'

/** Each virtual client renews its own tokens, again and again: access token, ID token and the next refresh token. */
export function create(settings: AppSettings): Workload {
  const app = createApp(settings)
  const chains: string[] = []
  return {
    prepare: {
      next: (client) => (chains[client] === undefined ? app.exchange(client, settings.sessions[client]!) : undefined),
      take: (client, answer) => void (chains[client] = app.takeTokens(answer).refresh_token),
    },
    run: {
      next: (client) => app.refresh(client, chains[client]!),
      take: (client, answer) => void (chains[client] = app.takeTokens(answer).refresh_token),
    },
  }
}

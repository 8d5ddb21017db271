import type { Workload } from '../support/workload.ts'
import { createApp, type AppSettings, type Code } from './app.ts'

/** Codes are made beforehand, by authorization requests; only their exchange is measured. */
export function create(settings: AppSettings): Workload {
  const app = createApp(settings)
  const codes: Code[] = []
  return {
    prepare: {
      next: (client) => app.authorization(client),
      take(client, answer) {
        codes.push(app.takeAuthorization(client, answer))
        return undefined
      },
    },
    run: {
      next(client) {
        const code = codes.shift()
        return code && app.exchange(client, code)
      },
      take(_client, answer) {
        app.takeTokens(answer)
        return undefined
      },
    },
  }
}

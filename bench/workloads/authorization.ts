import type { Workload } from '../support/workload.ts'
import { createApp, type AppSettings } from './app.ts'

/** Authorization requests of people who are signed in and have allowed this before: nobody sees a page. */
export function create(settings: AppSettings): Workload {
  const app = createApp(settings)
  return {
    run: {
      next: (client) => app.authorization(client),
      take(client, answer) {
        app.takeAuthorization(client, answer)
        return undefined
      },
    },
  }
}

import type { SeededPerson } from '../support/names.ts'
import { expectStatus, forwardedHeaders, type Workload } from '../support/workload.ts'

export interface Settings {
  issuer: string
  apiKey: string
  people: SeededPerson[]
}

/** A program looks at one user after the other. */
export function create({ issuer, apiKey, people }: Settings): Workload {
  let count = 0
  return {
    run: {
      next: (client) => ({
        method: 'GET',
        path: `/api/v1/users/${people[(count += 1) % people.length]!.id}`,
        headers: { ...forwardedHeaders(issuer, client), 'X-API-Key': apiKey },
      }),
      take: (_client, answer) => expectStatus(answer, 200),
    },
  }
}

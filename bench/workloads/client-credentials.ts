import { basic, type SeededClient } from '../support/names.ts'
import { expectStatus, form, forwardedHeaders, type Workload } from '../support/workload.ts'

export interface Settings {
  issuer: string
  service: SeededClient
  audience: string
}

/** A service asks for an access token, again and again. */
export function create({ issuer, service, audience }: Settings): Workload {
  const authorization = basic(service)
  const parameters = { grant_type: 'client_credentials', resource: audience }
  return {
    run: {
      next: (client) =>
        form('/token', { ...forwardedHeaders(issuer, client), Authorization: authorization }, parameters),
      take: (_client, answer) => expectStatus(answer, 200),
    },
  }
}

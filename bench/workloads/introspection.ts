import { basic, OPAQUE, type SeededClient } from '../support/names.ts'
import type { Answer } from '../support/http-connection.ts'
import { expectStatus, form, forwardedHeaders, type Workload } from '../support/workload.ts'

export interface Settings {
  issuer: string
  service: SeededClient
}

/** Each virtual client asks about an opaque access token of its own. */
export function create({ issuer, service }: Settings): Workload {
  const tokens: string[] = []
  const post = (client: number, path: string, parameters: Record<string, string>) =>
    form(path, { ...forwardedHeaders(issuer, client), Authorization: basic(service) }, parameters)
  const ask = { grant_type: 'client_credentials', resource: OPAQUE }
  return {
    prepare: {
      next: (client) => (tokens[client] === undefined ? post(client, '/token', ask) : undefined),
      take(client, answer) {
        expectStatus(answer, 200)
        tokens[client] = (JSON.parse(answer.body) as { access_token: string }).access_token
        return undefined
      },
    },
    run: {
      next: (client) => post(client, '/introspect', { token: tokens[client]! }),
      take: (_client, answer) => expectActive(answer),
    },
  }
}

function expectActive(answer: Answer): undefined {
  expectStatus(answer, 200)
  if (!answer.body.includes('"active":true')) throw new Error(`the token is not active: ${answer.body}`)
}

import { basic, type SeededClient } from '../support/seed.ts'
import { forwardedHeaders, requireStatus, type Workload } from '../support/workload.ts'

export interface Settings {
  issuer: string
  service: SeededClient
  audience: string
}

/** A service asks for an access token, again and again. */
export function create({ issuer, service, audience }: Settings): Workload {
  const body = new URLSearchParams({ grant_type: 'client_credentials', resource: audience }).toString()
  const run = {
    next: (client: number) => ({ method: 'POST', path: '/token', headers: headersOf(client), body }),
    take(_client: number, answer: Parameters<typeof requireStatus>[0]) {
      requireStatus(answer, 200)
    },
  }
  function headersOf(client: number): Record<string, string> {
    return {
      ...forwardedHeaders(issuer, client),
      'Content-Type': 'application/x-www-form-urlencoded',
      Authorization: basic(service),
    }
  }
  return { run }
}

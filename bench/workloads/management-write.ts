import { headerOf, type Call } from '../support/http-connection.ts'
import { expectStatus, forwardedHeaders, type Workload } from '../support/workload.ts'
import type { Settings } from './management-read.ts'

/** Each virtual client changes the name of a user of its own, from the version that it saw last. */
export function create({ issuer, apiKey, people }: Settings): Workload {
  const versions: string[] = []
  let count = 0
  const call = (client: number, method: string, more: Record<string, string> = {}, body?: string): Call => ({
    method,
    path: `/api/v1/users/${people[client % people.length]!.id}`,
    headers: { ...forwardedHeaders(issuer, client), 'X-API-Key': apiKey, ...more },
    ...(body !== undefined && { body }),
  })
  const change = (client: number) => {
    const headers = { 'Content-Type': 'application/merge-patch+json', 'If-Match': versions[client]! }
    return call(client, 'PATCH', headers, JSON.stringify({ name: `Person ${(count += 1)}` }))
  }
  return {
    prepare: {
      next: (client) => (versions[client] === undefined ? call(client, 'GET') : undefined),
      take(client, answer) {
        expectStatus(answer, 200)
        versions[client] = headerOf(answer, 'etag')!
        return undefined
      },
    },
    run: {
      next: change,
      take(client, answer) {
        expectStatus(answer, 200)
        versions[client] = headerOf(answer, 'etag')!
        return undefined
      },
    },
  }
}

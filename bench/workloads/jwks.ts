import { expectStatus, forwardedHeaders, type Workload } from '../support/workload.ts'

/** Verifiers fetch the public keys. */
export function create({ issuer }: { issuer: string }): Workload {
  return {
    run: {
      next: (client) => ({ method: 'GET', path: '/jwks', headers: forwardedHeaders(issuer, client) }),
      take: (_client, answer) => expectStatus(answer, 200),
    },
  }
}

import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'

export const scenario: Scenario = {
  name: 'management-write',
  title: 'Management API: change a user',
  run: (bench) =>
    compare(bench, {
      operation: 'PATCH /api/v1/users/{user_id} with an API key: change, audit entry and event in one transaction',
      workload: 'management-write',
      settings: ({ issuer, seed: { apiKey, people } }) => ({ issuer, apiKey, people }),
      begin: (load) => load.run({ phase: 'prepare', clients: bench.options.clients }),
      inLibrary: false,
      openClients: bench.options.clients,
    }),
}

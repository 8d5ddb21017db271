import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'

export const scenario: Scenario = {
  name: 'management-read',
  title: 'Management API: read a user',
  run: (bench) =>
    compare(bench, {
      operation: 'GET /api/v1/users/{user_id} with an API key',
      workload: 'management-read',
      settings: ({ issuer, seed: { apiKey, people } }) => ({ issuer, apiKey, people }),
      inLibrary: false,
    }),
}

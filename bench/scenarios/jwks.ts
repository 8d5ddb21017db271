import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'

export const scenario: Scenario = {
  name: 'jwks',
  title: 'Public keys',
  run: (bench) =>
    compare(bench, { operation: 'the key set', workload: 'jwks', settings: ({ issuer }) => ({ issuer }) }),
}

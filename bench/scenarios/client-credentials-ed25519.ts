import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { clientCredentials } from '../support/subjects.ts'

export const scenario: Scenario = {
  name: 'client-credentials-ed25519',
  title: 'Access token by client credentials, Ed25519',
  run: (bench) =>
    compare(bench, {
      ...clientCredentials('Ed25519'),
      operation: 'an access token signed with Ed25519',
      signatures: ['Ed25519'],
      against: clientCredentials('RS256'),
    }),
}

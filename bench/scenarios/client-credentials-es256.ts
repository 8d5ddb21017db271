import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { clientCredentials } from '../support/subjects.ts'

export const scenario: Scenario = {
  name: 'client-credentials-es256',
  title: 'Access token by client credentials, ES256',
  async run(bench) {
    const result = await compare(bench, {
      ...clientCredentials('ES256'),
      operation: 'an access token signed with ES256',
      signatures: ['ES256'],
      against: clientCredentials('RS256'),
    })
    const what = 'server CPU per client-credentials token, ES256 over RS256'
    return { ...result, verdicts: [{ what, measured: result.overAgainst!, atMost: 0.6, unit: '×' }] }
  },
}

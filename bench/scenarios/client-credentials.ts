import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { clientCredentials } from '../support/subjects.ts'

export const scenario: Scenario = {
  name: 'client-credentials',
  title: 'Access token by client credentials, RS256',
  async run(bench) {
    const operation = 'an access token signed with RS256'
    const result = await compare(bench, { ...clientCredentials('RS256'), operation })
    const what = 'server CPU per client-credentials RS256 token, over the bare library'
    return { ...result, verdicts: [{ what, measured: result.ratio!, atMost: 1.1, unit: '×' }] }
  },
}

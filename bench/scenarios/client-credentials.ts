import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { AUDIENCES } from '../support/seed.ts'

export const scenario: Scenario = {
  name: 'client-credentials',
  title: 'Access token by client credentials, RS256',
  async run(bench) {
    const result = await compare(bench, {
      operation: 'an access token signed with RS256',
      workload: 'client-credentials',
      settings: ({ issuer, seed: { service } }) => ({ issuer, service, audience: AUDIENCES.RS256 }),
    })
    const what = 'server CPU per client-credentials RS256 token, over the bare library'
    return { ...result, verdicts: [{ what, measured: result.ratio!, atMost: 1.1, unit: '×' }] }
  },
}

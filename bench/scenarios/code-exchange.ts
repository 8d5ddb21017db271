import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { appSettings, withFullLoad } from '../support/subjects.ts'

export const scenario: Scenario = {
  name: 'code-exchange',
  title: 'Code exchange: access token, ID token and refresh token',
  async run(asked) {
    const bench = withFullLoad(asked)
    const { clients } = bench.options
    const result = await compare(bench, {
      operation: 'a code for an access token and an ID token, both RS256, and a refresh token',
      workload: 'code-exchange',
      settings: (server) => appSettings(bench, server),
      prepare: (load, operations) => load.run({ phase: 'prepare', clients, operations }),
      fewer: asked.options.clients,
    })
    const what = 'server + PostgreSQL CPU per code exchange'
    return { ...result, verdicts: [{ what, measured: result.inSignatures!, atMost: 7, unit: 'signatures' }] }
  },
}

import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { appSettings, withFullLoad } from '../support/subjects.ts'

export const scenario: Scenario = {
  name: 'refresh',
  title: 'Refresh rotation: access token and ID token',
  async run(asked) {
    const bench = withFullLoad(asked)
    const { clients } = bench.options
    const result = await compare(bench, {
      operation: 'a refresh token for an access token and an ID token, both RS256, and the next refresh token',
      workload: 'refresh',
      settings: (server) => appSettings(bench, server),
      begin: (load) => load.run({ phase: 'prepare', clients }),
      openClients: clients,
      fewer: asked.options.clients,
    })
    const { inSignatures, askedAlone } = result
    // What the server asks for itself meanwhile is a hundredth or two of a round trip.
    const roundTrips = Math.round(askedAlone!.roundTrips * 10) / 10
    const verdicts = [
      { what: 'server + PostgreSQL CPU per refresh rotation', measured: inSignatures!, atMost: 6, unit: 'signatures' },
      { what: 'round trips per refresh rotation', measured: roundTrips, atMost: 3, unit: '' },
    ]
    return { ...result, verdicts }
  },
}

import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { AUDIENCES } from '../support/seed.ts'
import { signInAll } from '../support/sign-in.ts'

export const scenario: Scenario = {
  name: 'refresh',
  title: 'Refresh rotation: access token and ID token',
  async run(bench) {
    const clients = bench.options.clients
    const result = await compare(bench, {
      operation: 'a refresh token for an access token and an ID token, both RS256, and the next refresh token',
      workload: 'refresh',
      settings: async (server) => ({
        issuer: server.issuer,
        app: server.seed.app,
        audience: AUDIENCES.RS256,
        sessions: await signInAll(server, clients),
      }),
      begin: (load) => load.run({ phase: 'prepare', clients }),
      openClients: clients,
    })
    const verdicts = [
      {
        what: 'server + PostgreSQL CPU per refresh rotation',
        measured: result.inSignatures!,
        atMost: 6,
        unit: 'signatures',
      },
      { what: 'round trips per refresh rotation', measured: result.askedAlone!.roundTrips, atMost: 3, unit: '' },
    ]
    return { ...result, verdicts }
  },
}

import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { appSettings } from '../support/subjects.ts'

export const scenario: Scenario = {
  name: 'authorization',
  title: 'Authorization with a remembered session and consent',
  run: (bench) =>
    compare(bench, {
      operation: 'an authorization request that is answered with a code at once',
      workload: 'authorization',
      settings: (server) => appSettings(bench, server),
      openClients: bench.options.clients,
    }),
}

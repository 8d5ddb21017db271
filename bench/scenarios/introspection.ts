import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'

export const scenario: Scenario = {
  name: 'introspection',
  title: 'Introspection of an opaque access token',
  run: (bench) =>
    compare(bench, {
      operation: 'whether an opaque access token is active, asked with a client secret',
      workload: 'introspection',
      settings: ({ issuer, seed: { service } }) => ({ issuer, service }),
      begin: (load) => load.run({ phase: 'prepare', clients: bench.options.clients }),
      openClients: bench.options.clients,
    }),
}

import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { appSettings } from '../support/subjects.ts'

export const scenario: Scenario = {
  name: 'userinfo',
  title: 'Userinfo',
  run: (bench) =>
    compare(bench, {
      operation: 'what an opaque access token tells of its person',
      workload: 'userinfo',
      async settings(server) {
        const { audience: _none, ...settings } = await appSettings(bench, server)
        return settings
      },
      begin: (load) => load.run({ phase: 'prepare', clients: bench.options.clients }),
      openClients: bench.options.clients,
    }),
}

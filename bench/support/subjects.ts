/** What several scenarios aim at. */
import type { Bench, SignatureAlgorithm } from '../scenario.ts'
import { AUDIENCES } from './names.ts'
import type { Aim, Server } from './side.ts'
import { signInAll } from './sign-in.ts'

export function clientCredentials(algorithm: SignatureAlgorithm): Aim {
  return {
    workload: 'client-credentials',
    settings: ({ issuer, seed: { service } }) => ({ issuer, service, audience: AUDIENCES[algorithm] }),
  }
}

/** Fewer leave a fifth of two processors idle, and share fewer statements than a server that is full. */
const FULL_LOAD = 64

/** The same bench with so many clients that the server has no rest; the cost with those of the command line is told beside. */
export function withFullLoad(bench: Bench): Bench {
  return { ...bench, options: { ...bench.options, clients: Math.max(bench.options.clients, FULL_LOAD) } }
}

/** Settings of the workloads that begin with signed-in people. */
export async function appSettings(bench: Bench, server: Server) {
  const { issuer, seed } = server
  return { issuer, app: seed.app, audience: AUDIENCES.RS256, sessions: await signInAll(server, bench.options.clients) }
}

/** People who sign in with their passwords; whoever did so once has allowed the app everything. */
export function logins(bench: Bench): Aim {
  return {
    workload: 'login',
    async settings(server) {
      const { sessions: _none, ...settings } = await appSettings(bench, server)
      return { ...settings, people: server.seed.people.slice(0, bench.options.clients) }
    },
  }
}

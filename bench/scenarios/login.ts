import { hash, verify } from 'argon2'
import type { Scenario } from '../scenario.ts'
import { compare } from '../support/compare.ts'
import { COST } from '../../src/registry/users/hashing.ts'
import { median } from '../support/statistics.ts'
import { logins } from '../support/subjects.ts'

const HASHES = 9

export const scenario: Scenario = {
  name: 'login',
  title: 'Password login, from the app and back to it with a code',
  async run(bench) {
    const subject = { ...logins(bench), operation: 'five requests, one password', inLibrary: false }
    const result = await compare(bench, { ...subject, openClients: bench.options.clients })
    const bare = await bareHash()
    return { ...result, figures: { bareHashCpu: bare, serverOverBareHash: result.cpu!.server / bare } }
  },
}

/** CPU of one verification of a password with nothing around it, µs. */
async function bareHash(): Promise<number> {
  const password = 'seven purple otters dance'
  const digest = await hash(password, COST)
  const costs: number[] = []
  for (let n = 0; n < HASHES; n += 1) {
    const before = process.cpuUsage()
    await verify(digest, password)
    const { user, system } = process.cpuUsage(before)
    costs.push(user + system)
  }
  return median(costs)
}

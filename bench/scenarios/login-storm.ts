import type { Scenario } from '../scenario.ts'
import { openSide } from '../support/side.ts'
import { median } from '../support/statistics.ts'
import { clientCredentials, logins } from '../support/subjects.ts'

/** Of the most that the server can do: services that work, and a machine that has room for people. */
const LOAD = 0.3
const PEOPLE = 8
/** Storms that do not count: a sign-in runs so seldom that V8 compiles for it over minutes, on the same cores. */
const REHEARSALS = 20

/** What services notice when many people sign in at once, in turn with quiet. */
export const scenario: Scenario = {
  name: 'login-storm',
  title: 'Client credentials during a storm of password logins',
  async run(bench) {
    const { clients, seconds, rounds } = bench.options
    const grantry = await bench.startGrantry()
    const services = await openSide(bench, clientCredentials('RS256'), grantry)
    const people = await openSide(bench, logins(bench), grantry)
    const perSecond = Math.round((await services.warmUp({ clients, seconds })) * LOAD)
    const ask = { clients: clients * 4, seconds, perSecond }
    const storm = () => Promise.all([services.stretch(ask), people.stretch({ clients: PEOPLE, seconds })])
    for (let n = 1; n <= REHEARSALS; n += 1) {
      bench.say(`rehearsal ${n} of ${REHEARSALS}`)
      await storm()
    }
    const p99: { quiet: number[]; storm: number[] } = { quiet: [], storm: [] }
    const signedIn: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      bench.say(`round ${round + 1} of ${rounds}`)
      const quiet = await services.stretch(ask)
      const [during, logins] = await storm()
      p99.quiet.push(quiet.latency.p99)
      p99.storm.push(during.latency.p99)
      signedIn.push(logins.operations / logins.seconds)
    }
    const ratio = median(p99.storm.map((value, round) => value / p99.quiet[round]!))
    return {
      operation: 'an access token signed with RS256',
      figures: {
        perSecond,
        p99Quiet: median(p99.quiet),
        p99DuringStorm: median(p99.storm),
        loginsInASecond: median(signedIn),
      },
      verdicts: [
        {
          what: 'p99 of client credentials during a storm of password logins, over without',
          measured: ratio,
          atMost: 2,
          unit: '×',
        },
      ],
    }
  },
}

import type { Scenario } from '../scenario.ts'
import { openSide } from '../support/side.ts'
import { median } from '../support/statistics.ts'
import { clientCredentials } from '../support/subjects.ts'

/** Of what one worker can do at most: low enough for both, high enough that idling does not tell. */
const LOAD = 0.5

/** The same load on one worker and on two, in turn: what sharing it costs. */
export const scenario: Scenario = {
  name: 'workers',
  title: 'Two workers over one, at the same total load',
  async run(bench) {
    const { clients, seconds, rounds } = bench.options
    const sides = []
    for (const count of ['1', '2']) {
      const server = await bench.startGrantry({ environment: { WEB_CONCURRENCY: count } })
      sides.push(await openSide(bench, clientCredentials('RS256'), server))
    }
    const [one, two] = sides as [(typeof sides)[number], (typeof sides)[number]]
    const most: number[] = []
    for (const [index, side] of sides.entries()) {
      // Each worker compiles for itself, and gets its part of the load.
      for (let worker = 0; worker <= index; worker += 1) most[index] = await side.warmUp({ clients, seconds })
    }
    const perSecond = Math.round(most[0]! * LOAD)
    const ask = { clients: clients * 4, seconds, perSecond }
    const ratios: number[] = []
    const cpu: { one: number[]; two: number[] } = { one: [], two: [] }
    for (let round = 0; round < rounds; round += 1) {
      bench.say(`round ${round + 1} of ${rounds}`)
      const [first, second] = [await one.stretch(ask), await two.stretch(ask)].map(
        ({ serverCpu, postgresCpu, operations }) => (serverCpu + postgresCpu) / operations,
      ) as [number, number]
      cpu.one.push(first)
      cpu.two.push(second)
      ratios.push(second / first)
    }
    const [alone, together] = [await one.watched(ask), await two.watched(ask)]
    return {
      operation: 'an access token signed with RS256',
      latency: { ...together.latency, perSecond },
      loop: together.loop,
      poolWait: together.poolWait,
      asked: together.asked,
      figures: {
        cpuOfOneWorker: median(cpu.one),
        cpuOfTwoWorkers: median(cpu.two),
        p99OfOneWorker: alone.latency.p99,
        p99OfTwoWorkers: together.latency.p99,
        mostInASecondOneWorker: most[0]!,
        mostInASecondTwoWorkers: most[1]!,
      },
      verdicts: [
        {
          what: 'two workers over one, same total load, CPU per operation (server + PostgreSQL)',
          measured: median(ratios),
          atMost: 1.1,
          unit: '×',
        },
      ],
    }
  },
}

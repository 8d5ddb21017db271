import type { Scenario } from '../scenario.ts'
import { openSide, type Watched } from '../support/side.ts'
import { median } from '../support/statistics.ts'
import { clientCredentials } from '../support/subjects.ts'

/** Requests that wait longer than this when the last one has arrived show that a queue is growing. */
const KEEPS_UP_MS = 250
const STEPS = 6
const LOAD = 0.7

/** The highest fixed rate that the server keeps up with, found by halving, and latency at 70 % of it. */
export const scenario: Scenario = {
  name: 'sustained-rate',
  title: 'Latency of client credentials at 70 % of the highest sustained rate',
  async run(bench) {
    const { clients, seconds, rounds } = bench.options
    const grantry = await bench.startGrantry()
    const side = await openSide(bench, clientCredentials('RS256'), grantry)
    const closed = await side.warmUp({ clients, seconds })
    const ask = (perSecond: number) => ({
      clients: clients * 8,
      seconds: seconds * 2,
      perSecond: Math.round(perSecond),
    })

    const points: { x: number; y: number }[] = []
    let [keptUp, tooMuch] = [0.4 * closed, 1.3 * closed]
    for (let step = 0; step < STEPS; step += 1) {
      const perSecond = (keptUp + tooMuch) / 2
      const { latency } = await side.stretch(ask(perSecond))
      bench.say(`${perSecond.toFixed(0)} a second: p99 ${latency.p99.toFixed(1)} ms`)
      points.push({ x: Math.round(perSecond), y: latency.p99 })
      if (latency.p99 <= KEEPS_UP_MS) keptUp = perSecond
      else tooMuch = perSecond
    }
    const stretches: Watched[] = []
    for (let round = 0; round < rounds; round += 1) {
      bench.say(`round ${round + 1} of ${rounds}`)
      stretches.push(await side.watched(ask(keptUp * LOAD)))
    }
    const of = (figure: (stretch: (typeof stretches)[number]) => number) => median(stretches.map(figure))
    const latency = {
      p50: of((stretch) => stretch.latency.p50),
      p95: of((stretch) => stretch.latency.p95),
      p99: of((stretch) => stretch.latency.p99),
      max: of((stretch) => stretch.latency.max),
    }
    return {
      operation: 'an access token signed with RS256',
      latency: { ...latency, perSecond: Math.round(keptUp * LOAD) },
      figures: { mostInASecondClosed: closed, highestSustainedRate: keptUp },
      series: { 'p99, ms, by rate': points.toSorted((a, b) => a.x - b.x) },
      verdicts: [
        {
          what: 'p99 of client credentials at 70 % of the highest sustained rate',
          measured: latency.p99,
          atMost: 25,
          unit: 'ms',
        },
      ],
    }
  },
}

import type { Bench, Scenario } from '../scenario.ts'
import type { Grantry } from '../support/grantry.ts'
import { openSide, type Stretch } from '../support/side.ts'
import { median } from '../support/statistics.ts'
import { clientCredentials } from '../support/subjects.ts'

/** Of what one worker can do at most: low enough for both, high enough that idling does not tell. */
const LOAD = 0.5

/**
 * The same load on one worker and on two, in turn: what sharing it costs. A process that has half as much to do finds less to do
 * at once and sleeps more often; what that alone costs is told by the bare library, at the same load and at half of it.
 */
export const scenario: Scenario = {
  name: 'workers',
  title: 'Two workers over one, at the same total load',
  async run(bench) {
    const { clients, seconds, rounds } = bench.options
    const aim = clientCredentials('RS256')
    const [first, second] = [await withWorkers(bench, 1), await withWorkers(bench, 2)]
    const sides = [await openSide(bench, aim, first), await openSide(bench, aim, second)] as const
    const [one, two] = sides
    const library = await openSide(bench, aim, await bench.startLibrary(first.seed))
    await library.warmUp({ clients, seconds })
    const most: number[] = []
    for (const [index, side] of sides.entries()) {
      // Each worker compiles for itself, and gets its part of the load.
      for (let worker = 0; worker <= index; worker += 1) most[index] = await side.warmUp({ clients, seconds })
    }
    const perSecond = Math.round(most[0]! * LOAD)
    const ask = { clients: clients * 4, seconds, perSecond }
    const costs: Record<'one' | 'two' | 'library' | 'half', number>[] = []
    for (let round = 0; round < rounds; round += 1) {
      bench.say(`round ${round + 1} of ${rounds}`)
      costs.push({
        one: cost(await one.stretch(ask)),
        two: cost(await two.stretch(ask)),
        library: cost(await library.stretch(ask)),
        half: cost(await library.stretch({ ...ask, perSecond: perSecond / 2 })),
      })
    }
    const of = (figure: (round: (typeof costs)[number]) => number) => median(costs.map(figure))
    const [alone, together] = [await one.watched(ask), await two.watched(ask)]
    return {
      operation: 'an access token signed with RS256',
      latency: { ...together.latency, perSecond },
      loop: together.loop,
      poolWait: together.poolWait,
      asked: together.asked,
      figures: {
        cpuOfOneWorker: of(({ one }) => one),
        cpuOfTwoWorkers: of(({ two }) => two),
        libraryAtHalfTheLoad: of(({ library, half }) => half / library),
        p99OfOneWorker: alone.latency.p99,
        p99OfTwoWorkers: together.latency.p99,
        mostInASecondOneWorker: most[0]!,
        mostInASecondTwoWorkers: most[1]!,
      },
      verdicts: [
        {
          what: 'two workers over one, same total load, CPU per operation (server + PostgreSQL)',
          measured: of(({ one, two }) => two / one),
          atMost: 1.1,
          unit: '×',
        },
      ],
    }
  },
}

function withWorkers(bench: Bench, count: number): Promise<Grantry> {
  return bench.startGrantry({ environment: { WEB_CONCURRENCY: String(count) } })
}

/** Server and PostgreSQL, µs. */
function cost({ serverCpu, postgresCpu, operations }: Stretch): number {
  return (serverCpu + postgresCpu) / operations
}

import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'
import { openSide } from '../support/side.ts'
import { slope } from '../support/statistics.ts'
import { clientCredentials } from '../support/subjects.ts'

const SAMPLES = 200
const MILLION = 1_000_000
/** Garbage that was not collected yet moves single readings by more than this; a leak would grow on and on. */
const NOISE_MB = 10

/** Memory of one worker while it issues a million tokens (--operations), read after every part of them. */
export const scenario: Scenario = {
  name: 'soak',
  title: 'Memory over a long run',
  async run(bench) {
    const { operations, clients } = bench.options
    const grantry = await bench.startGrantry({ probe: false })
    const side = await openSide(bench, clientCredentials('RS256'), grantry)
    const points = [{ x: 0, y: grantry.memory().largest }]
    let done = 0
    while (done < operations) {
      const report = await side.load.run({ clients, operations: Math.ceil(operations / SAMPLES) })
      done += report.operations
      points.push({ x: done, y: grantry.memory().largest })
      if (points.length % (SAMPLES / 20) === 0) bench.say(`${done} operations, ${points.at(-1)!.y.toFixed(0)} MB`)
    }
    const second = points.filter(({ x }) => x >= operations / 2)
    const growth = slope(second) * (operations / 2)
    const peak = Math.max(...points.map(({ y }) => y))
    await delay(1000)
    const { largest: memory, all } = grantry.memory()
    return {
      operation: 'an access token signed with RS256',
      memory: Math.round(memory),
      figures: { operations: done, peakMb: peak, growthOverSecondHalfMb: growth, allProcessesMb: all },
      series: { 'memory, MB': points },
      verdicts: [
        { what: `memory of one worker after ${nameOf(operations)}`, measured: memory, atMost: 220, unit: 'MB' },
        { what: 'its growth over the second half', measured: Math.max(0, growth), atMost: NOISE_MB, unit: 'MB' },
      ],
    }
  },
}

function nameOf(operations: number): string {
  return operations === MILLION ? '1 million operations' : `${operations} operations`
}

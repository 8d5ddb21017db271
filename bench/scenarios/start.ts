import type { Scenario } from '../scenario.ts'
import { median } from '../support/statistics.ts'

const LEAST_STARTS = 5

/** From spawning the process to the first 200 of /health/ready, on a PostgreSQL that has schema and keys already. */
export const scenario: Scenario = {
  name: 'start',
  title: 'Start to ready on an existing PostgreSQL',
  async run(bench) {
    const first = await bench.startGrantry()
    await first.close()
    const times: number[] = []
    const cpu: number[] = []
    for (let n = 0; n < Math.max(LEAST_STARTS, bench.options.rounds); n += 1) {
      bench.say(`start ${n + 1}`)
      const server = await bench.startGrantry({ databaseUrl: first.databaseUrl, probe: false })
      times.push(server.startMs)
      cpu.push(server.cpu())
      await server.close()
    }
    const seconds = median(times) / 1000
    return {
      operation: 'a start of the server process',
      figures: { startSeconds: seconds, startCpuSeconds: median(cpu) / 1e6 },
      verdicts: [{ what: 'start to ready on an existing PostgreSQL', measured: seconds, atMost: 1.5, unit: 's' }],
    }
  },
}

/** Numbers that somebody else reads when metrics are asked for. */
import { Gauge as PromGauge, type Registry } from 'prom-client'
import type { Gauge, GaugeValue } from './metrics.ts'

const PATIENCE_MS = 2000

/** One `read` answers for all these gauges, in their order. What it does not tell in time is left out. */
export function collectGauges<L extends string>(
  registry: Registry,
  gauges: readonly Gauge<L>[],
  read: () => Promise<readonly GaugeValue<L>[][]>,
  patienceMs = PATIENCE_MS,
): void {
  let reading: Promise<readonly GaugeValue<L>[][]> | undefined
  // The metrics of one answer are collected one after the other within a turn of the loop, and share what is read.
  const readOnce = () => (reading ??= inTime(read(), patienceMs).finally(() => (reading = undefined)))

  for (const [index, { name, help, labels = [], ofWorkers }] of gauges.entries()) {
    const gauge = new PromGauge<L>({
      name,
      help,
      labelNames: labels as L[],
      registers: [],
      aggregator: ofWorkers,
      async collect() {
        const values = (await readOnce().catch(() => []))[index] ?? []
        this.reset()
        if (labels.length === 0 && values.length === 0) this.remove()
        for (const value of values) {
          if (value.labels) this.set(value.labels as never, value.value)
          else this.set(value.value)
        }
      },
    })
    registry.registerMetric(gauge)
  }
}

async function inTime<T>(work: Promise<T>, patienceMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), patienceMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

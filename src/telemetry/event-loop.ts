import { performance } from 'node:perf_hooks'
import { Counter, type Registry } from 'prom-client'

/**
 * How busy the loop is: its growth in a second is the share of time in which it did something, whoever else asks. (Its delay is
 * among the metrics of the library.)
 */
export function watchLoop(registry: Registry): void {
  let before = 0
  const active = new Counter({
    name: 'grantry_event_loop_active_seconds_total',
    help: 'Time in which the event loop was not waiting; its rate is the utilisation, 1 being the most of one process.',
    registers: [],
    collect() {
      const now = performance.eventLoopUtilization().active
      this.inc((now - before) / 1000)
      before = now
    },
  })
  registry.registerMetric(active)
}

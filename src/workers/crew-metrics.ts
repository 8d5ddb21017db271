import cluster from 'node:cluster'
import type { Config } from '../config/load.ts'
import type { Logger } from '../telemetry/logger.ts'
import { startMetricsServer } from '../telemetry/metrics-server.ts'
import { createWorkerMetrics } from '../telemetry/worker-metrics.ts'

const PATIENCE_MS = 2_000

/**
 * Tells the metrics of all workers at one place, unless nobody asked for it. Health is that of whichever worker the port leads to.
 * @returns how to stop
 */
export async function tellCrewMetrics(config: Config, log: Logger): Promise<{ stop(): Promise<void> } | undefined> {
  if (!config.metrics) return undefined
  const workers = () => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
  const metrics = createWorkerMetrics(workers)
  cluster.on('message', metrics.onMessage)
  cluster.on('exit', metrics.onExit)
  const server = await startMetricsServer({
    ...config.metrics,
    log,
    collect: metrics.collect,
    health: (question) => (question === 'live' ? Promise.resolve(undefined) : askWorker(config.listen)),
  })
  return {
    async stop() {
      cluster.off('message', metrics.onMessage)
      cluster.off('exit', metrics.onExit)
      await server.stop()
    },
  }
}

async function askWorker({ host, port }: Config['listen']): Promise<string | undefined> {
  const address = ['::', '0.0.0.0'].includes(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host
  try {
    const answer = await fetch(`http://${address}:${port}/health/ready`, { signal: AbortSignal.timeout(PATIENCE_MS) })
    const { status, missing } = (await answer.json()) as { status?: string; missing?: string }
    return answer.ok ? undefined : (missing ?? status ?? 'unavailable')
  } catch {
    return 'no answer'
  }
}

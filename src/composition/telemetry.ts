/** Logs, metrics and traces meet the parts here: what is counted of a request, and what is read of the rest when somebody asks. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config/load.ts'
import type { Database } from '../database/connect.ts'
import { startMetricsServer } from '../telemetry/metrics-server.ts'
import { watchPool, type WatchedPool } from '../telemetry/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { createTracing, type Tracing } from '../telemetry/tracing.ts'
import type { Parts } from './parts.ts'
import { readiness } from './readiness.ts'

export interface Telemetry {
  metrics: Metrics
  /** Undefined: there is no collector. */
  tracing: Tracing | undefined
}

/** What costs nothing when nobody has asked for it. */
export async function createTelemetry({ metrics, traces }: Config, log: Logger): Promise<Telemetry> {
  if (!metrics && !traces) return { metrics: await createMetrics(false, { version: '' }), tracing: undefined }
  const version = readVersion()
  return {
    metrics: await createMetrics(metrics !== undefined, { version }),
    tracing: await createTracing(traces && { ...traces, version, log }),
  }
}

/** Listens for Prometheus, unless nobody asked for it. @returns how to stop */
export async function startMetrics({
  config,
  phase,
  ...parts
}: Pick<Parts, 'config' | 'db' | 'keys' | 'log' | 'phase' | 'telemetry'>): Promise<
  { stop(): Promise<void> } | undefined
> {
  if (!config.metrics) return undefined
  return startMetricsServer({
    ...config.metrics,
    log: parts.log,
    collect: () => parts.telemetry.metrics.collect(),
    async health(question) {
      if (question === 'live') return undefined
      return phase() === 'draining' ? 'draining' : readiness({ config, ...parts })
    },
  })
}

export function watchDatabase({ pool }: Pick<Database, 'pool'>, telemetry: Telemetry): void {
  watchPool(pool as unknown as WatchedPool, telemetry)
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

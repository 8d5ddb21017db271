/** Metrics by prom-client, in a registry of its own: several servers in one process don't mix. */
import { collectDefaultMetrics, Counter, Gauge as PromGauge, Histogram, Registry } from 'prom-client'
import { collectGauges } from './gauges.ts'
import type { CacheMetrics, Metrics, MetricSnapshot, SweepMetrics } from './metrics.ts'
import { requestMetrics } from './request-metrics.ts'
import { watchLoop } from './event-loop.ts'

/** Seconds. A free connection is had in microseconds; whoever waits for longer than five seconds is refused. */
const WAITS = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** Seconds. Others are as slow as they like, up to the time they are given. */
const OUTSIDE = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60]

export function createPrometheusMetrics({ version }: { version: string }): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  watchLoop(registry)
  new PromGauge({
    name: 'grantry_build_info',
    help: 'Always 1; its labels say what runs here.',
    labelNames: ['version', 'node'],
    registers,
    aggregator: 'max',
  }).set({ version, node: process.version }, 1)

  const refused = new Counter({
    name: 'grantry_rate_limited_total',
    help: 'Requests that a rate limit refused, by policy.',
    labelNames: ['policy'],
    registers,
  })
  const shed = new Counter({
    name: 'grantry_requests_shed_total',
    help: 'Requests turned away because there was too much to do.',
    labelNames: ['reason'],
    registers,
  })
  const sent = new Histogram({
    name: 'grantry_outbound_request_duration_seconds',
    help: 'Requests to webhooks and to hosts of clients, by what came of them.',
    labelNames: ['kind', 'result'],
    buckets: OUTSIDE,
    registers,
  })
  const waits = new Histogram({
    name: 'grantry_database_wait_seconds',
    help: 'How long work waited for a connection to the database.',
    buckets: WAITS,
    registers,
  })

  return {
    isOn: true,
    ...requestMetrics(registers),
    cache: cacheMetrics(registers),
    refused: (policy) => refused.inc({ policy }),
    shed: (reason) => shed.inc({ reason }),
    sent: (kind, result, seconds) => sent.observe({ kind, result }, seconds),
    waitedForDatabase: (seconds) => waits.observe(seconds),
    sweeper: sweepMetrics(registers),
    gauges: (gauges, read) => collectGauges(registry, gauges, read),
    collect: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
    snapshot: async () => (await registry.getMetricsAsJSON()) as unknown as MetricSnapshot[],
  }
}

function cacheMetrics(registers: Registry[]): (name: string) => CacheMetrics {
  const lookUps = new Counter({
    name: 'grantry_cache_lookups_total',
    help: 'Questions to a memory of this process, and whether it knew.',
    labelNames: ['cache', 'result'],
    registers,
  })
  return (name) => {
    const hits = lookUps.labels(name, 'hit')
    const misses = lookUps.labels(name, 'miss')
    hits.inc(0)
    misses.inc(0)
    return { hit: () => hits.inc(), miss: () => misses.inc() }
  }
}

function sweepMetrics(registers: Registry[]): SweepMetrics {
  const rows = new Counter({
    name: 'grantry_swept_rows_total',
    help: 'Expired rows that were deleted, by table.',
    labelNames: ['table'],
    registers,
  })
  const last = new PromGauge({
    name: 'grantry_sweep_last_timestamp_seconds',
    help: 'When this process last finished a round over all tables.',
    registers,
    aggregator: 'max',
  })
  const duration = new PromGauge({
    name: 'grantry_sweep_duration_seconds',
    help: 'How long that round took.',
    registers,
    aggregator: 'max',
  })
  return {
    swept: (table, count) => rows.inc({ table }, count),
    finished(seconds) {
      last.setToCurrentTime()
      duration.set(seconds)
    },
  }
}

/**
 * `telemetry` owns what an operator sees of a running server: logs (logger.ts), metrics (this file and its neighbours), traces
 * (tracing.ts). Parts are handed these interfaces and call them; telemetry knows none of the parts. No label ever holds an id, a
 * path as it came, an address or anything else that callers make up: every label has few values, known beforehand.
 *
 * Without METRICS_PORT nothing is measured: every call ends in an empty function, and the library is not even loaded.
 */

/** Of a memory that saves questions to somebody else. */
export interface CacheMetrics {
  hit: () => void
  miss: () => void
}

/** Of the deletion of expired rows. */
export interface SweepMetrics {
  /** Rows that went. @param table its name; one of ours, so there are few */
  swept: (table: string, rows: number) => void
  /** A round over all tables is done, and took so many seconds. */
  finished: (seconds: number) => void
}

/** Numbers that are asked for when Prometheus asks. */
export interface Gauge<L extends string = string> {
  name: string
  help: string
  labels?: readonly L[]
  /** How those of several workers become one: the largest (for what each of them reads of the same thing), or the sum. */
  ofWorkers: 'max' | 'sum' | 'average'
}

export interface GaugeValue<L extends string = string> {
  labels?: Readonly<Record<L, string>>
  value: number
}

export interface Metrics {
  isOn: boolean
  /** A request has come. */
  began: () => void
  /**
   * A request was answered.
   * @param route a template, `/users/{user_id}`; never a path as it came
   */
  answered: (route: string, method: string, status: number, seconds: number) => void
  /** The token endpoint has answered. @param outcome `success` or the error's code */
  token: (grantType: string, outcome: string, seconds: number) => void
  cache: (name: string) => CacheMetrics
  /** A rate limit said no. @param policy its name in the configuration */
  refused: (policy: string) => void
  /** A request was turned away because there was too much to do. @param reason one of a few words */
  shed: (reason: string) => void
  /** A request of ours was answered, or not. @param result `2xx` … `5xx`, or `none` */
  sent: (kind: string, result: string, seconds: number) => void
  /** How long somebody waited for a connection to the database, in seconds. */
  waitedForDatabase: (seconds: number) => void
  sweeper: SweepMetrics
  /**
   * Registers numbers that are read when somebody asks for metrics. What fails, or takes longer than two seconds, is left out
   * of that answer: metrics must be there above all when something else is not.
   */
  gauges: <L extends string>(gauges: readonly Gauge<L>[], read: () => Promise<readonly GaugeValue<L>[][]>) => void
  /** Everything, in the text format of Prometheus. */
  collect: () => Promise<CollectedMetrics>
  /** Everything, for another process to add up. */
  snapshot: () => Promise<MetricSnapshot[]>
}

export interface CollectedMetrics {
  contentType: string
  body: string
}

/** A metric as one worker tells it to the process above. */
export interface MetricSnapshot {
  name: string
  help: string
  type: string
  aggregator: string
  values: { value: number; labels: Record<string, string | number>; metricName?: string }[]
}

const nothing = (): void => undefined
const noCache: CacheMetrics = { hit: nothing, miss: nothing }

/** Measures nothing. */
export const noMetrics: Metrics = {
  isOn: false,
  began: nothing,
  answered: nothing,
  token: nothing,
  cache: () => noCache,
  refused: nothing,
  shed: nothing,
  sent: nothing,
  waitedForDatabase: nothing,
  sweeper: { swept: nothing, finished: nothing },
  gauges: nothing,
  collect: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: '' }),
  snapshot: () => Promise.resolve([]),
}

/** @param isOn whether anybody will ask; without, `noMetrics` */
export async function createMetrics(isOn: boolean, about: { version: string }): Promise<Metrics> {
  if (!isOn) return noMetrics
  // The library takes its time to load, which a server that nobody measures starts without.
  const { createPrometheusMetrics } = await import('./prometheus.ts')
  return createPrometheusMetrics(about)
}

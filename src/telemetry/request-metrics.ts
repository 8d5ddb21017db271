/** What is counted of each request: rate, errors, duration. The way there makes no label objects and no texts. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Metrics } from './metrics.ts'

/** Seconds. Fine where an answer of ours usually lies (a token: 1 to 10 ms), coarse up to where clients give up. */
const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const OTHER = 'other'

/** The second net: whatever a caller of this file gets wrong, no label has more values than so many. */
const MOST_VALUES = 500

interface Route {
  observe: (seconds: number) => void
  byStatus: Map<number, { inc(): void }>
}

export function requestMetrics(registers: Registry[]): Pick<Metrics, 'began' | 'answered' | 'token'> {
  const requests = new Counter({
    name: 'grantry_http_requests_total',
    help: 'Requests answered, by route template, method and status.',
    labelNames: ['route', 'method', 'status'],
    registers,
  })
  const durations = new Histogram({
    name: 'grantry_http_request_duration_seconds',
    help: 'From the request to the answer, of a stream to its beginning.',
    labelNames: ['route', 'method'],
    buckets: DURATIONS,
    registers,
  })
  const tokens = new Counter({
    name: 'grantry_token_requests_total',
    help: 'Answers of the token endpoint, by grant type and outcome: success, or the code of the error.',
    labelNames: ['grant_type', 'outcome'],
    registers,
  })
  const tokenDurations = new Histogram({
    name: 'grantry_token_request_duration_seconds',
    help: 'Answers of the token endpoint, by grant type.',
    labelNames: ['grant_type'],
    buckets: DURATIONS,
    registers,
  })
  let underWay = 0
  const inFlight = new Gauge({
    name: 'grantry_http_requests_in_flight',
    help: 'Requests under way.',
    registers: [],
    collect() {
      this.set(underWay)
    },
  })
  for (const registry of registers) registry.registerMetric(inFlight)

  const routes = remembered((route) =>
    remembered((method): Route => {
      const duration = durations.labels(route, method)
      return { observe: (seconds) => duration.observe(seconds), byStatus: new Map() }
    }),
  )
  const grants = remembered((grantType) =>
    remembered((outcome) => ({ count: tokens.labels(grantType, outcome), duration: tokenDurations.labels(grantType) })),
  )

  return {
    began() {
      underWay += 1
    },
    answered(route, method, status, seconds) {
      underWay -= 1
      const known = METHODS.has(method) ? method : OTHER
      const { observe, byStatus } = routes(route)(known)
      observe(seconds)
      let count = byStatus.get(status)
      if (!count) byStatus.set(status, (count = requests.labels(route, known, String(status))))
      count.inc()
    },
    token(grantType, outcome, seconds) {
      const { count, duration } = grants(grantType)(outcome)
      count.inc()
      duration.observe(seconds)
    },
  }
}

/** Makes what belongs to a label once. */
function remembered<T>(make: (label: string) => T): (label: string) => T {
  const known = new Map<string, T>()
  return (label) => {
    let value = known.get(label)
    if (value === undefined) {
      const bounded = known.size < MOST_VALUES ? label : OTHER
      value = known.get(bounded) ?? make(bounded)
      known.set(bounded, value)
    }
    return value
  }
}

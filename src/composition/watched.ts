/** Parts with somebody who watches in front. Each is handed back as it came when nobody does. */
import type { RateLimiter } from '../http/rate-limit/rate-limiter.ts'
import type { StrangerAnswer, Strangers } from '../outbound/stranger.ts'
import type { PasswordHasher } from '../registry/users/password.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import type { Telemetry } from './telemetry.ts'

/** Counts refusals by policy. */
export function countRefusals(limiter: RateLimiter, metrics: Metrics): RateLimiter {
  if (!metrics.isOn) return limiter
  return {
    async take(policy, key, cost) {
      const decision = await limiter.take(policy, key, cost)
      if (!decision.allowed) metrics.refused(policy)
      return decision
    },
  }
}

/** A span for each hash: what a sign-in mostly consists of, its wait for a thread included. */
export function traceHasher(hasher: PasswordHasher, tracing: Tracing | undefined): PasswordHasher {
  if (!tracing) return hasher
  return {
    hash: (password) => tracing.span({ name: 'argon2 hash' }, () => hasher.hash(password)),
    verify: (hash, password) => tracing.span({ name: 'argon2 verify' }, () => hasher.verify(hash, password)),
  }
}

/** A webhook is made by an operator, or by whom an operator lets: its receiver may know the trace. */
export const webhookDeliveries = { name: 'webhook delivery', tellsTrace: true } as const
export const logoutNotices = { name: 'logout notice', tellsTrace: false } as const
export const clientDocuments = { name: 'client document', tellsTrace: false } as const

/**
 * Counts, times and traces each request. What it asks for stays out of it: URLs of webhooks hold secrets of their receivers.
 * @param tellsTrace whether the receiver may know the trace: somebody whom an operator has chosen. Hosts that a client has
 *   chosen are told nothing: ids of ours would let them recognize who belongs together.
 */
export function watchStrangers(
  strangers: Strangers,
  { metrics, tracing }: Telemetry,
  { name, tellsTrace }: { name: string; tellsTrace: boolean },
): Strangers {
  if (!metrics.isOn && !tracing) return strangers

  async function timed(...[url, options]: Parameters<Strangers['request']>): Promise<StrangerAnswer> {
    const began = performance.now()
    let result = 'none'
    try {
      const answer = await strangers.request(url, options)
      result = `${Math.floor(answer.status / 100)}xx`
      return answer
    } finally {
      metrics.sent(name, result, (performance.now() - began) / 1000)
    }
  }

  if (!tracing) return { close: () => strangers.close(), request: timed }
  return {
    close: () => strangers.close(),
    request: (url, options) =>
      tracing.span({ name, kind: 'client', attributes: { 'http.request.method': options.method } }, async (span) => {
        const headers = tellsTrace ? { ...options.headers, ...tracing.headers() } : options.headers
        const answer = await timed(url, { ...options, ...(headers && { headers }) })
        span.set('http.response.status_code', answer.status)
        if (answer.status >= 400) span.fail(String(answer.status))
        return answer
      }),
  }
}

/**
 * `http/rate-limit` says how often somebody may ask. Policies are named and chosen by configuration, counted in PostgreSQL
 * for all processes together, and told in the fields that clients know. It knows no path, user or client: who calls is a
 * key that others make up, and only the key's digest is stored.
 *
 *   take(policy, key) ──▶ first line (this process: refuses early) ──▶ reserve (this process: taken ahead)
 *                     ──▶ one statement (algorithms.ts) ──▶ Decision ──▶ headers.ts
 *
 * When the database does not answer, requests are let through uncounted: whatever they want needs the database itself, to
 * authenticate before anything else, so nothing is reached without it; and a limiter must not be what makes a server fail.
 */
import { createHash } from 'node:crypto'
import type pg from 'pg'
import type { Logger } from '../../telemetry/logger.ts'
import { algorithms, type Count, type RateLimitPolicy } from './algorithms.ts'
import { createFirstLine } from './first-line.ts'
import { createReserve } from './reserve.ts'

export interface Decision {
  policy: string
  allowed: boolean
  /** False: nothing is known (the policy is off, or the database did not answer), and so nothing can be told. */
  counted: boolean
  /** Units in a window. */
  limit: number
  windowSeconds: number
  /** Whole units that would be admitted now. */
  remaining: number
  /** Whole seconds until there is more than `remaining`. */
  resetSeconds: number
  /** Whole seconds until the same request would be admitted, if nobody else comes; 0 when it was. */
  retryAfterSeconds: number
}

export interface RateLimiter {
  /**
   * Counts a request, unless it is refused.
   * @param key who asks; policies do not share their keys
   * @throws RangeError for a policy that does not exist, and for a cost that no waiting would ever admit. Never because of
   *   the database.
   */
  take(policy: string, key: string, cost?: number): Promise<Decision>
}

export interface RateLimiterOptions {
  /** Of a database with `rateLimitTable`. */
  pool: Pick<pg.Pool, 'query'>
  policies: Readonly<Record<string, RateLimitPolicy | 'off'>>
  log?: Pick<Logger, 'warn' | 'info'>
  /** Milliseconds of a clock that only goes forward; for the first line. */
  now?: () => number
}

/** A database that did not answer is not asked again for so long, so that requests do not all wait for it. */
const PAUSE_MS = 1000

export function createRateLimiter({
  pool,
  policies,
  log,
  now = () => performance.now(),
}: RateLimiterOptions): RateLimiter {
  const firstLine = createFirstLine(now)
  const reserve = createReserve(now)
  let pausedUntil: number | undefined

  async function ask(name: string, policy: RateLimitPolicy, digest: Buffer, cost: number): Promise<Count | undefined> {
    if (pausedUntil !== undefined && now() < pausedUntil) return undefined
    try {
      const { rows } = await pool.query<Count>({
        name: `rate-limit-${policy.algorithm}`,
        text: algorithms[policy.algorithm].statement,
        values: [name, digest, cost, policy.quota, policy.windowSeconds],
      })
      if (pausedUntil !== undefined) log?.info('requests are counted again')
      pausedUntil = undefined
      return rows[0]
    } catch (err) {
      if (pausedUntil === undefined) log?.warn({ err }, 'requests are not counted: the database does not answer')
      pausedUntil = now() + PAUSE_MS
      return undefined
    }
  }

  /** @returns undefined when the database did not answer */
  async function count(
    { name, policy, key }: Counted,
    cost: number,
  ): Promise<{ decision: Decision; resetMs: number } | undefined> {
    const asked = now()
    const answer = await ask(name, policy, digestOf(name, policy, key), cost)
    if (!answer) return undefined
    const { decision, waitMs, resetMs } = decide(name, policy, answer, cost)
    if (!decision.allowed) firstLine.remember(placeOf(name, key), { decision, cost, waitMs, resetMs, asked })
    return { decision, resetMs }
  }

  return {
    async take(name, key, cost = 1) {
      const policy = policyOf(policies, name, cost)
      if (policy === 'off') return uncounted(name)
      const place = placeOf(name, key)
      const early = firstLine.refuse(place, cost)
      if (early) return early
      const counted = { name, policy, key }
      // A leaky bucket saves nothing up, so nothing can be taken ahead.
      const decision =
        cost === 1 && policy.algorithm !== 'leaky-bucket'
          ? await reserve.take(place, policy.quota, (units) => count(counted, units))
          : (await count(counted, cost))?.decision
      return decision ?? uncounted(name, policy)
    },
  }
}

interface Counted {
  name: string
  policy: RateLimitPolicy
  key: string
}

function placeOf(name: string, key: string): string {
  return `${name}\0${key}`
}

function policyOf(policies: RateLimiterOptions['policies'], name: string, cost: number): RateLimitPolicy | 'off' {
  const policy = policies[name]
  if (!policy) throw new RangeError(`there is no rate limit named ${name}`)
  if (!Number.isInteger(cost) || cost < 1) throw new RangeError(`a cost must be a whole number from 1, not ${cost}`)
  if (policy !== 'off' && cost > policy.quota) {
    throw new RangeError(`a cost of ${cost} exceeds the quota of ${policy.quota} of ${name}: no waiting would admit it`)
  }
  return policy
}

/** A policy that was changed counts anew: what was counted by another rule means nothing under this one. */
function digestOf(name: string, { algorithm, quota, windowSeconds }: RateLimitPolicy, key: string): Buffer {
  return createHash('sha256').update(`${name}\0${algorithm}\0${quota}\0${windowSeconds}\0${key}`).digest()
}

function decide(name: string, policy: RateLimitPolicy, count: Count, cost: number) {
  const { room, wait } = algorithms[policy.algorithm]
  const { quota: limit, windowSeconds } = policy
  const remaining = Math.max(0, Math.floor(room(count, policy)))
  const waitMs = count.allowed ? 0 : wait(count, policy, cost) * 1000
  const resetMs = remaining < limit ? wait(count, policy, remaining + 1) * 1000 : 0
  const decision: Decision = {
    policy: name,
    allowed: count.allowed,
    counted: true,
    limit,
    windowSeconds,
    remaining,
    resetSeconds: Math.ceil(resetMs / 1000),
    // Refused and yet free by the time the answer is read: one second is the least that the field can say.
    retryAfterSeconds: count.allowed ? 0 : Math.max(1, Math.ceil(waitMs / 1000)),
  }
  return { decision, waitMs, resetMs }
}

function uncounted(name: string, policy?: RateLimitPolicy): Decision {
  const { quota: limit = 0, windowSeconds = 0 } = policy ?? {}
  const nothing = { remaining: limit, resetSeconds: 0, retryAfterSeconds: 0 }
  return { policy: name, allowed: true, counted: false, limit, windowSeconds, ...nothing }
}

import type { Middleware } from 'koa'
import { networkOf } from '../lib/network.ts'
import { rateLimitHeaders } from './rate-limit/headers.ts'

export interface AddressLimitOptions {
  /** Paths that the limit is for. */
  paths: ReadonlySet<string>
  /** Requests that an address may make in a minute, half of them at once. */
  perMinute: number
  now?: () => number
}

/** Most addresses remembered; the longest unseen goes first. */
const MOST_ADDRESSES = 20_000

/**
 * A first line for requests that anybody may make and that each leave a row behind: every instance lets one address make so
 * many (token bucket), and answers 429 beyond. It bounds what a stranger can write, and asks nobody: the limits that all
 * instances share (rate-limit/) need a row themselves.
 */
export function addressLimit({ paths, perMinute, now = Date.now }: AddressLimitOptions): Middleware {
  const perSecond = perMinute / 60
  const burst = Math.max(1, Math.floor(perMinute / 2))
  const buckets = new Map<string, { left: number; at: number }>()

  return (ctx, next) => {
    if (!paths.has(ctx.path)) return next()
    const time = now()
    const key = networkOf(ctx.ip)
    const known = buckets.get(key)
    const earned = known ? ((time - known.at) / 1000) * perSecond : burst
    const left = Math.min(burst, (known?.left ?? 0) + earned) - 1
    buckets.delete(key)
    buckets.set(key, { left: Math.max(left, -1), at: time })
    if (buckets.size > MOST_ADDRESSES) buckets.delete(buckets.keys().next().value ?? '')
    if (left >= 0) return next()

    ctx.status = 429
    ctx.set(refusal(perMinute, Math.max(1, Math.ceil(-left / perSecond))))
    ctx.body = { error: 'temporarily_unavailable', error_description: 'too many requests from this address' }
    return undefined
  }
}

/** Told to those who are refused only: the others are mostly redirected, and a browser reads none of it. */
function refusal(limit: number, seconds: number): Record<string, string> {
  const nothing = { remaining: 0, resetSeconds: seconds, retryAfterSeconds: seconds }
  return rateLimitHeaders([
    { policy: 'authorize', allowed: false, counted: true, limit, windowSeconds: 60, ...nothing },
  ])
}

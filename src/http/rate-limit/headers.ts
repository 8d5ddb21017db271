import { serializeList } from 'structured-headers'
import type { Decision } from './rate-limiter.ts'

/**
 * What a caller is told of its limits, on success and refusal alike:
 *
 * - `RateLimit-Policy` and `RateLimit`, one item for each policy (draft-ietf-httpapi-ratelimit-headers-10 §§3–4, Structured
 *   Fields): `"api";q=600;w=60` and `"api";r=599;t=12`, where `t` is the seconds until there is more;
 * - the older `X-RateLimit-Limit`, `-Remaining` and `-Reset` (epoch seconds) for the policy that is nearest its end;
 * - `Retry-After` (RFC 9110 §10.2.3) in seconds if one of them refused: no earlier than all of them admit.
 *
 * Who was counted is told nowhere: no partition keys.
 * @param now milliseconds since the epoch
 */
export function rateLimitHeaders(decisions: readonly Decision[], now = Date.now()): Record<string, string> {
  const known = decisions.filter(({ counted }) => counted)
  const tightest = known.length > 1 ? known.toSorted(byTightness)[0] : known[0]
  if (!tightest) return {}
  const refused = known.filter(({ allowed }) => !allowed)
  return {
    'RateLimit-Policy': known
      .map(({ policy, limit, windowSeconds }) => `${named(policy)};q=${limit};w=${windowSeconds}`)
      .join(', '),
    RateLimit: known
      .map(({ policy, remaining, resetSeconds }) => `${named(policy)};r=${remaining};t=${resetSeconds}`)
      .join(', '),
    'X-RateLimit-Limit': String(tightest.limit),
    'X-RateLimit-Remaining': String(tightest.remaining),
    'X-RateLimit-Reset': String(Math.ceil(now / 1000) + tightest.resetSeconds),
    ...(refused.length > 0 && { 'Retry-After': String(Math.max(...refused.map((one) => one.retryAfterSeconds))) }),
  }
}

const names = new Map<string, string>()

/** A policy's name as a String of Structured Fields (RFC 9651 §3.3.3). There are few of them, and this is told with every token. */
function named(policy: string): string {
  const known = names.get(policy) ?? serializeList([[policy, new Map()]])
  names.set(policy, known)
  return known
}

function byTightness(a: Decision, b: Decision): number {
  return Number(a.allowed) - Number(b.allowed) || a.remaining - b.remaining || b.resetSeconds - a.resetSeconds
}

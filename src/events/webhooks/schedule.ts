/** When a delivery is tried again. */

const MINUTE = 60
const HOUR = 60 * MINUTE

/** Seconds before each attempt after the first: ten attempts over a little more than three days. */
export const RETRY_SECONDS: readonly number[] = [
  5,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
]

const LONGEST_RETRY_AFTER = 24 * HOUR
/** So much more or less, so that what failed together does not come back together. */
const JITTER = 0.2

export interface Failure {
  /** How many attempts there have been. */
  attempts: number
  /** `Retry-After` of the answer, as it came. */
  retryAfter?: string | undefined
}

/**
 * Seconds until the next attempt; undefined when there is none. A receiver that says when it wants to be asked again is
 * not asked before (RFC 9110 §10.2.3), within a day.
 */
export function nextAttemptSeconds(
  { attempts, retryAfter }: Failure,
  { schedule = RETRY_SECONDS, random = Math.random, now = Date.now } = {},
): number | undefined {
  const base = schedule[attempts - 1]
  if (base === undefined) return undefined
  const wait = base * (1 + JITTER * (2 * random() - 1))
  return Math.max(wait, Math.min(retryAfterSeconds(retryAfter, now()), LONGEST_RETRY_AFTER))
}

function retryAfterSeconds(value: string | undefined, now: number): number {
  if (value === undefined) return 0
  if (/^\d{1,9}$/.test(value)) return Number(value)
  const at = Date.parse(value)
  return Number.isNaN(at) ? 0 : Math.max(0, (at - now) / 1000)
}

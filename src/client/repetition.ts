/** When a call is tried again, and after how long. Pure rules; `call.ts` acts on them. */
import { NetworkError, type Received } from './errors.ts'

/**
 * What a repetition could do: `harmless` when the same thing sent twice has the effect of one (RFC 9110 §9.2.2, or a POST
 * under an `Idempotency-Key`); `only-undone` when it may be sent again only where the server has certainly not acted: PATCH
 * and POST without a key.
 */
export type Repetition = 'harmless' | 'only-undone'

export interface RequestKind {
  method: string
  /** Carries an `Idempotency-Key`. */
  keyed: boolean
}

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504])
/** The server says that it did not begin. */
const REFUSED = new Set([429, 503])

export function repetitionOf({ method, keyed }: RequestKind): Repetition {
  return IDEMPOTENT.has(method) || keyed ? 'harmless' : 'only-undone'
}

/** Whether the same request may go better in a while. */
export function isWorthRepeating(outcome: Received | NetworkError, kind: RequestKind): boolean {
  const isHarmless = repetitionOf(kind) === 'harmless'
  if (outcome instanceof NetworkError) return outcome.sent ? isHarmless : isPassing(outcome)
  // A try under the same key is still under way, as after a time-out: its answer can be had in a moment.
  if (outcome.status === 409) return kind.keyed && outcome.headers.has('retry-after')
  return (isHarmless ? PASSING : REFUSED).has(outcome.status)
}

/** A certificate that does not fit will not fit in a second either. */
function isPassing({ cause }: NetworkError): boolean {
  const { code = '' } = (cause ?? {}) as NodeJS.ErrnoException
  return !/^(?:ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code)
}

const BASE_MS = 100
const CAP_MS = 5_000

/** Full jitter: anything from nothing to twice as long as before, so that clients that failed together don't return together. */
export function backoffMs(retries: number, random: () => number, capMs = CAP_MS): number {
  return random() * Math.min(capMs, BASE_MS * 2 ** retries)
}

/**
 * `Retry-After` in milliseconds: seconds, or an HTTP-date (RFC 9110 §10.2.3), which is held against the server's own clock
 * where the answer tells it. Never negative. Undefined when there is none, or none that can be read.
 */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? ''
  if (/^\d{1,10}$/.test(value)) return Number(value) * 1000
  const at = httpDate(value)
  if (at === undefined) return undefined
  return Math.max(0, at - (httpDate(headers.get('date') ?? '') ?? now))
}

/** `Date.parse` would also read `7` and `tomorrow 2001`: what it gets must at least look like a date of HTTP. */
function httpDate(value: string): number | undefined {
  if (!/^[A-Z][a-z]{2,8},? .*\d\d:\d\d:\d\d/.test(value)) return undefined
  const time = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`)
  return Number.isNaN(time) ? undefined : time
}

export interface RetryBudget {
  /** One more call has begun. */
  deposit(): void
  /** Takes what one repetition costs. @returns false when there is nothing left */
  withdraw(): boolean
}

/** In tenths of a repetition, so that ten calls pay for exactly one. */
const PRICE = 10
const MOST = 100 * PRICE
const RETURN_MS = 10_000

/**
 * Keeps a client's repetitions to a tenth of its calls once `minimum` are used up, so that a server that is down is not
 * held down by those who wait for it. The minimum comes back within ten seconds.
 */
export function createRetryBudget(minimum: number, now: () => number): RetryBudget {
  const floor = minimum * PRICE
  let balance = floor
  let seen = now()
  const refill = () => {
    const time = now()
    const earned = (Math.max(0, time - seen) * floor) / RETURN_MS
    seen = time
    if (balance < floor) balance = Math.min(floor, balance + earned)
  }
  return {
    deposit: () => {
      refill()
      balance = Math.min(Math.max(MOST, floor), balance + 1)
    },
    withdraw: () => {
      refill()
      if (balance < PRICE) return false
      balance -= PRICE
      return true
    },
  }
}

/** One call from the first try to its end: repetitions, deadline, one new token after a 401. */
import { reasonOf, type Clock } from './clock.ts'
import type { BearerSource } from './credentials.ts'
import { DeadlineError, NetworkError, ProblemError, UnexpectedAnswerError, type Received } from './errors.ts'
import { exchange, LONGEST_TIMER_MS, TryTimeout, type Dispatcher, type HttpRequest } from './exchange.ts'
import { backoffMs, isWorthRepeating, retryAfterMs, type RetryBudget } from './repetition.ts'

/** What all calls of a client share. */
export interface Transport {
  fetch: typeof globalThis.fetch
  dispatcher?: Dispatcher | undefined
  clock: Clock
  random: () => number
  budget: RetryBudget
  /** Of one try. */
  tryTimeoutMs: number
  /** Tries after the first. */
  mostRetries: number
  /** Of an answer's body. */
  mostBytes: number
}

export interface Call extends HttpRequest {
  /** Carries an `Idempotency-Key`, which is the same in every try. */
  keyed: boolean
  /** Left out: the request goes without credentials. */
  bearer?: BearerSource | undefined
  /** For everything: tokens, tries and the time between. */
  deadlineMs: number
  signal?: AbortSignal | undefined
}

const TIME_IS_UP = 'the time for the call is up'

interface Progress {
  /** When the time is up, by the clock. */
  end: number
  retries: number
  /** A try broke off after it was sent. */
  unsure: boolean
  /** The try under way has no time of its own left, only that of the call. */
  isLast: boolean
  /** The token that was refused, and the refusal. */
  refused?: { token: string; answer: Received }
}

/**
 * @returns the answer, of status 200 to 299 or 304
 * @throws ProblemError, NetworkError, DeadlineError, UnexpectedAnswerError, CredentialsError, or the signal's reason
 */
export async function perform(transport: Transport, call: Call): Promise<Received> {
  const { clock, budget } = transport
  const progress: Progress = { end: clock.now() + call.deadlineMs, retries: 0, unsure: false, isLast: false }
  budget.deposit()
  for (;;) {
    const token = await bearerOf(transport, call, progress)
    const outcome = await attempt(transport, call, progress, token)
    if (!(outcome instanceof NetworkError)) {
      if (isGood(outcome.status)) return outcome
      if (isStaleToken(outcome, call, progress, token)) {
        progress.refused = { token, answer: outcome }
        continue
      }
    }
    await waitOrFail(transport, call, progress, outcome)
  }
}

async function bearerOf(transport: Transport, call: Call, progress: Progress): Promise<string | undefined> {
  const { bearer, signal } = call
  const { refused } = progress
  if (!bearer) return undefined
  const withinMs = timeLeft(transport, progress)
  const token = await bearer.token({ rejected: refused?.token, withinMs, signal })
  if (refused && token === refused.token) throw new ProblemError(refused.answer)
  return token
}

/** A token that was revoked, or outlived by its keys, is replaced once; a second 401 means what it says. */
function isStaleToken({ status }: Received, call: Call, progress: Progress, token?: string): token is string {
  return status === 401 && !progress.refused && token !== undefined && call.bearer?.renewable === true
}

function isGood(status: number): boolean {
  return (status >= 200 && status < 300) || status === 304
}

async function attempt(
  transport: Transport,
  call: Call,
  progress: Progress,
  token: string | undefined,
): Promise<Received | NetworkError> {
  const left = timeLeft(transport, progress)
  const timeoutMs = Math.min(left, transport.tryTimeoutMs)
  progress.isLast = left <= transport.tryTimeoutMs
  const headers = { ...call.headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) }
  try {
    return await exchange({ ...call, headers }, { ...transport, timeoutMs, signal: call.signal })
  } catch (error) {
    if (error instanceof NetworkError) return error
    throw error
  }
}

/** Waits until the next try; or throws what this one ended with, when there shall be none. */
async function waitOrFail(
  transport: Transport,
  call: Call,
  progress: Progress,
  outcome: Received | NetworkError,
): Promise<void> {
  const { clock, budget, random, mostRetries } = transport
  const given = outcome instanceof NetworkError ? undefined : retryAfterMs(outcome.headers, clock.now())
  const wait = (given ?? 0) + backoffMs(progress.retries, random)
  const mayRepeat = isWorthRepeating(outcome, call) && progress.retries < mostRetries
  const isInTime = clock.now() + wait < progress.end
  if (mayRepeat && isInTime && budget.withdraw()) {
    progress.retries += 1
    progress.unsure ||= outcome instanceof NetworkError ? outcome.sent : outcome.status >= 500 || outcome.status === 408
    return clock.sleep(wait, call.signal)
  }
  if (outcome instanceof NetworkError) {
    // Timers may ring early, so that the clock alone does not tell.
    const isOver = clock.now() >= progress.end || (progress.isLast && outcome.cause instanceof TryTimeout)
    throw isOver ? new DeadlineError(TIME_IS_UP, { cause: outcome }) : outcome
  }
  if (outcome.status < 400) throw redirected(outcome)
  const retryAfter = given === undefined ? undefined : Math.ceil(given / 1000)
  throw new ProblemError(outcome, { retryAfter, mayHaveSucceeded: progress.unsure })
}

function redirected({ status, headers }: Received): UnexpectedAnswerError {
  const target = URL.parse(headers.get('location') ?? '')?.origin ?? 'another place'
  return new UnexpectedAnswerError(`the server answered ${status} and pointed to ${target}; not followed`, status)
}

/** @throws DeadlineError when there is none */
function timeLeft({ clock }: Transport, { end }: Progress): number {
  const left = end - clock.now()
  if (left <= 0) throw new DeadlineError(TIME_IS_UP)
  return left
}

/**
 * Waits for what others wait for too: who goes away, or has no more time, leaves it running.
 * @throws DeadlineError, the signal's reason, or what the work throws
 */
export async function shared<T>(
  work: Promise<T>,
  { withinMs, signal }: { withinMs: number; signal?: AbortSignal | undefined },
): Promise<T> {
  work.catch(() => undefined) // nobody may be left to hear of it
  if (signal?.aborted) throw reasonOf(signal)
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(reasonOf(signal))
  const timer = setTimeout(() => reject(new DeadlineError(TIME_IS_UP)), Math.min(withinMs, LONGEST_TIMER_MS))
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

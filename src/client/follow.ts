/**
 * Follows what happens on the server, event after event, by long poll. A stream of server-sent events would say the same with
 * fewer requests, but each answer of a poll is whole or it is none, ends within half a minute, passes every proxy, and is
 * refused with a status: so a lost connection, an expired token, a full quota and a restart are what they are for any other
 * call. The place in the order moves only when an answer has come as a whole and its events were taken: nothing is lost
 * between two answers, and nothing is told twice.
 */
import type { GrantryEvent } from './event.ts'
import {
  DeadlineError,
  HistoryGoneError,
  NetworkError,
  ProblemError,
  UnexpectedAnswerError,
  type GrantryError,
} from './errors.ts'
import type { Query } from './operation.ts'
import { backoffMs, isWorthRepeating } from './repetition.ts'
import { request, type Endpoint } from './request.ts'

export interface FollowOptions {
  /** A cursor: what comes behind it. Left out, and without `since`: what comes from now on. */
  after?: string | undefined
  /** What was written at this time or later, as far as it is kept. */
  since?: Date | undefined
  /** Only of these channels, such as `users`. */
  channels?: readonly string[] | undefined
  /** Only of these types, such as `user.deleted`. */
  types?: readonly GrantryEvent['type'][] | undefined
  /** Ends the loop, at once and without an error. */
  signal?: AbortSignal | undefined
  /**
   * Everything up to this cursor has been taken: the loop's body is done with it, or it was not asked for. To be stored by
   * whoever wants to go on there after a restart; awaited. `live`: there is nothing more at the moment.
   */
  onCursor?: ((cursor: string, state: { live: boolean }) => unknown) | undefined
  /** Something is in the way, and is tried again after so many milliseconds. For a log. */
  onInterruption?: ((error: GrantryError, next: { waitMs: number }) => void) | undefined
  /** How long an interruption may last, in milliseconds, before it ends the loop. Left out: for ever. */
  deadlineMs?: number | undefined
  /** For how long the server holds a poll on which nothing happens, 1 to 30. Default 25, below what proxies cut. */
  waitSeconds?: number | undefined
}

export interface Followed {
  /** For `after`, to go on behind this event. */
  cursor: string
  event: GrantryEvent
}

const LIMIT = '500'
/** Between what the server is asked to wait and when it is given up. */
const PATIENCE_MS = 10_000
const LONGEST_BACKOFF_MS = 30_000
/** A server that asks for more than this has made a mistake, or its proxy has. */
const LONGEST_RETRY_AFTER_MS = 15 * 60_000
/** An answer without events that came sooner was not waited for: the server is stopping, or something swallows `Prefer`. */
const SOON_MS = 500

/**
 * Tells events for ever, in order, each once. Whatever passes is waited for: lost connections, restarts, 429 and 5xx (with
 * `Retry-After`), tokens that ended.
 * @throws HistoryGoneError when events behind the cursor are no longer kept; ProblemError for what waiting does not mend (a
 * scope that is missing, a cursor of elsewhere); CredentialsError; and what an interruption ended with after `deadlineMs`
 */
export async function* followEvents(
  endpoint: Endpoint,
  options: FollowOptions,
): AsyncGenerator<Followed, void, undefined> {
  const { signal, onCursor } = options
  const nextPage = createPolls(endpoint, options)
  for (;;) {
    const page = await unlessAborted(nextPage, signal)
    if (!page) return
    for (const [index, { cursor, ...event }] of page.events.entries()) {
      yield { cursor, event }
      const isLast = index === page.events.length - 1
      await onCursor?.(isLast ? page.cursor : cursor, { live: isLast && page.isLive })
      if (signal?.aborted) return
    }
    if (page.events.length === 0) await onCursor?.(page.cursor, { live: page.isLive })
  }
}

async function unlessAborted<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  if (signal?.aborted) return undefined
  try {
    return await work()
  } catch (error) {
    if (signal?.aborted) return undefined
    throw error
  }
}

interface Page {
  events: (GrantryEvent & { cursor: string })[]
  /** Behind all of them, and behind what was not asked for. */
  cursor: string
  isLive: boolean
}

/** @returns asks for the next page until it has one */
function createPolls(endpoint: Endpoint, options: FollowOptions): () => Promise<Page> {
  const { clock, random } = endpoint.transport
  const { signal, onInterruption, deadlineMs = Number.POSITIVE_INFINITY } = options
  const wait = waitSecondsOf(options)
  const filters = { limit: LIMIT, types: options.types, channels: options.channels }
  let from: Query = startOf(options)
  // The first answer, and the first after a break, is not waited for: whether one is up to date shall be known at once.
  let isLive = false
  let failures = 0
  let hasty = 0
  let goodAt = clock.now()

  async function recover(error: unknown): Promise<void> {
    isLive = false
    if (error instanceof ProblemError && error.code === 'history-gone') throw new HistoryGoneError(error)
    if (!isPassing(error)) throw error
    const retryAfter = error instanceof ProblemError ? (error.retryAfter ?? 0) * 1000 : 0
    const waitMs = Math.min(retryAfter, LONGEST_RETRY_AFTER_MS) + backoffMs(failures, random, LONGEST_BACKOFF_MS)
    if (clock.now() + waitMs - goodAt > deadlineMs) throw error
    failures += 1
    onInterruption?.(error, { waitMs })
    await clock.sleep(waitMs, signal)
  }

  async function ask(): Promise<Page> {
    const seconds = isLive ? wait : 0
    const asked = clock.now()
    const page = await poll(endpoint, { query: { ...from, ...filters }, seconds, signal })
    const isHasty = seconds > 0 && page.events.length === 0 && page.isLive && clock.now() - asked < SOON_MS
    hasty = isHasty ? hasty + 1 : 0
    failures = 0
    goodAt = clock.now()
    isLive = page.isLive
    from = { after: page.cursor }
    return page
  }

  return async () => {
    if (hasty > 0) await clock.sleep(backoffMs(hasty, random), signal)
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        if (signal?.aborted) throw error
        await recover(error)
      }
    }
  }
}

interface Poll {
  query: Query
  seconds: number
  signal: AbortSignal | undefined
}

async function poll(endpoint: Endpoint, { query, seconds, signal }: Poll): Promise<Page> {
  const tryTimeoutMs = seconds * 1000 + PATIENCE_MS
  const transport = { ...endpoint.transport, tryTimeoutMs, mostRetries: 0 }
  const { body } = await request(
    { ...endpoint, transport },
    {
      method: 'GET',
      path: '/events',
      query,
      headers: seconds > 0 ? { prefer: `wait=${seconds}` } : {},
      // The try's time, and that of getting a token before it.
      deadlineMs: tryTimeoutMs + endpoint.deadlineMs,
      ...(signal && { signal }),
    },
  )
  return readPage(body, query)
}

function readPage(body: unknown, { after }: Query): Page {
  const { data, pagination } = Object(body) as { data?: unknown; pagination?: unknown }
  const { next_cursor: cursor, has_more: hasMore } = Object(pagination) as Record<string, unknown>
  const isWhole =
    Array.isArray(data) && data.every(isEvent) && typeof cursor === 'string' && typeof hasMore === 'boolean'
  // Whoever went on from there would be told the same events for ever.
  if (!isWhole || (cursor === after && (hasMore || data.length > 0))) {
    throw new UnexpectedAnswerError('the server answered something else than the next page of events', 200)
  }
  return { events: data, cursor, isLive: !hasMore }
}

function isEvent(value: unknown): value is GrantryEvent & { cursor: string } {
  const { id, type, cursor } = Object(value) as Record<string, unknown>
  return [id, type, cursor].every((text) => typeof text === 'string')
}

/** Whether the same poll may go better in a while. */
function isPassing(error: unknown): error is GrantryError {
  if (error instanceof DeadlineError) return true
  // A page of a proxy's own, or JSON that was cut off. Where a redirect leads, nobody goes.
  if (error instanceof UnexpectedAnswerError) return error.status === 200
  const kind = { method: 'GET', keyed: false }
  if (error instanceof NetworkError) return isWorthRepeating(error, kind)
  if (!(error instanceof ProblemError)) return false
  const { status, headers, body: text } = error
  return isWorthRepeating({ status, headers, text }, kind)
}

function startOf({ after, since }: FollowOptions): Query {
  if (after !== undefined && since !== undefined) throw new TypeError('after and since are two places to begin at')
  return since === undefined ? { after: after ?? 'latest' } : { since }
}

function waitSecondsOf({ waitSeconds = 25 }: FollowOptions): number {
  if (Number.isInteger(waitSeconds) && waitSeconds >= 1 && waitSeconds <= 30) return waitSeconds
  throw new TypeError('waitSeconds must be a whole number from 1 to 30')
}

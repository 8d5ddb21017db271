/**
 * More requests than the process can answer must not become a queue: everybody in it waits longer than they are willing to,
 * and what is answered at last nobody reads any more. So what comes in beyond a limit is refused at once, cheaply, and the
 * limit follows what is measured: the time that work stands in queues (the event loop, the thread pool, the pool of database
 * connections), not how long it takes. A slow database with free connections is no overload.
 *
 *   delay ≤ target ──────────────▶ limit grows towards the most
 *   delay > target, all the while ▶ limit shrinks step by step, never below the least (that much is always tried)
 *
 * As in CoDel (RFC 8289) it is the delay that stands which counts: a burst that is over within the interval is let through.
 */
import { randomFill } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'
import type { Context, Middleware } from 'koa'

/** Why a request was refused: too many under way for this process at any time, or for what it can do now. */
export type ShedReason = 'in_flight' | 'delay'

export interface OverloadOptions {
  /** Requests under way at once, at most. */
  maxInFlight: number
  /** False: delays are measured and told, and nobody is refused for them. */
  byDelay?: boolean
  /** Further queues: each tells how long whoever passed it since the last question has stood in it at least, in milliseconds. */
  delays?: readonly (() => number)[]
  /** Paths whose requests are let through and not counted: health, and what is answered from memory. */
  isExempt?: (path: string) => boolean
  /** Requests that wait for something to happen: refused as others are, but not counted while they wait. */
  isPatient?: (ctx: Context) => boolean
  /** Answers in the language of the path; status, `Retry-After` and `Cache-Control` are set. */
  refuse: (ctx: Context) => void
  /** The same in the fewest words, for floods. */
  refuseBarely?: (path: string) => { type: string; body: string }
  onShed?: ((reason: ShedReason) => void) | undefined
  /** Once when it begins, and once when it is over. */
  onChange?: ((state: { shedding: boolean; delayMs: number; shed: number }) => void) | undefined
}

export interface Overload {
  middleware: Middleware
  /**
   * In front of everything else: in a flood even to refuse costs too much, with a context, a trace and a line in the log for
   * each. What is beyond so many refusals in a moment is refused here, and told as a number when it is over.
   */
  guard(handle: RequestListener): RequestListener
  /** For metrics. */
  state(): { inFlight: number; limit: number; delayMs: number }
  stop(): void
}

const TICK_MS = 100
const TARGET_MS = 200
/** So many looks in a row above the target are a queue that stands. */
const STANDING_TICKS = 3
const LEAST_IN_FLIGHT = 16
/** Refusals of one look that get the whole answer and a line in the log. */
const WHOLE_REFUSALS = 20
/** Calm for so long, it is over. */
const CALM_TICKS = 20
/** Seconds: those who are refused come back spread over this, the wider the longer it lasts. */
const LEAST_SPREAD = 2
const MOST_SPREAD = 10

export function createOverload(options: OverloadOptions): Overload {
  const {
    maxInFlight,
    byDelay = true,
    delays = [],
    isExempt = () => false,
    isPatient = () => false,
    refuse,
    refuseBarely = plainly,
    onShed,
    onChange,
  } = options
  const gauge = createGauge(delays)
  const least = Math.min(LEAST_IN_FLIGHT, maxInFlight)
  let inFlight = 0
  let limit = maxInFlight
  let standing = 0
  /** Of this time of refusals: how many, and for how many looks nobody was refused. */
  let episode: { shed: number; before: number; ticks: number; calm: number } | undefined

  const timer = setInterval(() => {
    const delayMs = gauge.read()
    standing = byDelay && delayMs > TARGET_MS ? standing + 1 : 0
    if (standing >= STANDING_TICKS) limit = Math.max(least, Math.floor(Math.min(limit, inFlight) * 0.8))
    else if (delayMs <= TARGET_MS) limit = Math.min(maxInFlight, Math.ceil(limit * 1.1))
    if (episode) follow(episode, delayMs)
  }, TICK_MS).unref()

  function follow(now: NonNullable<typeof episode>, delayMs: number): void {
    now.ticks += 1
    now.calm = now.shed === now.before ? now.calm + 1 : 0
    now.before = now.shed
    if (now.calm < CALM_TICKS) return
    episode = undefined
    onChange?.({ shedding: false, delayMs, shed: now.shed })
  }

  /** Takes note of a refusal. @returns `Retry-After` */
  function note(): string {
    if (!episode) onChange?.({ shedding: true, delayMs: gauge.last(), shed: 0 })
    episode ??= { shed: 0, before: 0, ticks: 0, calm: 0 }
    episode.shed += 1
    onShed?.(limit < maxInFlight ? 'delay' : 'in_flight')
    const spread = Math.min(MOST_SPREAD, LEAST_SPREAD + (episode.ticks * TICK_MS) / 1000)
    return String(1 + Math.floor(Math.random() * spread))
  }

  function shed(ctx: Context): void {
    ctx.status = 503
    ctx.set('Retry-After', note())
    ctx.set('Cache-Control', 'no-store')
    refuse(ctx)
  }

  function isFlood(req: IncomingMessage): boolean {
    if (inFlight < limit || !episode || episode.shed - episode.before < WHOLE_REFUSALS) return false
    return req.method !== 'OPTIONS' && !isExempt(pathOf(req))
  }

  return {
    async middleware(ctx, next) {
      if (isExempt(ctx.path)) return next()
      if (inFlight >= limit) return shed(ctx)
      if (isPatient(ctx)) return next()
      inFlight += 1
      try {
        await next()
      } finally {
        inFlight -= 1
      }
    },
    guard: (handle) => (req, res) => {
      if (!isFlood(req)) return handle(req, res)
      const { type, body } = refuseBarely(pathOf(req))
      const headers = { 'Retry-After': note(), 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' }
      res.writeHead(503, { ...headers, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
      res.end(req.method === 'HEAD' ? undefined : body)
    },
    state: () => ({ inFlight, limit, delayMs: gauge.last() }),
    stop() {
      clearInterval(timer)
      gauge.stop()
    },
  }
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

function plainly(): { type: string; body: string } {
  return { type: 'text/plain; charset=utf-8', body: 'Too much to do at this moment. Try again in a little while.' }
}

/** The longest of the queues: the event loop's and the thread pool's are measured by standing in them. */
function createGauge(delays: readonly (() => number)[]) {
  const ticket = Buffer.alloc(1)
  let due = performance.now() + TICK_MS
  let enteredAt: number | undefined
  let threadsMs = 0
  let last = 0
  let stopped = false

  function enterThreads(): void {
    enteredAt = performance.now()
    randomFill(ticket, () => {
      threadsMs = performance.now() - (enteredAt ?? 0)
      enteredAt = undefined
    })
  }

  return {
    read(): number {
      const now = performance.now()
      const loopMs = Math.max(0, now - due)
      due = now + TICK_MS
      const waiting = enteredAt === undefined ? threadsMs : now - enteredAt
      if (enteredAt === undefined && !stopped) enterThreads()
      last = Math.max(loopMs, waiting, ...delays.map((delay) => delay()))
      return last
    },
    last: () => last,
    stop: () => void (stopped = true),
  }
}

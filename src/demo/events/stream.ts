/** Server-sent events (WHATWG HTML §9.2) about one person, for as long as their token is good. */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { AccountEvents } from './feed.ts'
import type { KeptEvent } from './event.ts'

export interface StreamOptions {
  events: AccountEvents
  userId: string
  /** The position after which to begin. */
  after: number
  /** When the token ends, and the stream with it. */
  until: Date
  present: (event: KeptEvent) => object
  /** Aborted when the reader leaves or the server stops. */
  signal: AbortSignal
}

/** So that proxies see life in a stream on which nothing happens; also looks again, should a hint have been lost. */
const HEARTBEAT_MS = 15_000
/** For readers: when to come back after a break. */
const RETRY_MS = 2_000
const LONGEST_TIMER_MS = 2 ** 31 - 1
const PAGE = 100

/** @returns undefined when the person has too many of them open */
export function openStream(options: StreamOptions): PassThrough | undefined {
  const { events, userId, until } = options
  const bell = createBell()
  const unfollow = events.follow(userId, bell.ring)
  if (!unfollow) return undefined
  const stream = new PassThrough({ highWaterMark: 64 * 1024 })
  const over = new AbortController()
  // Broken off by the reader: its affair.
  stream.on('error', () => over.abort())
  const left = Math.min(LONGEST_TIMER_MS, Math.max(0, until.getTime() - Date.now()))
  const expiry = setTimeout(() => over.abort('expired'), left).unref()
  const signal = AbortSignal.any([options.signal, over.signal])
  void tell(stream, { ...options, signal }, bell)
    .catch(() => undefined)
    .finally(() => {
      clearTimeout(expiry)
      unfollow()
      if (over.signal.reason === 'expired') stream.write(endOf('The access token has expired'))
      stream.end()
    })
  return stream
}

async function tell(stream: PassThrough, { events, userId, after, present, signal }: StreamOptions, bell: Bell) {
  let position = after
  stream.write(`retry: ${RETRY_MS}\n\n`)
  while (!signal.aborted) {
    const page = await events.after(userId, position, PAGE)
    for (const event of page) {
      position = event.position
      const text = `id: ${position}\nevent: ${event.type}\ndata: ${JSON.stringify(present(event))}\n\n`
      // A reader that takes nothing is waited for; what it does not take is not read.
      if (!stream.write(text)) await once(stream, 'drain', { signal })
    }
    if (page.length === PAGE || (await bell.wait(HEARTBEAT_MS, signal))) continue
    if (!signal.aborted) stream.write(': live\n\n')
  }
}

function endOf(detail: string): string {
  return `event: end\ndata: ${JSON.stringify({ detail })}\n\n`
}

interface Bell {
  ring: () => void
  /** @returns false when nobody rang in time. A ring while nobody waits counts for the next wait. */
  wait(milliseconds: number, signal: AbortSignal): Promise<boolean>
}

function createBell(): Bell {
  let hasRung = false
  let wake: (() => void) | undefined
  return {
    ring() {
      hasRung = true
      wake?.()
    },
    async wait(milliseconds, signal) {
      if (!hasRung && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const stop = () => resolve()
        const timeout = setTimeout(stop, milliseconds)
        signal.addEventListener('abort', stop, { once: true })
        wake = stop
        await promise
        wake = undefined
        signal.removeEventListener('abort', stop)
        clearTimeout(timeout)
      }
      const rang = hasRung
      hasRung = false
      return rang
    },
  }
}

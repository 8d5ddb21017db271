/** Server-sent events (WHATWG HTML §9.2): the same loop as a socket's, written as text that browsers can read by themselves. */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { EventFeed } from '../../events/feed.ts'
import { createExpiry } from '../../events/stream/expiry.ts'
import { CredentialsEndedError, follow, type Credentials, type Told } from '../../events/stream/follow.ts'
import type { RightsWatch } from '../../events/stream/rights-watch.ts'
import type { Context } from 'koa'
import type { Answer } from '../../http/api/operation.ts'
import type { Wanted } from './operations.ts'

export interface StreamOptions {
  feed: EventFeed
  rights: RightsWatch
  credentials: Credentials
  wanted: Wanted
  after: number
  /** Aborted when the reader leaves or the server stops. */
  signal: AbortSignal
}

/** So that proxies see life in a stream on which nothing happens. */
const HEARTBEAT_MS = 15_000
/** For browsers: when to come back after a break. */
const RETRY_MS = 2_000

/** Begins the stream and returns; it goes on until the reader leaves, the credentials end or the server stops. */
export function streamEvents(ctx: Context, options: StreamOptions): Answer {
  const stream = new PassThrough({ highWaterMark: 64 * 1024 })
  ctx.status = 200
  ctx.set({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    // For proxies that would keep it back until there is enough of it.
    'x-accel-buffering': 'no',
  })
  ctx.body = stream
  // A HEAD, whose answer ends at once, has no reader either.
  const gone = new AbortController()
  ctx.res.once('close', () => gone.abort())
  void tell(stream, { ...options, signal: AbortSignal.any([options.signal, gone.signal]) })
  return { handled: true }
}

async function tell(stream: PassThrough, options: StreamOptions): Promise<void> {
  const { feed, rights, credentials, wanted, after } = options
  const ended = new AbortController()
  const signal = AbortSignal.any([options.signal, ended.signal])
  let isOver = false
  const turnOut = () => {
    isOver = true
    ended.abort()
  }
  const unwatch = rights.watch(() => credentials, turnOut)
  const expiry = createExpiry({ onEnd: turnOut })
  expiry.watch(credentials.expiresAt)
  // Broken off by the reader: its affair.
  stream.on('error', () => ended.abort())
  stream.write(`retry: ${RETRY_MS}\n\n`)
  try {
    const told = follow({
      feed,
      credentials: () => credentials,
      channels: () => wanted.channels,
      after,
      signal,
      idleMs: HEARTBEAT_MS,
    })
    for await (const one of told) {
      const isWanted = !one.event || !wanted.types || wanted.types.has(one.event.type)
      const text = isWanted ? textOf(one) : textOf({ ...one, event: undefined })
      // A reader that takes nothing is waited for; what it does not take is not read.
      if (!stream.write(text)) await once(stream, 'drain', { signal }).catch(() => undefined)
    }
    if (isOver) stream.write(farewell('the credentials are good no more'))
  } catch (error) {
    const known = error instanceof CredentialsEndedError
    stream.write(farewell(known ? 'the credentials are good no more' : 'the stream broke off; come back'))
  } finally {
    expiry.stop()
    unwatch()
    stream.end()
  }
}

/** Without an event: a comment, and the cursor, which a browser remembers without telling anybody. */
function textOf({ cursor, event }: Told): string {
  if (!event) return `: live\nid: ${cursor}\n\n`
  return `id: ${cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

function farewell(detail: string): string {
  return `event: end\ndata: ${JSON.stringify({ detail })}\n\n`
}

/**
 * The ordered stream of events, read by position. Whoever follows it — webhooks, long polls, server-sent events, sockets —
 * pulls: read what is after my position, and when there is nothing, wait. So catching up and being live are one loop, and
 * there is no seam at which an event could be lost or told twice. Each process keeps the newest events in memory, so that a
 * thousand live readers cost one statement; whoever is further behind reads the table.
 */
import type { Database } from '../database/connect.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { EventType } from './catalogue.ts'
import { ORDERED } from './order.ts'

/** One event as it was recorded. Never changed, but for what erasing a person takes out of `data`. */
export interface FeedEvent {
  /** In the stream, from 1, without holes: the cursor. */
  position: number
  /** Constant: by this a receiver knows an event that it has seen. */
  id: number
  type: EventType
  at: Date
  actor: string | null
  subject: string | null
  userId: string | null
  clientId: string | null
  data: Record<string, unknown>
}

export interface FeedPage {
  events: FeedEvent[]
  /** Everything up to here has been looked at: the position from which to go on, also when nothing fitted. */
  upTo: number
}

export interface EventFeed {
  /** The newest position that this process knows of. */
  latest(): number
  /** The oldest position that is kept. */
  oldest(): Promise<number>
  /** The position after which everything is that was written at this time or later, and is kept. */
  before(time: Date): Promise<number>
  /**
   * Events after a position, in order.
   * @param options.types only these; the page may then be short or empty though there is more: go on from `upTo`
   * @throws HistoryGoneError when events after the position have been swept; UnknownPositionError when it is yet to come
   */
  read(after: number, options: { limit: number; types?: ReadonlySet<EventType> | undefined }): Promise<FeedPage>
  /** Waits until something is after the position. @returns false when the time is over or the signal aborted */
  wait(after: number, options: { ms: number; signal?: AbortSignal | undefined }): Promise<boolean>
  close(): Promise<void>
}

/** A reader was away for longer than events are kept. It has missed some and must look at the things themselves. */
export class HistoryGoneError extends Error {
  override readonly name = 'HistoryGoneError'
  readonly oldest: number

  constructor(oldest: number) {
    super(`events before position ${oldest} have been swept`)
    this.oldest = oldest
  }
}

/** A position beyond the end: of another installation, or from before a backup was restored. */
export class UnknownPositionError extends Error {
  override readonly name = 'UnknownPositionError'
}

const REMEMBERED = 1000
const BATCH = 500
/** Hints can be lost with a connection. */
const POLL_MS = 1000

const READ = {
  name: 'read-events',
  text: `select position, id, type, at, actor, subject, user_id as "userId", client_id as "clientId", data
    from events where position > $1 order by position limit $2`,
}

const ENDS = {
  name: 'read-event-order',
  text: 'select last_position as last, swept_position as swept from event_order',
}

// The times of neighbours may lie the other way round than their positions: all are looked at (events_by_age). `offset 0`
// keeps the planner from walking through all positions for the least.
const BEFORE = {
  name: 'event-position-before',
  text: `select coalesce(
      (select min(position) - 1 from (
        select position from events where at >= $1 and position is not null offset 0
      ) as since),
      (select last_position from event_order)) as position`,
}

interface Ends {
  last: number
  swept: number
}

/** Follows the stream for this process. */
export async function openEventFeed({ db, log }: { db: Database; log: Logger }): Promise<EventFeed> {
  const recent: FeedEvent[] = []
  const waiting = new Set<() => void>()
  let latest = (await readEnds()).last
  let pulling: Promise<void> | undefined
  let isDue = false
  let isClosed = false
  const unlisten = await db.listen(ORDERED, () => void pull())
  const timer = setInterval(() => void pull(), POLL_MS)
  timer.unref()
  void pull()

  async function readEnds(): Promise<Ends> {
    const { rows } = await db.pool.query<Ends>(ENDS)
    return rows[0] ?? { last: 0, swept: 0 }
  }

  async function readRows(after: number, limit: number): Promise<FeedEvent[]> {
    const { rows } = await db.pool.query<FeedEvent>({ ...READ, values: [after, limit] })
    return rows
  }

  /** Takes what is new into memory and wakes whoever waits. A call during a pull makes one more follow it. */
  function pull(): Promise<void> {
    isDue = true
    return (pulling ??= (async () => {
      while (isDue && !isClosed) {
        isDue = false
        await takeNew()
      }
    })()
      .catch((err: unknown) => {
        log.warn({ err }, 'the event feed could not be read; the next turn tries again')
      })
      .finally(() => (pulling = undefined)))
  }

  async function takeNew(): Promise<void> {
    for (let found = BATCH; found === BATCH;) {
      const rows = await readRows(latest, BATCH)
      found = rows.length
      const last = rows.at(-1)
      if (!last) return
      recent.push(...rows)
      recent.splice(0, recent.length - REMEMBERED)
      latest = last.position
      for (const wake of waiting) wake()
    }
  }

  /** From memory when it reaches back far enough. */
  async function rowsAfter(after: number): Promise<FeedEvent[]> {
    const first = recent[0]
    if (first && after >= first.position - 1 && after <= latest) {
      const from = after + 1 - first.position
      return recent.slice(from, from + BATCH)
    }
    const rows = await readRows(after, BATCH)
    if (rows[0]?.position === after + 1) return rows
    const { last, swept } = await readEnds()
    if (after > last) throw new UnknownPositionError(`there is no position ${after} yet`)
    if (after < swept) throw new HistoryGoneError(swept + 1)
    return rows
  }

  return {
    latest: () => latest,
    oldest: async () => (await readEnds()).swept + 1,
    async before(time) {
      const { rows } = await db.pool.query<{ position: number }>({ ...BEFORE, values: [time] })
      return rows[0]?.position ?? 0
    },
    async read(after, { limit, types }) {
      const rows = await rowsAfter(after)
      const events: FeedEvent[] = []
      let upTo = after
      for (const row of rows) {
        if (events.length === limit) break
        if (!types || types.has(row.type)) events.push(row)
        upTo = row.position
      }
      return { events, upTo }
    },
    async wait(after, { ms, signal }) {
      if (latest > after) return true
      if (isClosed || signal?.aborted) return false
      const { promise, resolve } = Promise.withResolvers<void>()
      const timeout = setTimeout(resolve, ms)
      const wake = () => (latest > after || isClosed ? resolve() : undefined)
      const abort = () => resolve()
      waiting.add(wake)
      signal?.addEventListener('abort', abort, { once: true })
      await promise
      clearTimeout(timeout)
      waiting.delete(wake)
      signal?.removeEventListener('abort', abort)
      return latest > after
    },
    async close() {
      isClosed = true
      clearInterval(timer)
      await unlisten()
      await pulling
      for (const wake of waiting) wake()
    },
  }
}

/**
 * `events/webhooks` delivers: it makes deliveries from the ordered feed (fan-out), and sends them until they are taken
 * (lanes). Both are done by every instance at once; rows decide who does what, so any of them may be killed at any moment.
 * A receiver gets each event at least once, and usually in order, but neither exactly once nor surely in order.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../database/connect.ts'
import type { MasterKeys } from '../../lib/master-key.ts'
import { createTurns } from '../../lib/turns.ts'
import type { Strangers } from '../../outbound/stranger.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { EventFeed } from '../feed.ts'
import { createFanOut, DELIVERIES, type RightsOf } from './fan-out.ts'
import { runLane } from './lane.ts'
import { findDueWebhooks } from './queue.ts'

export interface DispatcherOptions {
  db: Database
  feed: EventFeed
  masterKeys: MasterKeys
  strangers: Strangers
  rightsOf: RightsOf
  log: Logger
  /** Seconds before each attempt after the first; for tests. */
  schedule?: readonly number[]
  /** How long a receiver may take; 15 s unless given. */
  timeoutMs?: number
}

/** Retries become due by time alone. */
const POLL_MS = 1000
const TIMEOUT_MS = 15_000
/** At a stop, what is on its way has so long to arrive. */
const GRACE_MS = 3000

export async function startWebhooks(options: DispatcherOptions): Promise<{ stop(): Promise<void> }> {
  const { db, feed, log, schedule, timeoutMs = TIMEOUT_MS } = options
  const hurry = new AbortController()
  const stopping = new AbortController()
  const { signal } = stopping
  const lanes = new Map<string, Promise<void>>()
  const fanOut = createFanOut({ db, feed, rightsOf: options.rightsOf })
  const turns = createTurns({ everyMs: POLL_MS })
  let onEmptied: () => void = () => undefined
  const unlisten = await db.listen(DELIVERIES, () => turns.nudge())
  const running = [follow(), dispatch()]

  /** Makes deliveries of what the feed brings, and of what was left in it while a queue was full. */
  async function follow(): Promise<void> {
    while (!signal.aborted) {
      const seen = feed.latest()
      try {
        if ((await fanOut.run()) > 0) turns.nudge()
      } catch (err) {
        log.warn({ err }, 'events could not be made into deliveries; the next turn tries again')
        await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
      }
      const emptied = Promise.withResolvers<void>()
      onEmptied = emptied.resolve
      await Promise.race([feed.wait(seen, { ms: POLL_MS, signal }), emptied.promise])
    }
  }

  /** Opens a lane for each webhook that has something due. */
  async function dispatch(): Promise<void> {
    while (!signal.aborted) {
      turns.begin()
      try {
        for (const id of await findDueWebhooks(db.pool)) if (!lanes.has(id)) openLane(id)
      } catch (err) {
        log.warn({ err }, 'due webhook deliveries could not be read; the next turn tries again')
      }
      if (!signal.aborted) await turns.rest()
    }
  }

  function openLane(id: string): void {
    const lane = runLane(id, { ...options, schedule, timeoutMs, signal, hurry: hurry.signal })
      .catch((err: unknown) => log.warn({ err, webhook: id }, 'delivering broke off; the next turn tries again'))
      .finally(() => {
        lanes.delete(id)
        onEmptied()
      })
    lanes.set(id, lane)
  }

  return {
    /** What is on its way has some seconds to arrive; what is merely due stays in the table. */
    async stop() {
      stopping.abort()
      turns.nudge()
      await unlisten()
      const timer = setTimeout(() => hurry.abort(), GRACE_MS)
      await Promise.all(running)
      await Promise.all(lanes.values())
      clearTimeout(timer)
    },
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../database/connect.ts'
import type { Election } from '../database/election.ts'
import { run, statement } from '../database/statement.ts'
import { createTurns } from '../lib/turns.ts'
import type { Logger } from '../telemetry/logger.ts'

/** Somebody wrote events (trigger of migration 0009-event-order). */
export const WRITTEN = 'grantry_events'
/** Events have got positions and can be read; the payload is the last one (put_events_in_order, migration 0022). */
export const ORDERED = 'grantry_feed'

const BATCH = 1000
/** Hints can be lost with a connection; the table can't. */
const POLL_MS = 1000
/** Each turn is followed by all who read, in every instance: what is written in one moment is one turn. */
const MOMENT_MS = 50

const PUT_IN_ORDER = statement('select put_events_in_order($1)::int as placed')

/** Gives positions to whatever has none. Any number of processes may do it at once. @returns how many there were */
export async function putInOrder(pool: Database['pool']): Promise<number> {
  let total = 0
  for (let placed = BATCH; placed === BATCH; total += placed) {
    const [row] = await run<{ placed: number }>(pool, PUT_IN_ORDER, [BATCH])
    placed = row?.placed ?? 0
  }
  return total
}

export interface OrderingOptions {
  db: Database
  log: Logger
  /** Left out by a command that runs beside servers: it comes at every hint. */
  election?: Pick<Election, 'lead'> | undefined
}

/**
 * Puts events in order as they are written, forever. Any number of instances may do it at once, but then all come at every
 * hint and all but one come for nothing. So one is elected to come; the others look from time to time, and are the reason
 * why nothing waits when that one dies.
 */
export async function startOrdering({ db, log, election }: OrderingOptions): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController()
  const turns = createTurns({ everyMs: POLL_MS, atLeastMs: MOMENT_MS })
  const duty = election?.lead('order-events', async (signal) => {
    turns.nudge()
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  })
  const unlisten = await db.listen(WRITTEN, () => {
    if (duty?.isLeader() ?? true) turns.nudge()
  })
  const running = run()

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        turns.begin()
        await putInOrder(db.pool)
      } catch (err) {
        log.warn({ err }, 'events could not be put in order; the next turn tries again')
        await delay(POLL_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
      }
      if (!stopping.signal.aborted) await turns.rest()
    }
  }

  return {
    async stop() {
      stopping.abort()
      turns.nudge()
      await duty?.stop()
      await unlisten()
      await running
    },
  }
}

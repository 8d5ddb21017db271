import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../database/connect.ts'
import type { Election } from '../database/election.ts'
import { createTurns } from '../lib/turns.ts'
import type { Logger } from '../telemetry/logger.ts'

/** Somebody wrote events (trigger of migration 0009-event-order). */
export const WRITTEN = 'grantry_events'
/** Events have got positions and can be read; the payload is the last one. */
export const ORDERED = 'grantry_feed'

const LOCK = 4_740_267
const BATCH = 1000
/** Hints can be lost with a connection; the table can't. */
const POLL_MS = 1000

/**
 * Whoever comes here waits for whoever is at it, and then sees everything that was committed by then: each statement of a
 * transaction has a snapshot of its own. PostgreSQL frees the lock after the commit is visible, so positions appear in their
 * order. Sent as one text, it is one round trip and one transaction.
 */
const PUT_IN_ORDER = `
  select pg_advisory_xact_lock(${LOCK});
  with fresh as materialized (
    select id, row_number() over (order by id) as n
    from (select id from events where position is null order by id limit ${BATCH}) as without_position
  ), counter as (
    update event_order set last_position = last_position + (select count(*) from fresh)
    where exists (select from fresh)
    returning last_position - (select count(*) from fresh) as base
  ), placed as (
    update events set position = counter.base + fresh.n
    from fresh, counter where events.id = fresh.id
    returning position
  )
  select count(*) as placed, pg_notify('${ORDERED}', max(position)::text) from placed having count(*) > 0`

/** Gives positions to whatever has none. Any number of processes may do it at once. @returns how many there were */
export async function putInOrder(pool: Pick<Database['pool'], 'query'>): Promise<number> {
  let total = 0
  for (let placed = BATCH; placed === BATCH; total += placed) {
    const results = (await pool.query(PUT_IN_ORDER)) as unknown as { rows: { placed?: number }[] }[]
    placed = results.at(-1)?.rows[0]?.placed ?? 0
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
  const turns = createTurns({ everyMs: POLL_MS })
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

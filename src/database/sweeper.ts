import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../telemetry/logger.ts'
import type { Database } from './connect.ts'

/** Rows that nobody needs any more: a table and the condition, which an index must serve. */
export interface Expired {
  table: string
  condition: string
}

export interface SweeperOptions {
  db: Database
  log: Logger
  expired: readonly Expired[]
  /** What is not swept by a condition alone: each call takes one small batch, and tells how many went. */
  others?: readonly ((batch: number) => Promise<number>)[]
  everySeconds: number
  /** Rows of one statement: small enough that nothing waits for it. */
  batch?: number
}

const LOCK = 4_740_266
const BETWEEN_BATCHES_MS = 20

/**
 * Deletes expired rows in small batches, forever. Of all instances one sweeps: whoever gets the lock; the others look again
 * at the next turn, so a dead sweeper is replaced within `everySeconds`.
 */
export function startSweeper({ db, log, expired, others = [], everySeconds, batch = 1000 }: SweeperOptions): {
  stop(): Promise<void>
} {
  const stopping = new AbortController()
  const running = run()

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const wait = everySeconds * 1000 * (0.5 + Math.random())
      await delay(wait, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted) return
      try {
        const swept = await sweep(db, expired, { batch, others, signal: stopping.signal })
        if (swept > 0) log.debug({ rows: swept }, 'swept expired rows')
      } catch (err) {
        log.warn({ err }, 'sweeping failed; the next turn tries again')
      }
    }
  }

  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}

/** One round over all tables. @returns how many rows went; 0 also when another instance is at it */
export async function sweep(
  db: Database,
  expired: readonly Expired[],
  { batch = 1000, others = [], signal }: Pick<SweeperOptions, 'batch' | 'others'> & { signal?: AbortSignal } = {},
): Promise<number> {
  const client = await db.pool.connect()
  let total = 0
  try {
    const { rows } = await client.query<{ mine: boolean }>('select pg_try_advisory_lock($1) as mine', [LOCK])
    if (!rows[0]?.mine) return 0
    try {
      for (const { table, condition } of expired) {
        for (let gone = batch; gone === batch && !signal?.aborted; total += gone) {
          // Rows that somebody holds are left for the next round: a sweep never makes a request wait.
          const victims = `select ctid from ${table} where ${condition} limit ${batch} for update skip locked`
          gone = (await client.query(`delete from ${table} where ctid = any (array(${victims}))`)).rowCount ?? 0
          if (gone === batch) await delay(BETWEEN_BATCHES_MS)
        }
      }
      for (const other of others) {
        for (let gone = batch; gone === batch && !signal?.aborted; total += gone) {
          gone = await other(batch)
          if (gone === batch) await delay(BETWEEN_BATCHES_MS)
        }
      }
    } finally {
      await client.query('select pg_advisory_unlock($1)', [LOCK])
    }
  } finally {
    client.release()
  }
  return total
}

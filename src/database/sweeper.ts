import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../telemetry/logger.ts'
import type { Database } from './connect.ts'
import type { Election, Leadership } from './election.ts'
import { createPace, type Pace } from './pace.ts'
import { takeChildren, takeOldest, type BatchResult, type Bounds, type Expired } from './sweep-batch.ts'

export type { Expired } from './sweep-batch.ts'

/** What is not swept by its age alone. Each call takes one small batch, and tells how many rows went. */
export interface OwnSweep {
  table: string
  sweep(batch: number): Promise<number>
  /** Most rows that a call takes, however many it is asked to. */
  most?: number
}

export interface SweepOptions {
  others?: readonly OwnSweep[]
  /** Most rows of one statement: so few that nothing waits for it. */
  batch?: number
  /** Told of every batch that took something. */
  onSwept?: ((table: string, rows: number) => void) | undefined
}

export interface SweeperOptions extends SweepOptions {
  db: Pick<Database, 'pool'>
  election: Pick<Election, 'lead'>
  log: Logger
  expired: readonly Expired[]
  /** From one round to the next, when the last has left nothing behind. */
  everySeconds: number
  /** Told of every round, and how long it took. */
  onRound?: ((seconds: number) => void) | undefined
}

/** What one table may take of a round: no backlog keeps the other tables waiting for longer. */
const TABLE_MS = 5_000
const BACKLOG_PAUSE_MS = 1_000
const FAULT_PAUSE_MS = 500
/** In a row, of one table. */
const MOST_FAULTS = 3

/**
 * Takes expired rows away in small batches, forever, in one instance of all. Where a round could not take all there was, the
 * next begins a second later.
 */
export function startSweeper(options: SweeperOptions): Leadership {
  const { db, election, log, expired, everySeconds, onRound } = options
  const parts = partsOf(db, expired, options)
  return election.lead('sweep', async (signal) => {
    while (!signal.aborted) {
      const began = performance.now()
      const { rows, isDone } = await goRound(parts, { ...options, signal })
      onRound?.((performance.now() - began) / 1000)
      if (rows > 0) log.debug({ rows, isDone }, 'swept expired rows')
      const pause = isDone ? everySeconds * 1000 * (0.5 + Math.random()) : BACKLOG_PAUSE_MS
      await delay(pause, undefined, { signal }).catch(() => undefined)
    }
  })
}

/** One round over all tables, until nothing is left. @returns how many rows went */
export async function sweep(
  db: Pick<Database, 'pool'>,
  expired: readonly Expired[],
  options: SweepOptions = {},
): Promise<number> {
  const round = { ...options, tableMs: Number.POSITIVE_INFINITY, signal: new AbortController().signal }
  return (await goRound(partsOf(db, expired, options), round)).rows
}

/** One kind of rows, and how quickly they went in the rounds before. */
interface Part {
  table: string
  take(bounds: Bounds): Promise<BatchResult>
  pace: Pace
  /** Where a round that was not done goes on. */
  from: string | null
}

function partsOf({ pool }: Pick<Database, 'pool'>, expired: readonly Expired[], options: SweepOptions): Part[] {
  const { others = [], batch } = options
  const part = (table: string, take: Part['take'], most = batch): Part => ({
    table,
    take,
    pace: createPace(most === undefined ? {} : { most: Math.min(most, batch ?? most) }),
    from: null,
  })
  return [
    ...expired.flatMap((rows) => [
      ...(rows.children ?? []).map((child) => part(child.table, (bounds) => takeChildren(pool, rows, child, bounds))),
      part(rows.table, (bounds) => takeOldest(pool, rows, bounds)),
    ]),
    ...others.map((own) => part(own.table, (bounds) => takeOwn(own, bounds), own.most)),
  ]
}

async function takeOwn(own: OwnSweep, { limit }: Bounds): Promise<BatchResult> {
  const gone = await own.sweep(limit)
  return { gone, isFull: gone >= limit, until: null }
}

interface RoundOptions extends Pick<SweepOptions, 'onSwept'> {
  log?: Pick<Logger, 'warn'>
  tableMs?: number
  signal: AbortSignal
}

async function goRound(parts: readonly Part[], options: RoundOptions): Promise<{ rows: number; isDone: boolean }> {
  let rows = 0
  let isDone = true
  for (const part of parts) {
    const swept = await sweepPart(part, options)
    rows += swept.rows
    isDone &&= swept.isDone
  }
  return { rows, isDone }
}

async function sweepPart(part: Part, options: RoundOptions): Promise<{ rows: number; isDone: boolean }> {
  const { table, pace } = part
  const { onSwept, log, tableMs = TABLE_MS, signal } = options
  const deadline = performance.now() + tableMs
  const rest = (milliseconds: number) => delay(milliseconds, undefined, { signal }).catch(() => undefined)
  let rows = 0
  let faults = 0
  while (!signal.aborted && performance.now() < deadline) {
    const began = performance.now()
    try {
      const { gone, isFull, until } = await part.take({ limit: pace.batch(), from: part.from })
      if (gone > 0) onSwept?.(table, gone)
      rows += gone
      faults = 0
      // Rows that were held, and passed over, have their turn when all the others have gone.
      part.from = isFull ? until : null
      const pause = pace.took(performance.now() - began, isFull)
      if (!isFull) return { rows, isDone: true }
      await rest(pause)
    } catch (error) {
      pace.failed()
      faults += 1
      if (faults === MOST_FAULTS) {
        const reason = (error as Error).message
        log?.warn({ table, reason }, 'a table could not be swept; the next round tries again')
        return { rows, isDone: true }
      }
      await rest(FAULT_PAUSE_MS)
    }
  }
  return { rows, isDone: false }
}

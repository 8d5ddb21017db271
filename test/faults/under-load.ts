import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { Database } from '../../src/database/connect.ts'
import { figures, ROUNDS } from './figures.ts'
import { isFailure, type Outcome } from './ledger.ts'
import { startLoad, type Load, type World } from './load.ts'
import { verify, type Verdict } from './verify.ts'

export interface Fault {
  name: string
  /** Until it can be injected. */
  prepare?(): unknown
  inject(load: Load): unknown
  /** How long it lasts. */
  lastsMs: number
  /** Ends it; left out: it ends by itself, and recovery counts from its beginning. */
  heal?(load: Load): unknown
  /** Within this long of its end nothing fails any more. */
  recoversMs: number
}

export interface Site {
  world: World
  db: Database
  /** What the servers have called a bug so far. */
  errors: () => Record<string, unknown>[]
}

export interface Witness extends Verdict {
  /** Everything that was asked while it lasted, all rounds. */
  during: Outcome[]
  /** The longest of all rounds. */
  recoveredMs: number
}

/** How long nothing may fail before it counts as over, and how long it is watched after that. */
const CALM_MS = 500
const AFTER_MS = 500
/** A busy machine takes longer for everything. */
const PATIENCE_MS = 60_000

/** Injects the fault under load, as often as there are rounds, and holds what was acknowledged against what is there. */
export async function underLoad(t: ExecutionContext, { world, db, errors }: Site, fault: Fault): Promise<Witness> {
  // prettier-ignore
  t.timeout(120_000 * (ROUNDS + 1))
  const load = await startLoad(world)
  const { outcomes } = load.ledger
  const knownErrors = errors().length
  const during: Outcome[] = []
  const failedAfter: Outcome[] = []
  let recoveredMs = 0
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      await fault.prepare?.()
      await load.succeed(1)
      const injectedAt = performance.now()
      await fault.inject(load)
      await delay(fault.lastsMs)
      await fault.heal?.(load)
      const healedAt = fault.heal ? performance.now() : injectedAt
      const endedAt = performance.now()
      const steadyAfterMs = await load.steady(healedAt, CALM_MS, PATIENCE_MS)
      recoveredMs = Math.max(recoveredMs, steadyAfterMs)
      // With the last failure itself, and with what was answered while the fault lasted although nothing failed.
      const untilAt = Math.max(endedAt, healedAt + steadyAfterMs)
      during.push(...outcomes.filter(({ at }) => at >= injectedAt && at <= untilAt))
      const from = outcomes.length
      await delay(AFTER_MS)
      failedAfter.push(...outcomes.slice(from).filter(isFailure))
    }
  } finally {
    await load.stop()
  }
  const verdict = await verify(world, db, load.ledger)
  const { acknowledged, survived, lost, usedTwice, ended, failed } = verdict
  t.log(figures(fault.name, { injected: ROUNDS, acknowledged, survived, lost, 'used twice': usedTwice, 'families ended': ended, 'failed meanwhile': failed, '5xx after recovery': failedAfter.length, recoveredMs })) // prettier-ignore
  t.is(lost, 0, 'what was acknowledged is there')
  t.is(usedTwice, 0, 'nothing was used twice')
  t.is(ended, 0, 'a client that repeats its requests keeps its family')
  t.deepEqual(failedAfter, [], 'no 5xx after recovery')
  t.true(recoveredMs <= fault.recoversMs, `recovered after ${Math.round(recoveredMs)} ms`)
  // A 500 would be a bug of the server's; 502 and 504 are for others.
  for (const line of errors().slice(knownErrors)) t.log(JSON.stringify(line).slice(0, 1_500))
  t.is(errors().length, knownErrors, 'no bug is reported')
  const other = outcomes.filter((one) => isFailure(one) && one.status !== 0 && one.status !== 503)
  t.deepEqual(other, [])
  return { ...verdict, during, recoveredMs }
}

/**
 * Passwords are hashed in time that nobody else wants. Linux has a class for that (SCHED_IDLE, sched(7)), whose threads give
 * way at once; those of the lowest priority keep a processor until the next tick, up to four milliseconds, which is ten
 * signatures. Where everything else takes all there is, such time never comes: what is overdue is done by a process of the
 * ordinary class as well, and so is everything after it until the idle one has caught up. The first answer counts.
 */
import { HasherBusyError } from './hasher-busy.ts'
import type { HashEngine } from './hashing.ts'
import type { HashingProcess } from './hashing-process.ts'

export interface IdleFirstOptions {
  /** Undefined where there is no such class. */
  idle: HashingProcess | undefined
  ordinary: HashingProcess
  /** A hash takes 25 ms of a processor. */
  overdueMs?: number
  /** The first one has to wait until the process has started. */
  startMs?: number
}

const OVERDUE_MS = 150
const START_MS = 500

/** @throws HasherBusyError, from both verbs, when neither can do it */
export function idleFirst({
  idle,
  ordinary,
  overdueMs = OVERDUE_MS,
  startMs = START_MS,
}: IdleFirstOptions): HashEngine & { stop(): Promise<void> } {
  let first = idle
  let hasAnswered = false
  let overdue = 0

  async function ask<Answer>(work: (engine: HashEngine) => Promise<Answer>): Promise<Answer> {
    const engine = first
    if (!engine || overdue > 0) return work(ordinary)
    const answer = work(engine)
    try {
      if (await isInTime(answer, hasAnswered ? overdueMs : startMs)) {
        hasAnswered = true
        return await answer
      }
    } catch (error) {
      if (!(error instanceof HasherBusyError)) throw error
      // It can't be had here (no chrt, or not allowed): that does not change.
      if (!hasAnswered) first = undefined
      return work(ordinary)
    }
    overdue += 1
    const late = answer.finally(() => (overdue -= 1))
    late.then(
      () => (hasAnswered = true),
      () => undefined,
    )
    return Promise.any([late, work(ordinary)]).catch(({ errors }: AggregateError) => {
      throw errors.find((error) => !(error instanceof HasherBusyError)) ?? errors[0]
    })
  }

  return {
    hash: (password) => ask((engine) => engine.hash(password)),
    verify: (hash, password, fallback) => ask((engine) => engine.verify(hash, password, fallback)),
    stop: async () => void (await Promise.all([idle?.stop(), ordinary.stop()])),
  }
}

/** @throws what the answer throws in this time */
async function isInTime(answer: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<false>()
  const timer = setTimeout(resolve, ms, false)
  try {
    return await Promise.race([answer.then(() => true), promise])
  } finally {
    clearTimeout(timer)
  }
}

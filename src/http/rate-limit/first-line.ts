import type { Decision } from './rate-limiter.ts'

/** Most refusals remembered; the oldest goes first. Forgetting one costs a question to the database, nothing else. */
const MOST_REFUSALS = 20_000

interface Refusal {
  decision: Decision
  cost: number
  /** On the clock `now`, in milliseconds. */
  until: number
  resetAt: number
}

export interface FirstLine {
  /** The refusal, if this is certain to be refused; undefined: nobody knows without asking the database. */
  refuse(key: string, cost: number): Decision | undefined
  /** @param asked when the question began: what the answer tells is at least as old */
  remember(
    key: string,
    refusal: { decision: Decision; cost: number; waitMs: number; resetMs: number; asked: number },
  ): void
}

/**
 * What stands before the database in each process, so that a flood of one caller costs a look into a map. Once refused, a
 * key gets nothing until the time that the database named, whatever others do; so to refuse until then is what the database
 * would do as well. It can't admit: it holds refusals only.
 */
export function createFirstLine(now: () => number, most = MOST_REFUSALS): FirstLine {
  const refusals = new Map<string, Refusal>()
  return {
    refuse(key, cost) {
      const refusal = refusals.get(key)
      if (!refusal || cost < refusal.cost) return undefined
      const time = now()
      if (time >= refusal.until) {
        refusals.delete(key)
        return undefined
      }
      return {
        ...refusal.decision,
        retryAfterSeconds: Math.ceil((refusal.until - time) / 1000),
        resetSeconds: Math.max(0, Math.ceil((refusal.resetAt - time) / 1000)),
      }
    },
    remember(key, { decision, cost, waitMs, resetMs, asked }) {
      refusals.delete(key)
      refusals.set(key, { decision, cost, until: asked + waitMs, resetAt: asked + resetMs })
      if (refusals.size > most) refusals.delete(refusals.keys().next().value ?? '')
    },
  }
}

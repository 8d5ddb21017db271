import type { Decision } from './rate-limiter.ts'

/** Units taken from the database ahead of the requests that will need them. */
interface Reserved {
  /** Of the answer that the units came with: without them. */
  decision: Decision
  /** As many as there were at first, and as there are left. */
  granted: number
  units: number
  /** On the clock `now`, in milliseconds. */
  until: number
  resetAt: number
}

interface Demand {
  /** Units to take the next time. */
  next: number
  /** On the clock `now`: from then on it counts as one that asks seldom. */
  quietAt: number
  reserved: Reserved | undefined
  /** Under way: whoever comes meanwhile waits for it, so that a thousand at once are a few statements. */
  asking: Promise<Decision | undefined> | undefined
  waiting: number
}

/** Most keys remembered; the oldest goes first, and what it had reserved is lost to it. */
const MOST_KEYS = 20_000
/** Units that were not needed by then are gone. */
const LIFE_MS = 1000
/** Of the quota. What a process takes and does not need is missing elsewhere: no more than this at a time. */
const SHARE = 1 / 200

export interface Reserve {
  /**
   * A unit that is there already, or the units to ask the database for.
   * @param ask takes so many units; undefined when the database did not answer
   */
  take(key: string, quota: number, ask: (units: number) => Promise<Answer | undefined>): Promise<Decision | undefined>
}

export interface Answer {
  decision: Decision
  /** Milliseconds until there is more. */
  resetMs: number
}

/**
 * Whoever asks often pays for several requests at once. The first of a caller asks for one unit; each that finds the last
 * reserve used up in time asks for twice as many, up to a two-hundredth of the quota; when it ran out of time, for as many as
 * were used of it; and after a pause for one. Quotas below four hundred are counted one by one, exactly. Units are taken before they are used, so
 * together the processes never admit more than the quota, and less only by what they hold.
 */
export function createReserve(now: () => number, most = MOST_KEYS): Reserve {
  const demands = new Map<string, Demand>()

  function spend(demand: Demand): Decision | undefined {
    const { reserved } = demand
    if (!reserved) return undefined
    const time = now()
    if (time >= reserved.until) {
      // As many as were needed this time.
      demand.next = Math.max(1, reserved.granted - reserved.units)
      demand.reserved = undefined
      return undefined
    }
    reserved.units -= 1
    if (reserved.units === 0) demand.reserved = undefined
    const remaining = reserved.decision.remaining + reserved.units
    const resetSeconds = Math.max(0, Math.ceil((reserved.resetAt - time) / 1000))
    return { ...reserved.decision, remaining, resetSeconds }
  }

  async function refill(demand: Demand, most: number, ask: (units: number) => Promise<Answer | undefined>) {
    const asked = now()
    if (asked >= demand.quietAt) demand.next = 1
    const units = Math.min(Math.max(demand.next, demand.waiting), most)
    demand.quietAt = asked + 2 * LIFE_MS
    demand.waiting = 0
    const answer = await ask(units)
    if (!answer) return undefined
    if (!answer.decision.allowed) {
      demand.next = 1
      // So many are not there any more; one may be.
      return units > 1 ? (await ask(1))?.decision : answer.decision
    }
    demand.next = units * 2
    if (units > 1) {
      const { decision, resetMs } = answer
      demand.reserved = { decision, granted: units, units: units - 1, until: asked + LIFE_MS, resetAt: asked + resetMs }
    }
    return { ...answer.decision, remaining: answer.decision.remaining + units - 1 }
  }

  return {
    async take(key, quota, ask) {
      const most = Math.max(1, Math.floor(quota * SHARE))
      const demand = demands.get(key) ?? remember(key)
      for (;;) {
        const taken = spend(demand)
        if (taken) return taken
        if (most === 1 || !demand.asking) break
        demand.waiting += 1
        const answer = await demand.asking
        // Nothing left, or nobody there to ask: the same for everybody who waited.
        if (!answer?.allowed) return answer
      }
      const asking = refill(demand, most, ask)
      demand.asking = asking
      try {
        return await asking
      } finally {
        if (demand.asking === asking) demand.asking = undefined
      }
    },
  }

  function remember(key: string): Demand {
    const demand: Demand = { next: 1, quietAt: 0, reserved: undefined, asking: undefined, waiting: 0 }
    demands.set(key, demand)
    if (demands.size > most) demands.delete(demands.keys().next().value ?? '')
    return demand
  }
}

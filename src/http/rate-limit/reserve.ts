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
  /** Taken before the one before it had ended. */
  isRenewal: boolean
}

interface Demand {
  /** Units to take the next time. */
  next: number
  /** On the clock `now`: from then on it counts as one that asks seldom. */
  quietAt: number
  reserved: Reserved | undefined
  /** The next reserve, for when that one is used up. */
  ahead: Reserved | undefined
  /** There was not enough left for one: as many are not asked for again while this reserve lasts. */
  isLast: boolean
  /** Under way: whoever finds nothing meanwhile waits for it, so that a thousand at once are a few statements. */
  asking: Promise<Decision | typeof NOTHING | undefined> | undefined
  waiting: number
}

/** Most keys remembered; the oldest goes first, and what it had reserved is lost to it. */
const MOST_KEYS = 20_000
/** Units that were not needed by then are gone. */
const LIFE_MS = 1000
/** A reserve of so many is renewed before it ends, so that nobody waits for the next: */
const WORTH_RENEWING = 16
/** when a quarter is left of it, or a fifth of its time. */
const LAST_UNITS = 1 / 4
const LAST_MS = LIFE_MS / 5
/** Nothing was taken ahead: whoever waited for it asks for themselves. */
const NOTHING = Symbol('nothing')
/** Of the quota. What a process takes and does not need is missing elsewhere: no more than this at a time, and a quarter of it beside. */
const SHARE = 1 / 200

export interface Reserve {
  /**
   * A unit that is there already, or the units to ask the database for.
   * @param ask takes so many units; undefined when the database did not answer
   */
  take(key: string, quota: number, ask: Ask): Promise<Decision | undefined>
}

export type Ask = (units: number) => Promise<Answer | undefined>

export interface Answer {
  decision: Decision
  /** Milliseconds until there is more. */
  resetMs: number
}

/**
 * Whoever asks often pays for several requests at once. The first of a caller asks for one unit; each that finds the last
 * reserve used up in time asks for twice as many, up to a two-hundredth of the quota; when it ran out of time, for as many as
 * were used of it; and after a pause for one. A large reserve is renewed shortly before it ends. Quotas below four hundred are
 * counted one by one, exactly. Units are taken before they are used, so together the processes never admit more than the
 * quota, and less only by what they hold.
 */
export function createReserve(now: () => number, most = MOST_KEYS): Reserve {
  const demands = new Map<string, Demand>()

  function spend(demand: Demand): Decision | undefined {
    const time = now()
    demand.reserved = current(demand, time)
    const { reserved } = demand
    if (!reserved) return undefined
    reserved.units -= 1
    if (reserved.units === 0) demand.reserved = undefined
    const remaining = reserved.decision.remaining + reserved.units
    const resetSeconds = Math.max(0, Math.ceil((reserved.resetAt - time) / 1000))
    return { ...reserved.decision, remaining, resetSeconds }
  }

  function current(demand: Demand, time: number): Reserved | undefined {
    const { reserved, ahead } = demand
    if (reserved && time < reserved.until) return reserved
    // As many as were needed this time.
    if (reserved) demand.next = Math.max(1, reserved.granted - reserved.units)
    demand.ahead = undefined
    return ahead && time < ahead.until ? ahead : undefined
  }

  /** How many to take before this reserve ends; 0 while it lasts, and when it is not worth it. */
  function wantedAhead({ reserved, ahead, isLast, asking }: Demand): number {
    if (!reserved || reserved.granted < WORTH_RENEWING || ahead || isLast || asking) return 0
    const { granted, units, until, isRenewal } = reserved
    const leftMs = until - now()
    // Who goes on and needs it quickly gets more the next time; a burst that is over soon should not have paid for two.
    if (units <= granted * LAST_UNITS) return isRenewal && leftMs > LIFE_MS / 2 ? granted * 2 : granted
    const used = granted - units
    return leftMs <= LAST_MS && used >= WORTH_RENEWING ? used : 0
  }

  async function takeAhead(demand: Demand, wanted: number, ask: Ask): Promise<typeof NOTHING | undefined> {
    const asked = now()
    const answer = await ask(wanted).catch(() => undefined)
    demand.waiting = 0
    if (!answer) return undefined
    demand.quietAt = asked + 2 * LIFE_MS
    demand.isLast = !answer.decision.allowed
    demand.next = demand.isLast ? 1 : wanted * 2
    if (!demand.isLast) demand.ahead = reserve(answer, { units: wanted, left: wanted, asked, isRenewal: true })
    return NOTHING
  }

  async function refill(demand: Demand, most: number, ask: Ask) {
    const asked = now()
    if (asked >= demand.quietAt) demand.next = 1
    const units = Math.min(Math.max(demand.next, demand.waiting), most)
    demand.quietAt = asked + 2 * LIFE_MS
    demand.waiting = 0
    demand.isLast = false
    const answer = await ask(units)
    if (!answer) return undefined
    if (!answer.decision.allowed) {
      demand.next = 1
      // So many are not there any more; one may be.
      return units > 1 ? (await ask(1))?.decision : answer.decision
    }
    demand.next = units * 2
    if (units > 1) demand.reserved = reserve(answer, { units, left: units - 1, asked, isRenewal: false })
    return { ...answer.decision, remaining: answer.decision.remaining + units - 1 }
  }

  /** Whoever comes until it is done may wait for it. */
  async function during<Result extends Decision | typeof NOTHING | undefined>(
    demand: Demand,
    asking: Promise<Result>,
  ): Promise<Result> {
    demand.asking = asking
    try {
      return await asking
    } finally {
      if (demand.asking === asking) demand.asking = undefined
    }
  }

  return {
    async take(key, quota, ask) {
      const most = Math.max(1, Math.floor(quota * SHARE))
      const demand = demands.get(key) ?? remember(key)
      for (;;) {
        const taken = spend(demand)
        const wanted = taken ? Math.min(wantedAhead(demand), most) : 0
        if (wanted > 0) void during(demand, takeAhead(demand, wanted, ask))
        if (taken) return taken
        if (most === 1 || !demand.asking) break
        demand.waiting += 1
        const answer = await demand.asking
        // Nothing left, or nobody there to ask: the same for everybody who waited.
        if (answer !== NOTHING && !answer?.allowed) return answer
      }
      return during(demand, refill(demand, most, ask))
    },
  }

  function remember(key: string): Demand {
    const demand: Demand = {
      next: 1,
      quietAt: 0,
      reserved: undefined,
      ahead: undefined,
      isLast: false,
      asking: undefined,
      waiting: 0,
    }
    demands.set(key, demand)
    if (demands.size > most) demands.delete(demands.keys().next().value ?? '')
    return demand
  }
}

function reserve(
  { decision, resetMs }: Answer,
  { units, left, asked, isRenewal }: { units: number; left: number; asked: number; isRenewal: boolean },
): Reserved {
  return { decision, granted: units, units: left, until: asked + LIFE_MS, resetAt: asked + resetMs, isRenewal }
}

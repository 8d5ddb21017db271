import { HasherBusyError } from './hasher-busy.ts'

/** Does a piece of work when its turn has come. @throws HasherBusyError, without having begun, when too many wait */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>

export interface GateOptions {
  atOnce: number
  /** How many may wait for their turn, and for how long. */
  maxQueue?: number
  patienceMs?: number
  /** For so long a piece of work keeps its place; then it goes on without one, as something that waits and works no more. */
  holdMs?: number
}

/**
 * Lets so many pieces of work run at once, in the order they came, and turns away who finds the line full or has waited in it
 * for long: nobody sits before a form for that.
 */
export function createGate({ atOnce, maxQueue = 64, patienceMs = 10_000, holdMs }: GateOptions): Gate {
  const waiting = new Set<() => void>()
  let running = 0

  function turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        clearTimeout(patience)
        resolve()
      }
      const patience = setTimeout(() => {
        waiting.delete(enter)
        reject(tooMany())
      }, patienceMs)
      waiting.add(enter)
    })
  }

  function leave(): void {
    const [next] = waiting
    if (next) {
      waiting.delete(next)
      next()
    } else running -= 1
  }

  return async (work) => {
    if (running >= atOnce) {
      if (waiting.size >= maxQueue) throw tooMany()
      // Who leaves hands the place on, so `running` does not change here.
      await turn()
    } else {
      running += 1
    }
    let isHeld = true
    const giveUp = (): void => {
      if (isHeld) leave()
      isHeld = false
    }
    const timer = holdMs === undefined ? undefined : setTimeout(giveUp, holdMs)
    try {
      return await work()
    } finally {
      clearTimeout(timer)
      giveUp()
    }
  }
}

function tooMany(): HasherBusyError {
  return new HasherBusyError('too many passwords are being checked')
}

/**
 * The rhythm of a loop that reads a table: a turn when somebody says that there is something, and one from time to time all
 * the same, because hints get lost with a connection and rows do not. Pure but for its timer.
 */
export interface Turns {
  /** There is something: the rest ends, or the next one does not begin. */
  nudge(): void
  /** Called before the table is read, so that a hint that comes while it is read counts for the next turn. */
  begin(): void
  /** Waits for a nudge since the turn began, or for the time. */
  rest(): Promise<void>
}

export interface TurnsOptions {
  /** The longest rest. */
  everyMs: number
  /** From the beginning of a turn to that of the next, at least: whatever comes meanwhile shares one. */
  atLeastMs?: number
}

export function createTurns({ everyMs, atLeastMs = 0 }: TurnsOptions): Turns {
  let isDue = true
  let began = -Infinity
  let wake: () => void = () => undefined
  return {
    nudge() {
      isDue = true
      wake()
    },
    begin() {
      isDue = false
      began = performance.now()
    },
    async rest() {
      const early = began + atLeastMs - performance.now()
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early))
      if (isDue) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, everyMs)
      wake = resolve
      await promise
      clearTimeout(timer)
    },
  }
}

/** Before the database sees a statement; or when it has done it, holds its locks, and has not committed it. */
export type Moment = 'begin' | 'commit'

/** A barrier holds every statement that it names until it is opened; several proxies may share one. */
export interface Barrier {
  matches(statement: string, moment: Moment): boolean
  /** The statements that wait, in the order in which they came. */
  readonly held: readonly string[]
  /**
   * Resolves when so many wait, with true; with false when the barrier was opened before. Rejects when neither happens
   * within `patienceMs`.
   */
  arrived(count: number, patienceMs?: number): Promise<boolean>
  /**
   * Lets all go at once, or one by one in this order of arrivals: the next when the one before it was answered or waits for
   * a lock. From now on nothing is held.
   */
  open(order?: readonly number[]): Promise<void>
  /** For the proxy: waits here, then tells through `answered` when the database has answered. */
  wait(statement: string, answered: Promise<void>): Promise<void>
}

/** How long an answer is waited for that may itself wait for a lock. */
const LOCKED_MS = 150

export function createBarrier(matches: (statement: string) => boolean, moment: Moment = 'begin'): Barrier {
  const waiting: { statement: string; go: () => void; answered: Promise<void> }[] = []
  const watchers = new Set<() => void>()
  let isOpen = false

  return {
    matches: (statement, now) => !isOpen && now === moment && matches(statement),
    get held() {
      return waiting.map(({ statement }) => statement)
    },
    arrived(count, patienceMs = 20_000) {
      return new Promise((resolve, reject) => {
        const impatience = setTimeout(() => {
          watchers.delete(look)
          reject(new Error(`${waiting.length} of ${count} statements came to the barrier`))
        }, patienceMs)
        const look = () => {
          const enough = waiting.length >= count
          if (!enough && !isOpen) return
          clearTimeout(impatience)
          watchers.delete(look)
          resolve(enough)
        }
        watchers.add(look)
        look()
      })
    },
    async open(order) {
      isOpen = true
      for (const look of watchers) look()
      for (const index of order ?? []) {
        const { go, answered } = waiting[index]!
        go()
        await Promise.race([answered, pause(LOCKED_MS)])
      }
      for (const { go } of waiting) go()
    },
    wait(statement, answered) {
      return new Promise((go) => {
        waiting.push({ statement, go, answered })
        for (const look of watchers) look()
      })
    },
  }
}

/** Holds the statement that comes as the `count`-th of its kind from now on, counted from 1. */
export function nthStatement(
  count: number,
  { moment = 'begin', kind = /./ }: { moment?: Moment; kind?: RegExp } = {},
): Barrier {
  let seen = 0
  return createBarrier((statement) => kind.test(statement) && ++seen === count, moment)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

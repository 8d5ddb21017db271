/** Lets in so many at once; the others wait in order, as long as there is room and their time lasts. */
export interface Queue {
  /**
   * Does `work` when its turn comes.
   * @throws Error when too many wait already, and the reason of `signal` when it ends the waiting
   */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>
}

export function createQueue({ mostAtOnce, mostWaiting }: { mostAtOnce: number; mostWaiting: number }): Queue {
  const waiting = new Set<() => void>()
  let running = 0

  async function enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (running < mostAtOnce) return void (running += 1)
    if (waiting.size >= mostWaiting) throw new Error(`more than ${mostWaiting} are waiting`)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const giveUp = () => {
      waiting.delete(resolve)
      reject(signal.reason as Error)
    }
    waiting.add(resolve)
    signal.addEventListener('abort', giveUp, { once: true })
    await promise
    signal.removeEventListener('abort', giveUp)
  }

  /** The place goes to whoever waits longest; it is free only when nobody does. */
  function leave(): void {
    const [next] = waiting
    if (!next) return void (running -= 1)
    waiting.delete(next)
    next()
  }

  return {
    async run(work, signal) {
      await enter(signal)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}

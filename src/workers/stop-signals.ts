export interface StopSignals {
  /** The signal that asks to end in order. */
  first: Promise<NodeJS.Signals>
  /** Whether it has come. */
  isAsked(): boolean
  forget(): void
}

/** Ctrl-C comes twice under npm, from the terminal and handed on. What comes later was pressed again. */
const ECHO_MS = 300

/**
 * SIGINT and SIGTERM: the first asks to end in order, a later one ends the process at once, by itself.
 * @param atOnce what has to be done before that
 */
export function stopSignals(atOnce: () => void = () => undefined): StopSignals {
  const { promise: first, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let askedAt: number | undefined

  function heed(signal: NodeJS.Signals): void {
    if (askedAt === undefined) {
      askedAt = performance.now()
      resolve(signal)
    } else if (performance.now() - askedAt > ECHO_MS) {
      atOnce()
      forget()
      process.kill(process.pid, signal)
    }
  }

  function forget(): void {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, heed)
  }

  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, heed)
  return { first, isAsked: () => askedAt !== undefined, forget }
}

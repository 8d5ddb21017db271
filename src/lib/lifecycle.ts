/**
 * Everything that starts can stop. Each part registers how it ends; `close` runs these in reverse order, so that what was
 * built upon something ends before it.
 */
export interface Lifecycle {
  add(name: string, stop: () => Promise<void> | void): void
  /** Ends every part, newest first. Never throws; a part that fails or outlasts the deadline is reported and passed over. */
  close(deadlineMs?: number): Promise<void>
}

export interface LifecycleOptions {
  onError?: (name: string, error: unknown) => void
}

export function createLifecycle({ onError }: LifecycleOptions = {}): Lifecycle {
  const parts: { name: string; stop: () => Promise<void> | void }[] = []
  let closing: Promise<void> | undefined

  async function stopAll(deadline: number): Promise<void> {
    for (let part = parts.pop(); part; part = parts.pop()) {
      const { name, stop } = part
      try {
        await within(Promise.resolve(stop()), Math.max(100, deadline - Date.now()), name)
      } catch (error) {
        onError?.(name, error)
      }
    }
  }

  return {
    add: (name, stop) => void parts.push({ name, stop }),
    close: (deadlineMs = 10_000) => (closing ??= stopAll(Date.now() + deadlineMs)),
  }
}

async function within(work: Promise<void>, milliseconds: number, name: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not stop within ${milliseconds} ms`)), milliseconds)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Reminds of the end of credentials, and acts on it. */
export interface Expiry {
  /** Replaces what was watched before. Undefined: they do not end by themselves. */
  watch(expiresAt: Date | undefined): void
  stop(): void
}

/** Node's timers take no more. */
const LONGEST_MS = 2 ** 31 - 1

export function createExpiry({
  reminderMs = 0,
  onReminder = () => undefined,
  onEnd,
}: {
  /** Before the end; without it nobody is reminded. */
  reminderMs?: number
  onReminder?: (expiresAt: Date) => void
  onEnd: () => void
}): Expiry {
  let timers: NodeJS.Timeout[] = []
  const after = (ms: number, act: () => void) => setTimeout(act, Math.min(Math.max(ms, 0), LONGEST_MS)).unref()

  function stop(): void {
    for (const timer of timers) clearTimeout(timer)
    timers = []
  }

  return {
    watch(expiresAt) {
      stop()
      if (!expiresAt) return
      const left = expiresAt.getTime() - Date.now()
      timers = [after(left - reminderMs, () => onReminder(expiresAt)), after(left, onEnd)]
    },
    stop,
  }
}

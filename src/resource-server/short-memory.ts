/** What is known for a while, and never more than so much of it: the oldest goes when there is no room. */
export interface ShortMemory<T> {
  get(key: string): T | undefined
  /** @param until milliseconds since 1970; a time that is past, or none, keeps nothing */
  keep(key: string, value: T, until: number): void
  forget(key: string): void
  size(): number
}

export function createShortMemory<T>({ most, now }: { most: number; now: () => number }): ShortMemory<T> {
  const entries = new Map<string, { value: T; until: number }>()

  /** The oldest are in front, and as a rule end first. */
  function makeRoom(): void {
    const time = now()
    for (const [key, { until }] of entries) {
      if (until > time && entries.size < most) return
      entries.delete(key)
    }
  }

  return {
    get(key) {
      const entry = entries.get(key)
      return entry && entry.until > now() ? entry.value : undefined
    },
    keep(key, value, until) {
      entries.delete(key)
      if (!(until > now())) return
      makeRoom()
      entries.set(key, { value, until })
    },
    forget: (key) => void entries.delete(key),
    size: () => entries.size,
  }
}

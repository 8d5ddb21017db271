/** Asks again only when the last answer is old, however many ask: what it costs to watch does not depend on who watches. */
export function sparing<T>(seconds: number, read: () => Promise<T>, now = () => performance.now()): () => Promise<T> {
  let last: Promise<T> | undefined
  let askedAt = -Infinity
  return () => {
    if (last && now() - askedAt < seconds * 1000) return last
    askedAt = now()
    const asked = read()
    last = asked
    // A failure is not kept.
    asked.catch(() => {
      if (last === asked) last = undefined
    })
    return asked
  }
}

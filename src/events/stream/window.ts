/** What a reader has not acknowledged yet. Who asks for no window is sent whatever the socket takes. */
export interface Window {
  resize(most: number): void
  sent(position: number): void
  acknowledge(position: number): void
  /** Resolves when there is room for one more, or when the signal aborts. However long it takes: nothing piles up meanwhile. */
  room(signal: AbortSignal): Promise<void>
}

export function createWindow(): Window {
  let most = Number.POSITIVE_INFINITY
  let outstanding: number[] = []
  let wake: () => void = () => undefined
  const isFull = () => outstanding.length >= most

  return {
    resize(size) {
      most = size
      wake()
    },
    sent(position) {
      if (most < Number.POSITIVE_INFINITY) outstanding.push(position)
    },
    acknowledge(position) {
      outstanding = outstanding.filter((sent) => sent > position)
      wake()
    },
    async room(signal) {
      while (isFull() && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        signal.addEventListener('abort', wake, { once: true })
        await promise
        signal.removeEventListener('abort', wake)
      }
    },
  }
}

import { performance, type EventLoopUtilization } from 'node:perf_hooks'

/** Shorter than a person notices, longer than a burst. */
const LOOK_MS = 100
/** Of the time: from here on the loop is busy. What is given to others then leaves it with about half of that. */
const BUSY_FROM = 0.65
/** And is no longer below this: less than that half, so that the answer does not swing to and fro. */
const CALM_BELOW = 0.3

/** @returns whether the event loop of this process has had much to do in the last moment. Looks when asked, so it costs no timer. */
export function watchForBusyLoop(): () => boolean {
  let since: EventLoopUtilization = performance.eventLoopUtilization()
  let lookedAt = performance.now()
  let isBusy = false
  return () => {
    const now = performance.now()
    if (now - lookedAt < LOOK_MS) return isBusy
    const latest = performance.eventLoopUtilization()
    const share = performance.eventLoopUtilization(latest, since).utilization
    since = latest
    lookedAt = now
    isBusy = share >= (isBusy ? CALM_BELOW : BUSY_FROM)
    return isBusy
  }
}

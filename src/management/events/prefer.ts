/** `Prefer: wait=25` (RFC 7240 §4.3): how long a poll may be held open. */

/** Below what proxies take for a dead connection. */
const LONGEST_WAIT_SECONDS = 30

/** @returns seconds, at most 30; 0 without the preference. What can't be read is passed over (RFC 7240 §2) */
export function waitSeconds(prefer: string): number {
  const [, seconds] = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?/i.exec(prefer) ?? []
  return seconds === undefined ? 0 : Math.min(Number(seconds), LONGEST_WAIT_SECONDS)
}

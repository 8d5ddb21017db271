import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config/load.ts'
import type { AuthServer } from '../server.ts'

/** What may still end by itself after the deadline, before the process ends with it. */
const LAST_MOMENT_MS = 500

/**
 * Says that the process leaves, serves on while balancers take notice, then ends everything in order. Resolves at the
 * deadline at the latest; what is still under way then ends with the process.
 */
export async function stopServer(
  server: AuthServer,
  { delayMs, deadlineMs }: Config['shutdown'],
  { quietly = false } = {},
): Promise<void> {
  const deadline = performance.now() + deadlineMs
  server.leave({ quietly })
  await delay(delayMs)
  const rest = Math.max(0, deadline - performance.now())
  await Promise.race([server.close(rest), delay(rest + LAST_MOMENT_MS, undefined, { ref: false })])
}

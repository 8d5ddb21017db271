import type { ExecutionContext } from 'ava'

/** Ends a test that can't run here. The run counts it as skipped and prints the reason. Return right after it. */
export function skip(t: ExecutionContext, reason: string): void {
  t.log(`skipped: ${reason}`)
  t.pass()
}

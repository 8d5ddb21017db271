/**
 * A database that is out of reach, busy or just undone for another's sake passes. The library knows one word for whatever
 * fails, `server_error` with 500, which tells clients to give up; here it becomes `temporarily_unavailable` with 503 and
 * `Retry-After` (RFC 6749 §4.1.2.1, RFC 9110 §15.6.4).
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { passingFault, retryAfter } from '../database/passing-fault.ts'

export const BUSY = {
  error: 'temporarily_unavailable',
  error_description: 'not available at this moment; the same request may succeed later',
} as const

type BusyContext = Pick<KoaContextWithOIDC, 'set' | 'body' | 'status'>

/**
 * Sets status and `Retry-After`, and takes the place of the JSON that stands there; pages are the caller's.
 * @returns false, and nothing is done, for every other error
 */
export function answerBusy(ctx: BusyContext, error: unknown): boolean {
  const fault = passingFault(error)
  if (!fault) return false
  const body = ctx.body as { error?: unknown } | undefined
  if (body?.error === 'server_error') ctx.body = BUSY
  ctx.status = 503
  ctx.set('Retry-After', retryAfter[fault])
  return true
}

import { StrangerError, type Strangers } from '../../outbound/stranger.ts'
import { nextAttemptSeconds } from '../webhooks/schedule.ts'
import type { Notice, Result } from './queue.ts'

/** Signs a logout token for what the notice says; undefined when there is no such client any more. */
export type MintLogoutToken = (
  notice: Pick<Notice, 'sessionUid' | 'clientId' | 'userId'>,
) => Promise<string | undefined>

const MINUTE = 60

/** Seconds before each attempt after the first: eight attempts over an hour. Who has not been told by then has been down for long. */
export const LOGOUT_RETRY_SECONDS: readonly number[] = [
  5,
  30,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
]

/** "Invalid request" and "not implemented" (§2.8): the same again would get the same answer. */
const FINAL: ReadonlySet<number> = new Set([400, 501])

const MOST_BYTES = 1024

export interface AttemptOptions {
  strangers: Strangers
  mint: MintLogoutToken
  timeoutMs: number
  signal: AbortSignal
}

/**
 * Tells one client of one logout (§2.5). The token is made now: it lives for two minutes, and the notice may have waited for
 * an hour. Whatever the receiver does is a result, never an exception.
 */
export async function attempt(notice: Notice, { strangers, mint, timeoutMs, signal }: AttemptOptions): Promise<Result> {
  const token = notice.url === null ? undefined : await mint(notice)
  if (notice.url === null || token === undefined) {
    return { state: 'failed', status: null, problem: 'the client takes no logout tokens any more' }
  }
  try {
    const { status } = await strangers.request(notice.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'user-agent': 'Grantry-Logout/1' },
      body: new URLSearchParams({ logout_token: token }).toString(),
      timeoutMs,
      mostBytes: MOST_BYTES,
      signal,
    })
    if (status >= 200 && status < 300) return { state: 'delivered', status, problem: null }
    if (FINAL.has(status)) return { state: 'failed', status, problem: null }
    return again(notice, { status, problem: null })
  } catch (error) {
    if (!(error instanceof StrangerError)) throw error
    return again(notice, { status: null, problem: error.message })
  }
}

function again(notice: Notice, outcome: Pick<Result, 'status' | 'problem'>): Result {
  const waitSeconds = nextAttemptSeconds({ attempts: notice.attempt }, { schedule: LOGOUT_RETRY_SECONDS })
  return { ...outcome, state: waitSeconds === undefined ? 'failed' : 'pending', waitSeconds }
}

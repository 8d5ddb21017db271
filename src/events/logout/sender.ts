/**
 * `events/logout` tells apps of sessions that have ended (OpenID Connect Back-Channel Logout 1.0). The notices are rows; every
 * instance sends what is due, and a row's lease says who does, so any of them may be killed at any moment: an app is told at
 * least once. It must not know how tokens are signed: that is handed in.
 */
import type { Database } from '../../database/connect.ts'
import { createTurns } from '../../lib/turns.ts'
import type { Strangers } from '../../outbound/stranger.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { attempt, type MintLogoutToken } from './attempt.ts'
import { claim, findDueClients, LOGOUTS, record, type Notice, type Result } from './queue.ts'

export interface LogoutSenderOptions {
  db: Database
  strangers: Strangers
  mint: MintLogoutToken
  log: Logger
  /** How long a receiver may take. */
  timeoutMs: number
}

/** Retries become due by time alone. */
const POLL_MS = 1000
/** At a stop, what is on its way has so long to arrive. */
const GRACE_MS = 3000
/** Requests that one process has open to one client. One that hangs holds up only itself. */
const AT_ONCE = 8
/** Clients that one process speaks to at a time; the others are left to the next turn, and to other instances. */
const MOST_LANES = 64

export async function startLogoutSender(options: LogoutSenderOptions): Promise<{ stop(): Promise<void> }> {
  const { db, log, timeoutMs } = options
  const stopping = new AbortController()
  const hurry = new AbortController()
  const lanes = new Map<string, Promise<void>>()
  // Nobody takes longer than the timeout over what is claimed at once, so whoever holds a notice for longer is gone.
  const leaseSeconds = (2 * timeoutMs) / 1000
  const turns = createTurns({ everyMs: POLL_MS })
  const unlisten = await db.listen(LOGOUTS, () => turns.nudge())
  const running = dispatch()

  async function dispatch(): Promise<void> {
    while (!stopping.signal.aborted) {
      turns.begin()
      try {
        for (const id of await findDueClients(db.pool)) if (!lanes.has(id) && lanes.size < MOST_LANES) openLane(id)
      } catch (err) {
        log.warn({ err }, 'due logout notices could not be read; the next turn tries again')
      }
      if (!stopping.signal.aborted) await turns.rest()
    }
  }

  function openLane(clientId: string): void {
    const lane = runLane(clientId)
      .catch((err: unknown) =>
        log.warn({ err, client_id: clientId }, 'telling of logouts broke off; it is tried again'),
      )
      .finally(() => lanes.delete(clientId))
    lanes.set(clientId, lane)
  }

  async function runLane(clientId: string): Promise<void> {
    while (!stopping.signal.aborted) {
      const notices = await claim(db.pool, { clientId, limit: AT_ONCE, leaseSeconds })
      if (notices.length === 0) return
      await Promise.all(notices.map(send))
    }
  }

  async function send(notice: Notice): Promise<void> {
    const result = await attempt(notice, { ...options, signal: hurry.signal })
    await record(db.pool, notice, result)
    tell(notice, result)
  }

  function tell({ clientId, sessionUid, attempt: number }: Notice, { state, status, problem }: Result): void {
    const facts = { client_id: clientId, session_id: sessionUid, attempt: number, status, problem }
    if (state === 'delivered') log.info(facts, 'a client was told of a logout')
    else if (state === 'pending') log.info(facts, 'a client could not be told of a logout; it is tried again')
    else log.warn(facts, 'a client was not told of a logout: given up')
  }

  return {
    /** What is on its way has some seconds to arrive; what is merely due stays in the table. */
    async stop() {
      stopping.abort()
      turns.nudge()
      await unlisten()
      const timer = setTimeout(() => hurry.abort(), GRACE_MS)
      await running
      await Promise.all(lanes.values())
      clearTimeout(timer)
    },
  }
}

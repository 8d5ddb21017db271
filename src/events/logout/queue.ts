/** The statements on logout notices: what is due, who has claimed it, what came of it. */
import type { Database } from '../../database/connect.ts'
import type { Expired } from '../../database/sweeper.ts'

type Pool = Database['pool']

/** Longer than a session may live: by them a session knows whom it need not tell again. */
export const expiredLogoutNotices: Expired = {
  table: 'logout_notices',
  column: 'finished_at',
  keep: '30 days',
  where: "state <> 'pending'",
}

/** Written by a trigger whenever a notice is. */
export const LOGOUTS = 'grantry_logouts'

/** A notice that somebody has claimed. */
export interface Notice {
  id: string
  sessionUid: string
  clientId: string
  userId: string
  /** null: the client is gone, out of use, or wants to be told no more. */
  url: string | null
  /** Which attempt this is, from 1. */
  attempt: number
}

const DUE = `state = 'pending' and next_attempt_at <= now() and (leased_until is null or leased_until < now())`

const FIND_DUE = {
  name: 'find-due-logouts',
  text: `select distinct client_id as id from logout_notices where ${DUE}`,
}

/** Clients that are to be told something now. */
export async function findDueClients(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(FIND_DUE)
  return rows.map(({ id }) => id)
}

const CLAIM = {
  name: 'claim-logouts',
  text: `
    update logout_notices as notice set leased_until = now() + make_interval(secs => $3), attempts = attempts + 1
    where id in (
      select id from logout_notices where client_id = $1 and ${DUE}
      order by next_attempt_at, id limit $2 for update skip locked
    )
    returning id::text, session_uid as "sessionUid", client_id as "clientId", user_id as "userId", attempts as attempt,
      (select backchannel_logout_uri from clients where id = notice.client_id and disabled_at is null) as url`,
}

/** Takes due notices to one client; nobody else gets them before the lease passes. */
export async function claim(
  pool: Pool,
  { clientId, limit, leaseSeconds }: { clientId: string; limit: number; leaseSeconds: number },
): Promise<Notice[]> {
  const { rows } = await pool.query<Notice>({ ...CLAIM, values: [clientId, limit, leaseSeconds] })
  return rows
}

/** What came of an attempt; `waitSeconds` while the notice stays pending. */
export interface Result {
  state: 'delivered' | 'failed' | 'pending'
  status: number | null
  problem: string | null
  waitSeconds?: number | undefined
}

const RECORD = {
  name: 'record-logout',
  text: `
    update logout_notices set
      state = $3, status = $4, problem = $5, leased_until = null,
      next_attempt_at = now() + make_interval(secs => $6),
      user_id = case when $3 = 'pending' then user_id end,
      finished_at = case when $3 = 'pending' then null else now() end
    where id = $1 and attempts = $2 and state = 'pending'`,
}

/** Of an attempt whose lease passed meanwhile, and that somebody else has taken up, nothing is written. */
export async function record(pool: Pool, notice: Notice, result: Result): Promise<void> {
  const { state, status, problem, waitSeconds = 0 } = result
  await pool.query({ ...RECORD, values: [notice.id, notice.attempt, state, status, problem, waitSeconds] })
}

/** The statements on deliveries: what is due, who has claimed it, what came of it. */
import type { Database } from '../../database/connect.ts'
import type { Expired } from '../../database/sweeper.ts'
import type { Claimed, Outcome } from './attempt.ts'

type Pool = Database['pool']

/** What was delivered or given up is told of for thirty days. */
export const expiredDeliveries: Expired = {
  table: 'webhook_deliveries',
  column: 'finished_at',
  keep: '30 days',
  children: [{ table: 'webhook_attempts', column: 'delivery_id' }],
}

const DUE = `state = 'pending' and next_attempt_at <= now() and (leased_until is null or leased_until < now())`

const FIND_DUE = {
  name: 'find-due-webhooks',
  text: `
    select id from webhooks
    where state = 'active' and exists (select from webhook_deliveries where webhook_id = webhooks.id and ${DUE})`,
}

/** Webhooks that have something to be sent now. */
export async function findDueWebhooks(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(FIND_DUE)
  return rows.map(({ id }) => id)
}

const CLAIM = {
  name: 'claim-deliveries',
  text: `
    update webhook_deliveries set leased_until = now() + make_interval(secs => $3), attempts = attempts + 1
    where id in (
      select id from webhook_deliveries where webhook_id = $1 and ${DUE}
      order by next_attempt_at, created_at limit $2 for update skip locked
    )
    returning id, event_id as "eventId", body, attempts as number`,
}

export interface Claim {
  webhookId: string
  limit: number
  /** Nobody takes longer over what is claimed at once, so whoever holds a delivery for longer is gone. */
  leaseSeconds: number
}

/** Takes due deliveries of one webhook, oldest first; nobody else gets them meanwhile. */
export async function claim(pool: Pool, { webhookId, limit, leaseSeconds }: Claim): Promise<Claimed[]> {
  const { rows } = await pool.query<Claimed>({ ...CLAIM, values: [webhookId, limit, leaseSeconds] })
  return rows.toSorted((one, other) => one.number - other.number)
}

const RELEASE = {
  name: 'release-deliveries',
  text: `
    update webhook_deliveries set leased_until = null, attempts = attempts - 1
    where id = any ($1) and state = 'pending' and attempts > 0`,
}

/** Gives back what was claimed and not sent. */
export async function release(pool: Pool, claimed: readonly Claimed[]): Promise<void> {
  if (claimed.length > 0) await pool.query({ ...RELEASE, values: [claimed.map(({ id }) => id)] })
}

const SENDING = {
  name: 'find-destination',
  text: `
    select url, legacy_headers as "legacyHeaders", secret_sealed as sealed, failures,
      case when previous_secret_until > now() then previous_secret_sealed end as "previousSealed"
    from webhooks where id = $1 and state = 'active'`,
}

export interface StoredDestination {
  url: string
  legacyHeaders: boolean
  sealed: string
  /** Only while the overlap of a rotation runs. */
  previousSealed: string | null
  failures: number
}

/** Undefined when the webhook is not active any more. */
export async function findDestination(pool: Pool, webhookId: string): Promise<StoredDestination | undefined> {
  const { rows } = await pool.query<StoredDestination>({ ...SENDING, values: [webhookId] })
  return rows[0]
}

const RECORD = {
  name: 'record-attempts',
  text: `
    with outcome as (
      select * from unnest($1::text[], $2::integer[], $3::timestamptz[], $4::integer[], $5::integer[], $6::text[],
        $7::text[], $8::text[], $9::double precision[])
        as outcome (id, number, at, milliseconds, status, problem, answer, state, wait)
    ), finished as (
      update webhook_deliveries as delivery set
        state = outcome.state, leased_until = null,
        next_attempt_at = now() + make_interval(secs => coalesce(outcome.wait, 0)),
        finished_at = case when outcome.state = 'pending' then null else now() end
      from outcome where delivery.id = outcome.id and delivery.attempts = outcome.number
      returning delivery.id
    )
    insert into webhook_attempts (delivery_id, number, at, milliseconds, status, problem, answer)
    select outcome.id, number, at, milliseconds, status, problem, answer from outcome join finished using (id)`,
}

/** What is to become of a delivery after an attempt; `wait` in seconds, while it stays pending. */
export interface Verdict {
  outcome: Outcome
  state: 'delivered' | 'failed' | 'pending'
  wait: number | undefined
}

/** Writes what came of attempts. Of one whose lease passed meanwhile and that somebody else has taken up, nothing is written. */
export async function record(pool: Pool, verdicts: readonly Verdict[]): Promise<void> {
  const column = <T>(pick: (verdict: Verdict) => T) => verdicts.map(pick)
  await pool.query({
    ...RECORD,
    values: [
      column(({ outcome }) => outcome.delivery.id),
      column(({ outcome }) => outcome.delivery.number),
      column(({ outcome }) => outcome.at),
      column(({ outcome }) => outcome.milliseconds),
      column(({ outcome }) => outcome.status),
      column(({ outcome }) => outcome.problem),
      column(({ outcome }) => outcome.answer),
      column(({ state }) => state),
      column(({ wait }) => wait ?? null),
    ],
  })
}

const HEALTH = {
  name: 'record-webhook-health',
  text: `
    update webhooks set
      failures = case when $2 then 0 else failures end + $3,
      failing_since = case when $3 = 0 then null when $2 then now() else coalesce(failing_since, now()) end,
      last_delivered_at = case when $2 then now() else last_delivered_at end
    where id = $1 and ($2 or $3 > 0)
    returning failures`,
}

/** @param succeeded whether any attempt did; @param failed how many failed after the last that succeeded */
export async function recordHealth(
  pool: Pool,
  webhookId: string,
  { succeeded, failed }: { succeeded: boolean; failed: number },
): Promise<void> {
  await pool.query({ ...HEALTH, values: [webhookId, succeeded, failed] })
}

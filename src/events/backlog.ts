import type { Database } from '../database/connect.ts'

/** What has been written and is not where it belongs yet. Counts stop at 50,000: nobody needs to know more, and to count costs. */
export interface Backlog {
  /** Events that nobody has put in order: no reader sees them yet. */
  unordered: { count: number; oldestSeconds: number }
  /** Deliveries to webhooks, and since when the first of those that may be sent now could have been. */
  deliveries: { count: number; oldestSeconds: number; overdueSeconds: number }
  /** Notices of ended sessions, in the same way. */
  logouts: { count: number; oldestSeconds: number; overdueSeconds: number }
  /** Events that the slowest of the active webhooks has not got to. */
  behind: number
}

const queue = (table: string) => `
  select count(*)::int as count,
    coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as "oldestSeconds",
    greatest(coalesce(extract(epoch from now() - min(next_attempt_at)), 0), 0)::float8 as "overdueSeconds"
  from (select created_at, next_attempt_at from ${table} where state = 'pending' limit 50000) as waiting`

const BACKLOG = {
  name: 'event-backlog',
  text: `
    select to_json(unordered) as unordered, to_json(deliveries) as deliveries, to_json(logouts) as logouts, behind
    from
      (
        select count(*)::int as count, coalesce(extract(epoch from now() - min(at)), 0)::float8 as "oldestSeconds"
        from (select at from events where position is null limit 50000) as fresh
      ) as unordered,
      (${queue('webhook_deliveries')}) as deliveries,
      (${queue('logout_notices')}) as logouts,
      (
        select coalesce(max(last_position - position), 0)::float8 as behind
        from webhooks, event_order where state = 'active'
      ) as slowest`,
}

/** For whoever watches: one statement, by the indexes of what is pending. */
export async function readBacklog(pool: Pick<Database['pool'], 'query'>): Promise<Backlog> {
  const { rows } = await pool.query<Backlog>(BACKLOG)
  return rows[0]!
}

import type { Database } from '../database/connect.ts'

/**
 * Takes the oldest events away, up to the first that is young enough: history stays without holes, and `swept_position`
 * tells a reader who was away for too long that it has missed some. One small batch is one statement.
 */
const SWEEP = {
  name: 'sweep-events',
  text: `
    with bounds as materialized (
      select swept_position from event_order for update skip locked
    ), head as materialized (
      select events.position, at from events, bounds
      where events.position > bounds.swept_position order by events.position limit $2
    ), cut as (
      select coalesce(
        min(position) filter (where at >= now() - make_interval(secs => $1)) - 1, max(position)) as position from head
    ), gone as (
      delete from events using cut, bounds
      where events.position > bounds.swept_position and events.position <= cut.position
      returning 1
    ), moved as (
      update event_order set swept_position = greatest(swept_position, cut.position)
      from cut where (select count(*) from gone) > 0
    )
    select count(*)::integer as gone from gone`,
}

const BATCH = 1000

/** @returns how many went; call again while it is `batch` */
export async function sweepEvents(
  { pool }: Pick<Database, 'pool'>,
  { keepSeconds, batch = BATCH }: { keepSeconds: number; batch?: number },
): Promise<number> {
  const { rows } = await pool.query<{ gone: number }>({ ...SWEEP, values: [keepSeconds, batch] })
  return rows[0]?.gone ?? 0
}

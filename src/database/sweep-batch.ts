/** The statements that take one batch of rows away. Each is one text, one round trip and one transaction. */
import pg from 'pg'
import type { Database } from './connect.ts'

type Pool = Pick<Database['pool'], 'query'>

/** Rows that nobody needs any more. */
export interface Expired {
  table: string
  /** The time from which a row ages. An index begins with it: old rows are found from its end. */
  column: string
  /** For how long after that time a row is kept, as PostgreSQL says it ('1 hour'). Left out: no longer. */
  keep?: string
  /** What else must be so. Rows that are old and stay are looked at in every round: there must be few. */
  where?: string
  /** Who refers to its `id` with `on delete cascade`, by an index. They go first, or one row could take a million along. */
  children?: readonly Child[]
  /** Name and value of what a guard of the table wants to be told before it lets a row go. */
  setting?: readonly [string, string]
}

export interface Child {
  table: string
  column: string
}

export interface BatchResult {
  gone: number
  /** Whether there may be more. */
  isFull: boolean
  /** The youngest row that was looked at: the next batch begins there, and not among the dead rows of this one. */
  until: string | null
}

/** How many rows, and where the batch before ended. */
export interface Bounds {
  limit: number
  from: string | null
}

/**
 * A batch ends by itself long before anybody who waits for it would give up, waits for nobody, and does not ask for the disk
 * to be reached: what a crash brings back is swept again. The planner has no say where all rows but a few have expired; to
 * it, a scan of everything would look cheap then, over and over.
 */
const LIMITS = `
  set local statement_timeout = 5000; set local lock_timeout = 100; set local synchronous_commit = off;
  set local enable_seqscan = off; set local enable_bitmapscan = off;`

export function isOld({ column, keep, where }: Expired): string {
  const age = keep === undefined ? 'now()' : `now() - interval '${keep}'`
  return `${column} < ${age}${where === undefined ? '' : ` and (${where})`}`
}

/**
 * The oldest rows, gone. What still has children stays until they are gone: with the row's lock ours nobody can add one.
 * Rows that somebody holds are left for another round.
 */
export function takeOldest(pool: Pool, expired: Expired, bounds: Bounds): Promise<BatchResult> {
  return run(pool, told(expired) + oldest(expired, bounds), bounds)
}

/** What refers to the oldest rows by this column, gone. Only when nothing of it is left is `until` beyond these rows. */
export function takeChildren(pool: Pool, expired: Expired, child: Child, bounds: Bounds): Promise<BatchResult> {
  return run(pool, childrenOfOldest(expired, child, bounds), bounds)
}

/** The statement of `takeOldest`. */
export function oldest(expired: Expired, bounds: Bounds): string {
  const { table, children = [] } = expired
  const childless = children.map(
    (child) => ` and not exists (select from ${child.table} where ${child.table}.${child.column} = ${table}.id)`,
  )
  return `
    with old as materialized (${oldRows(expired, 'ctid', bounds)}
    ), free as materialized (
      select ctid from ${table} where ctid = any (array(select ctid from old)) and ${isOld(expired)}${childless.join('')}
      for update skip locked
    ), gone as (
      delete from ${table} where ctid = any (array(select ctid from free)) returning 1
    )
    select (select count(*) from gone) as gone, (select count(*) from old) as seen, (select max(at)::text from old) as until`
}

/** The statement of `takeChildren`. */
export function childrenOfOldest(expired: Expired, { table, column }: Child, bounds: Bounds): string {
  return `
    with old as materialized (${oldRows(expired, 'id', bounds)}
    ), free as materialized (
      select ctid from ${table} where ${column} = any (array(select id from old)) limit ${bounds.limit}
      for update skip locked
    ), gone as (
      delete from ${table} where ctid = any (array(select ctid from free)) returning 1
    ), counted as (
      select count(*) as gone from gone
    )
    select gone, case when gone < ${bounds.limit} then (select count(*) from old) else gone end as seen,
      case when gone < ${bounds.limit} then (select max(at)::text from old) else ${literal(bounds.from)} end as until
    from counted`
}

function told({ setting }: Expired): string {
  return setting === undefined ? '' : `set local ${setting[0]} = ${literal(setting[1])};`
}

function oldRows(expired: Expired, what: string, { limit, from }: Bounds): string {
  const { table, column } = expired
  const start = from === null ? '' : ` and ${column} >= ${literal(from)}`
  return `
      select ${what}, ${column} as at from ${table} where ${isOld(expired)}${start} order by ${column} limit ${limit}`
}

function literal(text: string | null): string {
  return text === null ? 'null' : pg.escapeLiteral(text)
}

async function run(pool: Pool, statement: string, { limit, from }: Bounds): Promise<BatchResult> {
  type Row = { gone: number; seen: number; until: string | null }
  const results = (await pool.query(LIMITS + statement)) as unknown as { rows: Row[] }[]
  const { gone, seen, until } = results.at(-1)!.rows[0]!
  // Without a step forward there is no more to be had in this round.
  return { gone, isFull: seen >= limit && (gone > 0 || until !== from), until }
}

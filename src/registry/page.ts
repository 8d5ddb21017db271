/**
 * How every noun of the registry reads a page of a list: by keyset or by offset, with one row more than asked for to know
 * whether there is more. The noun brings the statement and names the columns that may be sorted by.
 */
import type { Knex } from 'knex'
import { keyset, type Position, type Sorting } from '../lib/keyset.ts'

/** Which part of a list. Either `after` or `offset`, or neither for the first page. */
export interface PageOptions {
  limit: number
  sorting: Sorting
  after?: Position | undefined
  offset?: number | undefined
  /** Whether to count all things that the filter lets through; costs a statement. */
  wantsTotal?: boolean | undefined
}

/** What may be sorted by: the name that callers use, and the column as SQL. */
export type SortColumns = Readonly<Record<string, { column: string; nullable?: boolean }>>

export interface PageRules {
  sortColumns: SortColumns
  /** The id's column as SQL. */
  id: string
}

export interface Page<Row> {
  rows: Row[]
  /** Where the page ended; undefined when it was the last. */
  next: Position | undefined
  /** Undefined unless it was wanted. */
  total: number | undefined
}

/**
 * Reads one page of what `query` selects; the query holds the filters and no order.
 * @throws TypeError when the list has no such order: whoever asks holds names against the list's own before
 */
export async function readPage<Row extends { id: string }>(
  query: Knex.QueryBuilder,
  { sortColumns, id }: PageRules,
  { limit, sorting, after, offset, wantsTotal = false }: PageOptions,
): Promise<Page<Row>> {
  const sort = Object.hasOwn(sortColumns, sorting.by) ? sortColumns[sorting.by] : undefined
  if (!sort) throw new TypeError(`a list can't be sorted by ${JSON.stringify(sorting.by)}`)
  const keys = keyset({ ...sort, id, descending: sorting.descending, after })
  const total = wantsTotal ? await count(query) : undefined

  const page = query
    .clone()
    .select(query.client.raw(`${keys.position} as page_position`))
    .orderByRaw(keys.orderBy)
  if (keys.where !== undefined) page.whereRaw(keys.where, keys.bindings)
  if (offset !== undefined) page.offset(offset)
  const found = (await page.limit(limit + 1)) as (Row & { page_position: string | null })[]
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  const next = found.length > limit && last ? { value: last.page_position, id: last.id } : undefined
  return { rows, next, total }
}

async function count(query: Knex.QueryBuilder): Promise<number> {
  const [row] = (await query.clone().clearSelect().count({ total: '*' })) as { total: number }[]
  return row?.total ?? 0
}

/** When something happened, in ISO 8601, as text: a JavaScript date would lose the microseconds. */
export interface TimeRange {
  gt?: string | undefined
  gte?: string | undefined
  lt?: string | undefined
  lte?: string | undefined
}

const COMPARISONS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

/** Leaves the rows whose time lies in the range. */
export function whereTime(query: Knex.QueryBuilder, column: string, range: TimeRange = {}): void {
  for (const [name, operator] of Object.entries(COMPARISONS)) {
    const bound = range[name as keyof TimeRange]
    if (bound !== undefined) query.whereRaw(`${column} ${operator} ?::timestamptz`, [bound])
  }
}

/** Leaves the rows in which one of the columns contains the text, whatever its case. */
export function whereContains(query: Knex.QueryBuilder, columns: readonly string[], text: string): void {
  const pattern = `%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
  query.where((either) => {
    for (const column of columns) either.orWhereRaw(`${column} ilike ?`, [pattern])
  })
}

/**
 * Pages by keyset: a page begins after the last thing of the page before, wherever that now stands, so that nobody is passed
 * over or told twice because others come or go in between, and page 5,000 costs what page 1 costs. Pure: SQL text and values.
 */

/** One column, and the id that settles ties. */
export interface Sorting {
  /** A name from the list's allow-list, never from a request. */
  by: string
  descending: boolean
}

/** Where a page ended: the value that was sorted by, as the database wrote it (`::text`), and the id. */
export interface Position {
  /** null: the thing had no value; such things stand last, whatever the direction. */
  value: string | null
  id: string
}

export interface KeysetOptions {
  /** The column as SQL, from the list's own table of columns, never from a request. */
  column: string
  /** Whether the column may be null. Such rows stand last, in both directions. */
  nullable?: boolean
  /** The id's column as SQL; `id` unless given. */
  id?: string
  descending: boolean
  after?: Position | undefined
}

/** Parts of a statement, with `?` for each binding (knex). */
export interface Keyset {
  /** `created_at desc, id desc` */
  orderBy: string
  /** `(created_at, id) < (?, ?)`; undefined for the first page. */
  where: string | undefined
  bindings: string[]
  /** What to select as text to make the next `Position`: `created_at::text`. A JavaScript date would lose microseconds. */
  position: string
}

export function keyset({ column, nullable = false, id = 'id', descending, after }: KeysetOptions): Keyset {
  const [direction, beyond] = descending ? ['desc', '<'] : ['asc', '>']
  const orderBy = `${column} ${direction}${nullable ? ' nulls last' : ''}, ${id} ${direction}`
  const position = `${column}::text`
  if (!after) return { orderBy, position, where: undefined, bindings: [] }
  if (after.value === null) {
    return { orderBy, position, where: `${column} is null and ${id} ${beyond} ?`, bindings: [after.id] }
  }
  const row = `(${column}, ${id}) ${beyond} (?, ?)`
  const where = nullable ? `(${row} or ${column} is null)` : row
  return { orderBy, position, where, bindings: [after.value, after.id] }
}

import type { Database } from './connect.ts'

export interface TableSize {
  table: string
  /** As of the last vacuum or analyze; 0 for a table that has seen neither. */
  rows: number
  /** On disk, with its indexes and what is stored out of line. */
  bytes: number
}

// The functions of sizes look at files. They take the lightest lock there is, for a moment: only whoever rewrites the table
// makes them wait. A table that is dropped meanwhile has none.
const SIZES = {
  name: 'table-sizes',
  text: `
    select relname as table, greatest(reltuples, 0)::float8 as rows, coalesce(pg_total_relation_size(oid), 0) as bytes
    from pg_class
    where relkind = 'r' and relnamespace = current_schema()::regnamespace
    order by relname`,
}

/** How large each table of the schema is. Costs the same at any number of rows, which is an estimate for that reason. */
export async function tableSizes(pool: Pick<Database['pool'], 'query'>): Promise<TableSize[]> {
  const { rows } = await pool.query<TableSize>(SIZES)
  return rows
}

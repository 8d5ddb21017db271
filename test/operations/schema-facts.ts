/** What older code may rely on in a schema, and what a schema demands of it. */
import type { Knex } from 'knex'

export interface SchemaFacts {
  /** Each must still be true after an upgrade: tables, columns with their types, nulls that are taken, defaults, keys, functions. */
  promises: Set<string>
  /** What writing to a table has to comply with, by table: constraints, unique indexes, columns that must be given. */
  demands: Map<string, Set<string>>
  /** By table, in order. */
  columns: Map<string, string[]>
}

const OURS = `n.nspname = current_schema() and c.relkind in ('r', 'p') and c.relname <> 'schema_migrations'`
const COLUMNS = `select c.relname as "table", a.attname as column, format_type(a.atttypid, a.atttypmod) as type,
    a.attnotnull as required, a.atthasdef or a.attidentity <> '' as filled
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where ${OURS} and a.attnum > 0 and not a.attisdropped
  order by c.relname, a.attnum`
const CONSTRAINTS = `select c.relname as "table", pg_get_constraintdef(k.oid) as definition
  from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
  where ${OURS} and k.contype in ('c', 'f', 'x')`
const KEYS = `select c.relname as "table", regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', '') as definition
  from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
  where ${OURS} and i.indisunique`
const FUNCTIONS = `select p.oid::regprocedure::text as name from pg_proc p where p.pronamespace = current_schema()::regnamespace`

interface Row {
  table: string
  column: string
  type: string
  required: boolean
  filled: boolean
  definition: string
  name: string
}

export async function schemaFacts(knex: Knex): Promise<SchemaFacts> {
  const read = async (query: string) => (await knex.raw<{ rows: Row[] }>(query)).rows
  const promises = new Set<string>()
  const demands = new Map<string, Set<string>>()
  const columns = new Map<string, string[]>()
  const demand = (table: string, text: string) => demands.set(table, (demands.get(table) ?? new Set()).add(text))
  for (const { table, column, type, required, filled } of await read(COLUMNS)) {
    promises.add(`table ${table}`).add(`column ${table}.${column} ${type}`)
    columns.set(table, [...(columns.get(table) ?? []), column])
    if (!demands.has(table)) demands.set(table, new Set())
    if (!required) promises.add(`${table}.${column} takes null`)
    if (filled) promises.add(`${table}.${column} has a default`)
    if (required && !filled) demand(table, `${table}.${column} must be given`)
  }
  for (const { table, definition } of await read(CONSTRAINTS)) demand(table, `${table} ${definition}`)
  for (const { table, definition } of await read(KEYS)) {
    // `on conflict` names the columns of a key, and fails when there is none.
    promises.add(`key of ${table} ${definition}`)
    demand(table, `key of ${table} ${definition}`)
  }
  for (const { name } of await read(FUNCTIONS)) promises.add(`function ${name}`)
  return { promises, demands, columns }
}

/**
 * What of the change breaks code that was written for the schema before it. Whole new tables are nobody's concern.
 * @param fixedTables may not even get another column
 */
export function breaches(before: SchemaFacts, after: SchemaFacts, fixedTables: readonly string[] = []): string[] {
  const gone = [...before.promises].filter((promise) => !after.promises.has(promise))
  const asked = [...before.demands].flatMap(([table, demands]) =>
    [...(after.demands.get(table) ?? [])].filter((demand) => !demands.has(demand)),
  )
  const widened = fixedTables.filter((table) => `${before.columns.get(table)}` !== `${after.columns.get(table)}`)
  return [
    ...gone.map((promise) => `no more: ${promise}`),
    ...asked.map((text) => `new demand: ${text}`),
    ...widened.map((table) => `other columns: ${table}`),
  ].toSorted()
}

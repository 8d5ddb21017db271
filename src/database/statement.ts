import { createHash } from 'node:crypto'
import type pg from 'pg'

/**
 * A named statement: PostgreSQL parses and plans it once for each connection. The name is taken from the text, so that two
 * versions of the code on one pooled connection can't mistake one another's statements.
 */
export interface Statement {
  name: string
  text: string
}

export function statement(text: string): Statement {
  return { name: createHash('sha256').update(text).digest('base64url').slice(0, 24), text }
}

/**
 * A parameter that holds as many values as there are questions in a batch. By itself `unnest($1)` or `any ($1)` would have
 * PostgreSQL plan the statement anew at each call: a plan for these two values always looks cheaper to it than the one that it
 * could keep, for which it supposes ten, and planning takes longer than answering. Behind a subquery it can't count them.
 * @param parameter with its type: `$1::bytea[]`
 */
export function manyValues(parameter: string): string {
  return `(select ${parameter})`
}

export async function run<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  { name, text }: Statement,
  values: unknown[],
): Promise<Row[]> {
  const { rows } = await pool.query<Row>({ name, text, values })
  return rows
}

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

export async function run<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  { name, text }: Statement,
  values: unknown[],
): Promise<Row[]> {
  const { rows } = await pool.query<Row>({ name, text, values })
  return rows
}

import type pg from 'pg'

/**
 * A connection plans a named statement once. When a migration has added a column to a table that the statement reads whole,
 * PostgreSQL refuses that plan on this connection from then on: the answer would have another shape. It does so before anything
 * is done, so the same is asked once more without its name, which is planned anew. The pool parts with a connection on which a
 * query failed, and the next one plans for the table as it is.
 */
export function outliveChangedTables<Pool extends pg.Pool>(pool: Pool): Pool {
  const query = pool.query.bind(pool) as (...args: unknown[]) => unknown
  const asked = (...args: unknown[]): unknown => {
    const [config, ...more] = args
    if (!isNamed(config) || more.length > 0) return query(...args)
    return (query(config) as Promise<unknown>).catch((error: unknown) => {
      if (!isOutdated(error)) throw error
      const { name: _name, ...unnamed } = config
      return query(unnamed)
    })
  }
  pool.query = asked as Pool['query']
  return pool
}

function isNamed(config: unknown): config is pg.QueryConfig {
  return typeof config === 'object' && config !== null && 'name' in config && !('submit' in config)
}

/** The code is that of many faults, and the message is in the server's language. */
function isOutdated(error: unknown): boolean {
  const { code, routine } = error as Partial<pg.DatabaseError>
  return code === '0A000' && routine === 'RevalidateCachedQuery'
}

import type { AuthServer } from '../server.ts'
import type { Logger } from '../telemetry/logger.ts'

/** What every process opens beside its pool: it listens for notifications. */
const BESIDE_THE_POOL = 1

/** Most connections that one instance opens. */
export function connectionsOf({ workers, database }: Pick<AuthServer['config'], 'workers' | 'database'>): number {
  return workers * (database.poolMax + BESIDE_THE_POOL)
}

/** Warns of a pool that the database can't fill: under load requests would fail for want of a connection. Never throws. */
export async function warnOfConnections({ config, db }: Pick<AuthServer, 'config' | 'db'>, log: Logger): Promise<void> {
  try {
    const { rows } = await db.pool.query<{ most: number }>(
      `select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer as most`,
    )
    const most = rows[0]?.most ?? Infinity
    const wanted = connectionsOf(config)
    if (wanted <= most) return
    log.warn(
      { wanted, most, workers: config.workers, pool: config.database.poolMax },
      'the workers may open more connections than the database gives: lower DATABASE_POOL_MAX or WEB_CONCURRENCY, or raise max_connections',
    )
  } catch {
    // The database went away since: there is louder news of that.
  }
}

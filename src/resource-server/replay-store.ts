/** Where an API remembers which proofs were used (RFC 9449 §11.1), so that each counts once. */

export interface ReplayStore {
  /**
   * Takes a key for everybody who shares the store, in one step: of two at once, one gets it.
   * @param key printable ASCII, at most 64 characters
   * @param ttlSeconds for how long nobody else may have it
   * @returns false when it was taken before
   */
  claim(key: string, ttlSeconds: number): Promise<boolean>
}

const MOST_KEYS = 100_000

/**
 * Within one process. Good for an API with a single instance; of several, each would accept the same proof once. When it
 * is full it refuses, because forgetting a key early would let its proof count again.
 */
export function createMemoryReplayStore({
  mostKeys = MOST_KEYS,
  now = Date.now,
}: { mostKeys?: number; now?: () => number } = {}): ReplayStore {
  const endOf = new Map<string, number>()

  function sweep(): void {
    const time = now()
    for (const [key, end] of endOf) if (end <= time) endOf.delete(key)
  }

  return {
    claim(key, ttlSeconds) {
      const end = endOf.get(key)
      if (end !== undefined && end > now()) return Promise.resolve(false)
      if (endOf.size >= mostKeys) sweep()
      if (endOf.size >= mostKeys) return Promise.reject(new Error(`more than ${mostKeys} proofs are in use`))
      endOf.delete(key)
      endOf.set(key, now() + ttlSeconds * 1000)
      return Promise.resolve(true)
    },
  }
}

/** The table of {@link createPostgresReplayStore}; rows whose `expires_at` is past may be deleted at any time. */
export const postgresReplayTable = `
  create table if not exists dpop_replays (
    key text primary key,
    expires_at timestamptz not null
  );
  create index if not exists dpop_replays_by_expiry on dpop_replays (expires_at);`

// One statement, so that of two instances one gets no row. A row that is past its time but still there counts as gone.
const CLAIM = `
  insert into dpop_replays as known (key, expires_at) values ($1, now() + make_interval(secs => $2))
  on conflict (key) do update set expires_at = excluded.expires_at where known.expires_at < now()
  returning key`

/**
 * For all instances that share a database with {@link postgresReplayTable} in it.
 * @param query runs one statement with `$1` parameters: of `pg`, `(text, values) => pool.query(text, values)`
 */
export function createPostgresReplayStore(
  query: (text: string, values: unknown[]) => Promise<{ rows: unknown[] }>,
): ReplayStore {
  return {
    claim: async (key, ttlSeconds) => (await query(CLAIM, [key, ttlSeconds])).rows.length === 1,
  }
}

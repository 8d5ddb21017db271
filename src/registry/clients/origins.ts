import type { Pool } from 'pg'
import { MANAGEMENT_RESOURCE_ID } from '../management-scopes.ts'

/** A removed origin may be answered for so long; a token is refused to its client's scripts at once all the same. */
const LONGEST_AGE_MS = 5_000
/** An origin that is not known may have been registered just now; it is looked for again after so long. */
const SHORTEST_AGE_MS = 1_000

const ORIGINS = {
  name: 'client-origins',
  text: `select origin, bool_or(exists (
      select from client_resource_scopes s where s.client_id = c.id and s.resource_id = $1
    )) as manages
    from clients c cross join unnest(c.allowed_origins) as origin
    where c.disabled_at is null
    group by origin`,
}

/** Which browser origins belong to clients. */
export interface ClientOrigins {
  /** Whether an enabled client has it. */
  isRegistered(origin: string): Promise<boolean>
  /** Whether an enabled client has it that may ask for tokens for the management API. */
  mayManage(origin: string): Promise<boolean>
}

/**
 * A preflight comes before everything that could hold back a flood, so it must not cost a statement each: all origins are
 * read at once, at most once a second, and kept for five. There are no more of them than clients have registered.
 */
export function createClientOrigins({
  pool,
  now = () => performance.now(),
}: {
  pool: Pool
  now?: () => number
}): ClientOrigins {
  let known = new Map<string, { manages: boolean }>()
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined

  async function read(): Promise<void> {
    const startedAt = now()
    const { rows } = await pool.query<{ origin: string; manages: boolean }>({
      ...ORIGINS,
      values: [MANAGEMENT_RESOURCE_ID],
    })
    known = new Map(rows.map(({ origin, manages }) => [origin, { manages }]))
    readAt = startedAt
  }

  async function find(origin: string, fits: (found: { manages: boolean }) => boolean): Promise<boolean> {
    const look = () => {
      const found = known.get(origin)
      return found !== undefined && fits(found)
    }
    const age = now() - readAt
    if (age < (look() ? LONGEST_AGE_MS : SHORTEST_AGE_MS)) return look()
    reading ??= read().finally(() => (reading = undefined))
    await reading
    return look()
  }

  return {
    isRegistered: (origin) => find(origin, () => true),
    mayManage: (origin) => find(origin, ({ manages }) => manages),
  }
}

/** What was kept about one person: read, and told as soon as there is more, whichever instance took it. */
import type { Database } from '../../database/connect.ts'
import { COLUMNS, EVENTS_CHANNEL, type KeptEvent } from './event.ts'

export interface AccountEvents {
  /** The newest about a person, newest first, and the position after which everything newer will stand. */
  newest(userId: string, limit: number): Promise<{ events: KeptEvent[]; position: number }>
  /** What was kept about a person after a position, oldest first. */
  after(userId: string, position: number, limit: number): Promise<KeptEvent[]>
  /** The newest position of all. */
  latest(): Promise<number>
  /** Rings whenever there may be something new about the person. @returns how to end it; undefined: they have too many already */
  follow(userId: string, ring: () => void): (() => void) | undefined
  close(): Promise<void>
}

/** Streams of one person, on one instance. */
const MOST_FOLLOWERS = 20

export async function openAccountEvents(db: Pick<Database, 'pool' | 'listen'>): Promise<AccountEvents> {
  const followers = new Map<string, Set<() => void>>()
  const unlisten = await db.listen(EVENTS_CHANNEL, (userId) => {
    // An empty name: the connection was lost for a while, so everybody may have missed something.
    const concerned = userId === '' ? [...followers.values()] : [followers.get(userId) ?? []]
    for (const rings of concerned) for (const ring of rings) ring()
  })

  async function latest(): Promise<number> {
    const { rows } = await db.pool.query<{ latest: number }>(
      'select coalesce(max(position), 0) as latest from account_events',
    )
    return rows[0]?.latest ?? 0
  }

  return {
    latest,
    async newest(userId, limit) {
      // First the position: what comes between the two statements stands after it, and will be told.
      const position = await latest()
      const { rows } = await db.pool.query<KeptEvent>(
        `select ${COLUMNS} from account_events where user_id = $1 and position <= $2 order by position desc limit $3`,
        [userId, position, limit],
      )
      return { events: rows, position }
    },
    async after(userId, position, limit) {
      const { rows } = await db.pool.query<KeptEvent>(
        `select ${COLUMNS} from account_events where user_id = $1 and position > $2 order by position limit $3`,
        [userId, position, limit],
      )
      return rows
    },
    follow(userId, ring) {
      const rings = followers.get(userId) ?? new Set()
      if (rings.size >= MOST_FOLLOWERS) return undefined
      followers.set(userId, rings.add(ring))
      return () => {
        rings.delete(ring)
        if (rings.size === 0 && followers.get(userId) === rings) followers.delete(userId)
      }
    },
    close: unlisten,
  }
}

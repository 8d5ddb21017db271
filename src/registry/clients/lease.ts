import type { Pool } from 'pg'

/**
 * The database's word that for a moment nothing about a client or an API changes (migration 0021): whoever changes something
 * waits at the commit until no lease is left. So whoever holds one need not ask whether what he remembers is still true.
 *
 *   asked often ──take──▶ holds ──half of it is over, still in use: take again──▶ holds on, without a gap
 *                          └──────nobody uses it, or a change waits to be committed──▶ is over; asks each time, as before
 */
export interface Lease {
  /**
   * Which time this is: for as long as the number is the same, nothing has changed. Undefined: there is no lease now.
   */
  current(): number | undefined
  /** The same for those who would have to ask otherwise: enough of them make it worth taking. */
  want(): number | undefined
}

export interface LeaseOptions {
  pool: Pick<Pool, 'query'>
  /** Milliseconds of a clock that only goes forward. */
  now?: () => number
  /** Of the clock on the wall, which goes on while a machine sleeps; the other may stand still. */
  wall?: () => number
}

/** So long may a change of a client wait while many tokens are issued. */
const LASTING_MS = 200
/** From when it was asked for. Two clocks that are being set right, each the other way, may differ by a fifth. */
const TRUSTED_MS = LASTING_MS * 0.8
/** Whoever asks less often within the time of a lease has fewer statements without one. */
const WORTH_IT = 12
/** After a refusal: a change is being committed. */
const PAUSE_MS = 20

const TAKE = {
  name: 'take_client_lease',
  text: `select take_client_lease('${LASTING_MS} milliseconds')::text as changes`,
}

export function createLease({ pool, now = () => performance.now(), wall = Date.now }: LeaseOptions): Lease {
  let time = 0
  let endsAt = Number.NEGATIVE_INFINITY
  let wallEnd = Number.NEGATIVE_INFINITY
  /** Number of the last change, by the database. */
  let seen: string | undefined
  let nextTry = Number.NEGATIVE_INFINITY
  let isAsking = false
  /** How often it was wanted since `countedFrom`. */
  let wanted = 0
  let countedFrom = Number.NEGATIVE_INFINITY

  function isWorthIt(at: number): boolean {
    if (at - countedFrom > LASTING_MS) {
      countedFrom = at
      wanted = 0
    }
    wanted += 1
    return wanted >= WORTH_IT
  }

  const isHeld = (at: number) => at < endsAt && wall() < wallEnd

  async function take(askedAt: number): Promise<void> {
    isAsking = true
    const wallAskedAt = wall()
    try {
      const { rows } = await pool.query<{ changes: string | null }>(TAKE)
      const changes = rows[0]?.changes ?? undefined
      const at = now()
      if (changes === undefined) nextTry = at + PAUSE_MS
      else {
        // Was there a change, or could there be one, since the last was over when this one was given out?
        if (!isHeld(at) || changes !== seen) time += 1
        seen = changes
        endsAt = askedAt + TRUSTED_MS
        wallEnd = wallAskedAt + TRUSTED_MS
      }
    } catch {
      // Whatever is wrong with the database, the next one who asks it gets to hear.
      nextTry = now() + LASTING_MS
    }
    isAsking = false
  }

  const current = (at = now()) => (isHeld(at) ? time : undefined)

  return {
    current: () => current(),
    want() {
      const at = now()
      const isWanted = isWorthIt(at)
      const isDue = endsAt - at < LASTING_MS / 2
      if (isWanted && isDue && !isAsking && at >= nextTry) void take(at)
      return current(at)
    },
  }
}

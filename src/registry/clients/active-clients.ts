import type { Pool } from 'pg'
import { createBatch } from '../../database/batch.ts'
import { isId } from '../../lib/ids.ts'
import { readActiveClient } from './active.ts'
import type { ActiveClient } from './client.ts'
import { createLease, type Lease } from './lease.ts'

export interface ActiveClients {
  /**
   * The client as it is now, or was after this call began; undefined when it is unknown or disabled. The same object as
   * before as long as nothing about it has changed, so that whatever is made from it may be kept with it.
   */
  find(id: string): Promise<ActiveClient | undefined>
}

export interface ActiveClientsOptions {
  pool: Pool
  /** Takes note of whether a client was known and current. */
  onLook?: ((hit: boolean) => void) | undefined
  /** Most clients that are remembered; whoever was not seen for longest goes. */
  most?: number
  /** Milliseconds of a clock that only goes forward. */
  now?: () => number
  lease?: Lease
}

interface Known {
  client: ActiveClient
  /** By id: the client's own and those of the resources whose settings came with it. */
  stamps: ReadonlyMap<string, string>
  /** On the clock `now`: a secret runs out, or it is time to look anyway. */
  until: number
  /** The same on the wall, where time goes on while a machine sleeps. */
  wallUntil: number
  /** The time of the lease in which this was seen to be so. */
  time?: number | undefined
}

const MOST = 10_000
/** What no stamp tells of is seen after so long: nothing that Grantry does, but a database that was put back. */
const LONGEST_MS = 60_000

const STAMPS = {
  name: 'stamps-of-clients',
  text: `
    select id, xmin::text as stamp from clients where id = any ($1) and disabled_at is null
    union all
    select id, xmin::text from resources where id = any ($2)`,
}

/**
 * A memory that is known to be true before each use: by a lease, or else by one small statement for all requests of the
 * moment, which begins after the last of them came. So a client that was disabled, or whose secret was taken away, is refused
 * by every instance from the commit on, as if there were no memory; what is saved is reading and building it anew.
 */
export function createActiveClients({
  pool,
  onLook,
  most = MOST,
  now = () => performance.now(),
  lease = createLease({ pool, now }),
}: ActiveClientsOptions): ActiveClients {
  const known = new Map<string, Known>()
  const isCurrent = createBatch<Known, boolean>({ ask: (all) => areCurrent(pool, all) })

  async function isTrue(entry: Known): Promise<boolean> {
    const time = lease.want()
    if (time !== undefined && entry.time === time) return true
    if (!(await isCurrent(entry))) return false
    entry.time = throughout(time)
    return true
  }

  /** The time of the lease, if it began before something was read and is not over. */
  function throughout(time: number | undefined): number | undefined {
    return time !== undefined && lease.current() === time ? time : undefined
  }

  async function load(id: string): Promise<ActiveClient | undefined> {
    const [began, wallBegan] = [now(), Date.now()]
    const time = lease.current()
    known.delete(id)
    const found = await readActiveClient(pool, id)
    // What is open to clients that registered themselves is no part of their row.
    if (!found || found.client.selfRegistered) return found?.client
    const { client, stamps, readAt } = found
    const ends = client.secrets.flatMap(({ expiresAt }) => (expiresAt ? [expiresAt.getTime() - readAt] : []))
    const lasts = Math.min(LONGEST_MS, ...ends)
    known.set(id, {
      client,
      stamps,
      until: began + lasts,
      wallUntil: wallBegan + lasts,
      time: throughout(time),
    })
    if (known.size > most) known.delete(known.keys().next().value ?? '')
    return client
  }

  return {
    async find(id) {
      if (!isId('cli', id)) return undefined
      const entry = known.get(id)
      const isHit = entry !== undefined && now() < entry.until && Date.now() < entry.wallUntil && (await isTrue(entry))
      onLook?.(isHit)
      if (!isHit) return load(id)
      if (known.get(id) === entry) {
        known.delete(id)
        known.set(id, entry)
      }
      return entry.client
    },
  }
}

async function areCurrent(pool: Pool, all: readonly Known[]): Promise<boolean[]> {
  const clients = new Set(all.map(({ client }) => client.id))
  const resources = new Set(all.flatMap(({ client }) => client.access.map(({ resourceId }) => resourceId)))
  const { rows } = await pool.query<{ id: string; stamp: string }>({
    ...STAMPS,
    values: [[...clients], [...resources]],
  })
  const stamps = new Map(rows.map(({ id, stamp }) => [id, stamp]))
  return all.map((one) => [...one.stamps].every(([id, stamp]) => stamps.get(id) === stamp))
}

/**
 * A network that swallows packets closes no connection. What was sent is repeated by TCP for a quarter of an hour, and
 * TCP's keepalive waits behind it; the statement's own time limit is the server's, which never got the statement. So a
 * statement that nothing was heard of for a while is asked after, on a new connection:
 *
 *   silent for 3 s ──ask──▶ it works on it (a slow statement, a lock): left alone
 *                    ├────▶ it idles, or knows no such connection:    cut
 *                    └────▶ no answer at all:                         cut, all that are silent
 *
 * Whoever waited for it gets the error of a lost connection, and the next one a new connection. It costs a statement nothing:
 * a timer looks at the sockets' counters.
 */
import pg from 'pg'
import type { Logger } from '../telemetry/logger.ts'

const LOOK_EVERY_MS = 1_000
const SILENT_LOOKS = 3
const ANSWER_MS = 3_000

/** What pg's client has and its types do not tell. */
interface ClientInside {
  processID: number | null
  /** False while a statement is under way. */
  readyForQuery: boolean
  connection: { stream: { bytesRead?: number; bytesWritten?: number; destroy(error?: Error): void } }
}

interface Sight {
  heard: number
  said: number
  looks: number
}

interface Watching {
  settings: pg.ClientConfig
  log: Pick<Logger, 'warn'>
}

/** Watches the connections of a pool until it has ended. */
export function watchForSilence(pool: pg.Pool, { settings, log }: Watching): void {
  const clients = new Map<pg.PoolClient, Sight>()
  let asking = false
  let timer: NodeJS.Timeout | undefined

  pool.on('connect', (client) => {
    clients.set(client, { heard: 0, said: 0, looks: 0 })
    timer ??= setInterval(look, LOOK_EVERY_MS).unref()
  })
  pool.on('remove', (client) => {
    clients.delete(client)
    if (clients.size > 0) return
    clearInterval(timer)
    timer = undefined
  })

  function look(): void {
    const silent = [...clients].filter(([client, sight]) => isSilent(client, sight)).map(([client]) => client)
    if (silent.length === 0 || asking) return
    asking = true
    void askAfter(silent).finally(() => (asking = false))
  }

  async function askAfter(silent: pg.PoolClient[]): Promise<void> {
    const lost = await whichAreLost(silent, settings)
    // In the meantime it may have answered after all.
    const gone = lost.filter((client) => (clients.get(client)?.looks ?? 0) >= SILENT_LOOKS && !isReady(client))
    if (gone.length === 0) return
    log.warn({ connections: gone.length }, 'database connections no longer answer and are cut')
    for (const client of gone) cut(client)
  }
}

function isReady(client: pg.PoolClient): boolean {
  return inside(client).readyForQuery
}

function inside(client: pg.ClientBase): ClientInside {
  return client as unknown as ClientInside
}

/** Ends a connection as if it had broken. */
export function cut(client: pg.ClientBase): void {
  inside(client).connection.stream.destroy(new Error('Connection terminated: the database no longer answers'))
}

/** Whether a statement is under way of which nothing was heard, and to which nothing was added, in so many looks. */
function isSilent(client: pg.PoolClient, sight: Sight): boolean {
  const { bytesRead = 0, bytesWritten = 0 } = inside(client).connection.stream
  const isSame = !isReady(client) && bytesRead === sight.heard && bytesWritten === sight.said
  sight.looks = isSame ? sight.looks + 1 : 0
  sight.heard = bytesRead
  sight.said = bytesWritten
  return sight.looks >= SILENT_LOOKS
}

/** Asks the server what it makes of these connections. */
async function whichAreLost(silent: pg.PoolClient[], settings: pg.ClientConfig): Promise<pg.PoolClient[]> {
  const asker = new pg.Client({ ...settings, application_name: 'grantry watch' })
  asker.on('error', () => undefined)
  const impatience = setTimeout(() => cut(asker), ANSWER_MS).unref()
  try {
    await asker.connect()
    const own = await asker.query<{ pid: number }>('select pg_backend_pid() as pid')
    // Behind a pooler the numbers are its own and tell nothing: there the asker's answer alone counts.
    if (own.rows[0]?.pid !== inside(asker).processID) return []
    const pids = silent.map((client) => inside(client).processID ?? 0)
    const { rows } = await asker.query<{ pid: number }>(
      `select pid from pg_stat_activity where pid = any ($1) and state in ('active', 'fastpath function call')`,
      [pids],
    )
    const working = new Set(rows.map(({ pid }) => pid))
    return silent.filter((client) => !working.has(inside(client).processID ?? 0))
  } catch (error) {
    // It has no room for one more, or does not let us in: an answer.
    return error instanceof pg.DatabaseError ? [] : silent
  } finally {
    clearTimeout(impatience)
    void asker.end().catch(() => undefined)
  }
}

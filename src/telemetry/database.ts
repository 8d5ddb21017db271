/** The pool of connections, watched: how long work waits for one, and which statements a request makes. */
import type { Metrics } from './metrics.ts'
import type { Tracing } from './tracing.ts'

/** Of pg's pool what is watched here. Telemetry does not know the driver. */
export interface WatchedPool {
  totalCount: number
  idleCount: number
  waitingCount: number
  connect: Connect
  on(event: 'acquire', listener: (client: WatchedClient) => void): unknown
}

export interface WatchedClient {
  query: Query
}

type Callback = (...results: never[]) => unknown
// Both have a form with a promise and one with a callback; all that matters here is that they can be called.
type Connect = (callback?: Callback) => unknown
type Query = (...args: unknown[]) => unknown

/** Puts itself before the pool's methods. Changes nothing of what they do; does nothing when nobody asks. */
export function watchPool(
  pool: WatchedPool,
  { metrics, tracing }: { metrics: Metrics; tracing: Tracing | undefined },
): void {
  if (metrics.isOn || tracing) watchConnect(pool, metrics, tracing)
  if (tracing) {
    const watched = new WeakSet<WatchedClient>()
    pool.on('acquire', (client) => {
      if (!watched.has(client)) watchQueries(client, tracing)
      watched.add(client)
    })
  }
  metrics.gauges(
    [
      { name: 'grantry_database_connections', help: 'Connections by state.', labels: ['state'], ofWorkers: 'sum' },
      { name: 'grantry_database_waiting', help: 'Work that waits for a connection.', ofWorkers: 'sum' },
    ],
    () => {
      const { totalCount, idleCount, waitingCount } = pool
      const busy = { labels: { state: 'busy' }, value: totalCount - idleCount }
      return Promise.resolve([[busy, { labels: { state: 'idle' }, value: idleCount }], [{ value: waitingCount }]])
    },
  )
}

function watchConnect(pool: WatchedPool, metrics: Metrics, tracing: Tracing | undefined): void {
  const connect = pool.connect.bind(pool)
  pool.connect = (callback) => {
    const asked = performance.now()
    const waited = () => metrics.waitedForDatabase((performance.now() - asked) / 1000)
    if (!callback) {
      const client = connect() as Promise<unknown>
      client.then(waited, waited)
      return client
    }
    // Whoever gives a connection back calls whoever waits for it, and would take what follows into its own trace.
    const bound = tracing ? tracing.bind(callback) : callback
    return connect(((...results: never[]) => {
      waited()
      return bound(...results)
    }) as Callback)
  }
}

function watchQueries(client: WatchedClient, tracing: Tracing): void {
  const query = client.query.bind(client)
  client.query = (...args) => {
    // What nobody's request causes (polls, sweeps) would be traces of one span each, all day long.
    if (!tracing.isInside() || isStream(args[0])) return query(...args)
    const done = Promise.withResolvers<void>()
    const callback = args.at(-1)
    void tracing
      .span(
        { name: nameOf(args[0]), kind: 'client', attributes: { 'db.system.name': 'postgresql' } },
        () => done.promise,
      )
      .catch(() => undefined)
    if (typeof callback !== 'function') {
      const result = query(...args) as Promise<unknown>
      result.then(() => done.resolve(), done.reject)
      return result
    }
    const before = args.slice(0, -1)
    return query(...before, (error: unknown, ...rest: unknown[]) => {
      if (error) done.reject(error)
      else done.resolve()
      return (callback as (...results: unknown[]) => unknown)(error, ...rest)
    })
  }
}

/** Cursors and the like are handed over whole and report in ways of their own. */
function isStream(statement: unknown): boolean {
  return typeof (statement as { submit?: unknown } | undefined)?.submit === 'function'
}

const TABLE = /^\s*(\w+)\b(?:[^]*?\b(?:from|into|update)\s+"?(\w+))?/i

/** The name of a named statement; of another its verb and first table. Never its text, which might hold a value. */
function nameOf(statement: unknown): string {
  const { name, text = '' } =
    typeof statement === 'string'
      ? { name: undefined, text: statement }
      : ((statement ?? {}) as { name?: string; text?: string })
  if (name) return name
  const [, verb = 'statement', table] = TABLE.exec(text.slice(0, 500)) ?? []
  return [verb.toLowerCase(), table?.toLowerCase()].filter(Boolean).join(' ')
}

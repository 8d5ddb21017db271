/**
 * The connections of a process, and how long anybody waits for one. pg's own pool queues without end: when every connection
 * is held (by a slow statement, by a lock), each new request would wait behind all others for its whole patience. Here the
 * number of those who wait is bounded, and once nobody has been served in reasonable time, newcomers are refused at once.
 */
import pg from 'pg'
import type { Logger } from '../telemetry/logger.ts'
import { watchForSilence } from './silence.ts'

/** For a connection that is free, and for a new one to be made. */
export const CONNECT_TIMEOUT_MS = 3_000

/** What one process can have under way is less; this is for whoever asks without end. */
const MOST_WAITING = 1_000

/** A wait up to here is a busy moment; when nobody was served within it for so long, the queue stands. */
const TARGET_MS = 200
const INTERVAL_MS = 500

/** No connection can be had in reasonable time: a passing fault (SQLSTATE 53300, too many connections). */
export class PoolBusyError extends Error {
  override readonly name = 'PoolBusyError'
  readonly code = '53300'
}

/** pg's pool, with an end to its queue and a measure of it. */
export class BoundedPool extends pg.Pool {
  readonly #connections: number
  /** When somebody last had a connection in reasonable time, or could have had one. */
  #servedAt = performance.now()
  /** The shortest wait since it was last asked for: what everybody waits at least is a queue that stands. */
  #shortestMs: number | undefined

  constructor(config: pg.PoolConfig & { max: number }) {
    super(config)
    this.#connections = config.max
  }

  override connect(): Promise<pg.PoolClient>
  override connect(callback: ConnectCallback): void
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | void {
    const asked = performance.now()
    if (this.waitingCount === 0) this.#servedAt = asked
    else if (this.#isFull(asked)) {
      const error = new PoolBusyError('every database connection is in use and others wait already')
      return callback ? callback(error, undefined, () => undefined) : Promise.reject(error)
    }
    if (callback) {
      return super.connect((error, client, release) => {
        if (!error) this.#served(asked)
        callback(error, client, release)
      })
    }
    return super.connect().then((client) => {
      this.#served(asked)
      return client
    })
  }

  /**
   * How long whoever asked for a connection since the last call waited at least, in milliseconds; while all are stuck, since
   * when nobody was served. For one caller, again and again.
   */
  standingDelayMs(): number {
    const shortest = this.#shortestMs
    this.#shortestMs = undefined
    return shortest ?? (this.waitingCount > 0 ? performance.now() - this.#servedAt : 0)
  }

  #isFull(now: number): boolean {
    const stands = now - this.#servedAt > TARGET_MS + INTERVAL_MS
    // As many as there are connections may always wait: by them it is seen that the queue moves again.
    return this.waitingCount >= (stands ? this.#connections : MOST_WAITING)
  }

  #served(asked: number): void {
    const now = performance.now()
    const waited = now - asked
    if (waited < TARGET_MS) this.#servedAt = now
    if (this.#shortestMs === undefined || waited < this.#shortestMs) this.#shortestMs = waited
  }
}

type ConnectCallback = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  release: (error?: unknown) => void,
) => void

export interface PoolOptions {
  settings: pg.ClientConfig
  max: number
  log: Logger
}

/** Its connections are watched: one that no longer answers is cut, and whoever waits for it hears so within seconds. */
export function createPool({ settings, max, log }: PoolOptions): BoundedPool {
  const pool = new BoundedPool({ ...settings, max, idleTimeoutMillis: 30_000 })
  pool.on('error', (error) => log.warn({ reason: error.message }, 'idle database connection lost'))
  // A connection that is checked out has nobody else listening: its loss between two statements would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined))
  watchForSilence(pool, { settings, log })
  return pool
}

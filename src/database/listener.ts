import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from '../telemetry/logger.ts'
import type { Database } from './connect.ts'
import { END_WITH_US, sessionOf, type Session } from './session.ts'
import { cut } from './silence.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
/** Nothing is said on this connection for hours, so only a question tells whether it is still one. */
const HEARTBEAT_MS = 5_000
const ANSWER_MS = 3_000

type Handler = (payload: string) => void

export interface Listener {
  listen: Database['listen']
  onSession: Database['onSession']
  close(): Promise<void>
}

/** One connection for all LISTENs, made when first needed and made again, with growing pauses, whenever it is lost. */
export function createListener(settings: pg.ClientConfig, log: Logger): Listener {
  const channels = new Map<string, Set<Handler>>()
  const closing = new AbortController()
  const followers = new Set<(session: Session) => void>()
  let client: pg.Client | undefined
  let session: Session | undefined
  let connecting: Promise<pg.Client> | undefined
  let reopening: Promise<void> | undefined

  function deliver(channel: string, payload: string): void {
    for (const handler of channels.get(channel) ?? []) {
      try {
        handler(payload)
      } catch (error) {
        log.error({ err: error, channel }, 'a listener failed')
      }
    }
  }

  /** One attempt, which listens on every channel known by then. */
  async function open(): Promise<pg.Client> {
    const fresh = new pg.Client({ ...settings, application_name: 'grantry listener' })
    fresh.on('error', () => undefined)
    fresh.on('notification', ({ channel, payload }) => deliver(channel, payload ?? ''))
    try {
      await fresh.connect()
      await fresh.query(END_WITH_US)
      for (const channel of channels.keys()) await fresh.query(`listen ${pg.escapeIdentifier(channel)}`)
    } catch (error) {
      await fresh.end().catch(() => undefined)
      throw error
    }
    follow(fresh)
    return fresh
  }

  /** Makes it the connection, until it ends. */
  function follow(fresh: pg.Client): void {
    const heartbeat = setInterval(() => void beat(fresh), HEARTBEAT_MS).unref()
    const own = sessionOf(fresh)
    client = fresh
    session = own
    fresh.once('end', () => {
      clearInterval(heartbeat)
      if (client === fresh) client = session = undefined
      if (!closing.signal.aborted) void reopen()
    })
    for (const follower of followers) follower(own)
  }

  async function beat(fresh: pg.Client): Promise<void> {
    const impatience = setTimeout(() => cut(fresh), ANSWER_MS).unref()
    await fresh.query('select 1').catch(() => undefined)
    clearTimeout(impatience)
  }

  function connect(): Promise<pg.Client> {
    return (connecting ??= open().finally(() => (connecting = undefined)))
  }

  function reopen(): Promise<void> {
    return (reopening ??= tryAgain().finally(() => (reopening = undefined)))
  }

  async function tryAgain(): Promise<void> {
    log.warn('listening database connection lost, reconnecting')
    for (let pause = FIRST_PAUSE_MS; !closing.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      await delay(pause, undefined, { signal: closing.signal }).catch(() => undefined)
      try {
        if (closing.signal.aborted) return
        if (!client) await connect()
        for (const channel of channels.keys()) deliver(channel, '')
        return
      } catch (error) {
        log.warn({ reason: (error as Error).message }, 'listening database connection not back yet')
      }
    }
  }

  async function unlisten(channel: string, handler: Handler): Promise<void> {
    const handlers = channels.get(channel)
    handlers?.delete(handler)
    if (!handlers || handlers.size > 0) return
    channels.delete(channel)
    // A connection that is just being lost listens to nothing anyway.
    await client?.query(`unlisten ${pg.escapeIdentifier(channel)}`).catch(() => undefined)
  }

  return {
    async listen(channel, onNotify) {
      // A wrapper of its own for each call, so that the same function may listen twice.
      const handler: Handler = (payload) => onNotify(payload)
      const handlers = channels.get(channel) ?? new Set()
      channels.set(channel, handlers.add(handler))
      try {
        const open = client ?? (await connect())
        await open.query(`listen ${pg.escapeIdentifier(channel)}`)
      } catch (error) {
        await unlisten(channel, handler)
        throw error
      }
      return () => unlisten(channel, handler)
    },
    onSession(follower) {
      followers.add(follower)
      if (session && !session.lost.aborted) follower(session)
      else if (!closing.signal.aborted) connect().catch(() => reopen())
      return () => void followers.delete(follower)
    },
    async close() {
      closing.abort()
      channels.clear()
      followers.clear()
      await connecting?.catch(() => undefined)
      await client?.end().catch(() => undefined)
    },
  }
}

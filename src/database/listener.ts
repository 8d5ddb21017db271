import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from '../telemetry/logger.ts'
import type { Database } from './connect.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

type Handler = (payload: string) => void

export interface Listener {
  listen: Database['listen']
  close(): Promise<void>
}

/** One connection for all LISTENs, made when first needed and made again, with growing pauses, whenever it is lost. */
export function createListener(settings: pg.ClientConfig, log: Logger): Listener {
  const channels = new Map<string, Set<Handler>>()
  const closing = new AbortController()
  let client: pg.Client | undefined
  let connecting: Promise<pg.Client> | undefined

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
      for (const channel of channels.keys()) await fresh.query(`listen ${pg.escapeIdentifier(channel)}`)
    } catch (error) {
      await fresh.end().catch(() => undefined)
      throw error
    }
    fresh.once('end', () => {
      if (client === fresh) client = undefined
      if (!closing.signal.aborted) void reopen()
    })
    return fresh
  }

  function connect(): Promise<pg.Client> {
    return (connecting ??= open()
      .then((fresh) => (client = fresh))
      .finally(() => (connecting = undefined)))
  }

  async function reopen(): Promise<void> {
    log.warn('listening database connection lost, reconnecting')
    for (let pause = FIRST_PAUSE_MS; !closing.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      await delay(pause, undefined, { signal: closing.signal }).catch(() => undefined)
      try {
        if (closing.signal.aborted) return
        await connect()
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
    async close() {
      closing.abort()
      channels.clear()
      await connecting?.catch(() => undefined)
      await client?.end().catch(() => undefined)
    },
  }
}

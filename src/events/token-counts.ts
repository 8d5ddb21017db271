/**
 * Events about tokens that were given out. There are far too many for a row each, and whoever waits for a token must not
 * wait for a row: they are counted in memory and written once in a while. What an instance counted and did not live to write
 * is missing; these events tell of use and are no evidence.
 */
import type { Database } from '../database/connect.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { EventData, EventType } from './catalogue.ts'

/** `each`: one event for every answer of the token endpoint, still written a little later. */
export type TokenEventMode = 'counted' | 'each'

/** What the token endpoint has just given out. */
export interface GivenTokens {
  clientId: string
  grantType: string
  userId: string | undefined
}

export interface TokenCounts {
  /** Takes note, and does nothing else. */
  take: (tokens: GivenTokens) => void
  /** Writes what was noted so far. @returns how many events; what could not be written stays noted */
  flush(): Promise<number>
  /** Writes what is left. */
  stop(): Promise<void>
}

const FLUSH_MS: Record<TokenEventMode, number> = { counted: 60_000, each: 1000 }
/** Should the database be away for long, no more notes are kept than these. */
const MOST_NOTES = 50_000
/** Rows of one statement. */
const BATCH = 1000

interface Note {
  clientId: string
  grantType: string
  userId: string | null
  count: number
  /** Of the first and of the last, milliseconds since the epoch. */
  from: number
  to: number
}

interface Row {
  type: EventType & `token.${string}`
  userId: string | null
  data: EventData<'token.issued'>
}

const WRITE = {
  name: 'write-token-events',
  text: `
    insert into events (type, actor, subject, user_id, client_id, data)
    select note ->> 'type', 'system', note -> 'data' ->> 'client_id', note ->> 'userId', note -> 'data' ->> 'client_id',
      note -> 'data'
    from jsonb_array_elements($1::jsonb) as note`,
}

export interface TokenCountsOptions {
  pool: Pick<Database['pool'], 'query'>
  log: Logger
  mode: TokenEventMode
  /** Milliseconds since the epoch. */
  now?: () => number
}

export function startTokenCounts({ pool, log, mode, now = Date.now }: TokenCountsOptions): TokenCounts {
  const notes = new Map<string, Note>()
  let number = 0
  let lost = 0
  let writing: Promise<number> = Promise.resolve(0)
  const timer = setInterval(() => {
    flush().catch((err: unknown) => log.warn({ err }, 'token events could not be written; the next turn tries again'))
  }, FLUSH_MS[mode])
  timer.unref()

  function take({ clientId, grantType, userId }: GivenTokens): void {
    const key = mode === 'each' ? String(++number) : `${clientId} ${grantType}`
    const at = now()
    const known = notes.get(key)
    if (known) {
      known.count += 1
      known.to = at
    } else if (notes.size < MOST_NOTES) {
      notes.set(key, { clientId, grantType, userId: (mode === 'each' && userId) || null, count: 1, from: at, to: at })
    } else lost += 1
  }

  /** One after the other, so that a note which is being written is not written twice. */
  function flush(): Promise<number> {
    writing = writing.catch(() => 0).then(write)
    return writing
  }

  async function write(): Promise<number> {
    if (lost > 0) log.warn({ lost }, 'token events were lost while the database was away')
    lost = 0
    const batch = [...notes].slice(0, BATCH)
    if (batch.length === 0) return 0
    for (const [key] of batch) notes.delete(key)
    try {
      await pool.query({ ...WRITE, values: [JSON.stringify(batch.map(([, note]) => rowOf(note)))] })
    } catch (error) {
      for (const [key, note] of batch) putBack(key, note)
      throw error
    }
    return batch.length + (await write())
  }

  function putBack(key: string, note: Note): void {
    const newer = notes.get(key)
    notes.set(key, newer ? { ...newer, count: newer.count + note.count, from: note.from } : note)
  }

  return {
    take,
    flush,
    async stop() {
      clearInterval(timer)
      await flush()
    },
  }
}

function rowOf({ clientId, grantType, userId, count, from, to }: Note): Row {
  return {
    type: grantType === 'refresh_token' ? 'token.refreshed' : 'token.issued',
    userId,
    data: {
      client_id: clientId,
      grant_type: grantType,
      count,
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
    },
  }
}

import type pg from 'pg'
import { cut } from './silence.ts'

/** The session of the connection that listens. What PostgreSQL keeps for it, such as an advisory lock, ends with it. */
export interface Session {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
  /** Aborted as soon as the connection is known to be lost. */
  lost: AbortSignal
  /** For whoever gets no answer: the connection counts as lost at once, and another one is made. */
  abandon(): void
}

/**
 * The session may hold locks. When our host is gone without a word, the server must not believe in us for the two hours of
 * TCP's own defaults, but for four seconds. A socket of the same machine has no such setting, and needs none.
 */
export const END_WITH_US = 'set tcp_keepalives_idle = 2; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 2'

/** @param client connected, and nobody's but the caller's */
export function sessionOf(client: pg.Client): Session {
  const lost = new AbortController()
  const abort = () => lost.abort()
  client.once('error', abort)
  client.once('end', abort)
  return {
    query: (text, values) => client.query(text, values),
    lost: lost.signal,
    abandon() {
      abort()
      cut(client)
    },
  }
}

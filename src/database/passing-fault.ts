/**
 * What a query says when PostgreSQL undid it for another's sake, or is out of reach for now: not the fault of whoever asked,
 * and none of ours. The same request may well succeed in a moment.
 */
export type PassingFault = 'contention' | 'connection'

/** Serialization failure and deadlock: this transaction was undone for another's sake, and it may simply be tried again. */
const CONTENTION = new Set(['40001', '40P01'])

/**
 * Classes 08 (connection) and 53 (too many of something), servers that stop, start or are only a copy, transactions idle for too
 * long, statements and locks that were waited for in vain.
 */
const DISCONNECTION = /^(?:08...|53...|57P0[1235]|57014|55P03|25006|25P03)$/

/** Of connecting or of a connection that broke. */
const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']) // prettier-ignore

/** pg and its pool give these no code; a pool that gives no connection in time is the second. knex puts the statement in front. */
const SAID =
  /(?:^| - )(?:Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Cannot use a pool after calling end)/

/** Seconds, for `Retry-After`: the loser against a concurrent transaction waits for no more than that; a database that was lost, for its return. */
export const retryAfter: Readonly<Record<PassingFault, string>> = { contention: '1', connection: '5' }

/** @returns undefined for every other error */
export function passingFault(error: unknown): PassingFault | undefined {
  if (!(error instanceof Error)) return undefined
  const { code = '' } = error as NodeJS.ErrnoException
  if (CONTENTION.has(code)) return 'contention'
  const isLost = DISCONNECTION.test(code) || NETWORK.has(code) || (code === '' && SAID.test(error.message))
  return isLost ? 'connection' : undefined
}

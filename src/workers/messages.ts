/**
 * What a supervisor and its workers tell each other, by the property `grantry`: the channel is shared with others, who have
 * marks of their own.
 */
export type ToWorker =
  /** All are ready: serve. */
  | { grantry: 'open' }
  /** The whole instance ends. */
  | { grantry: 'stop' }
  /** Another worker has taken this one's place. */
  | { grantry: 'retire' }

export type FromWorker =
  | { grantry: 'ready' }
  | { grantry: 'opened' }
  /** It can't start; `line` says why. */
  | { grantry: 'failed'; line: string }
  /** Somebody has asked this worker alone to end. */
  | { grantry: 'asked' }

/** The message if it is one of these, undefined for those of others. */
export function ours<T extends ToWorker | FromWorker>(message: unknown): T | undefined {
  return typeof message === 'object' && message !== null && 'grantry' in message ? (message as T) : undefined
}

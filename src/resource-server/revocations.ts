/**
 * Makes what is revoked count before it expires, for an API that verifies JWTs by itself: it follows the server's events and
 * keeps in mind what has ended. How the events come is the application's affair; `grantry/client` does it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { createRevoked, type RevocableToken, type RevocationEvent } from './revoked.ts'

export interface RevocationListOptions {
  /**
   * Follows the events from a place on. Called again, from where it was, when it throws or ends.
   *
   * ```ts
   * const revocations = createRevocationList({ follow: (from) => client.followEvents(from) })
   * ```
   * Its credentials need the scopes `events:read`, `users:read` and `clients:read`.
   */
  follow: (from: FollowFrom) => AsyncIterable<{ cursor: string; event: RevocationEvent }>
  /** The longest life of a token of this API, in seconds. Default 86400, which no token of Grantry outlives. */
  retentionSeconds?: number
  /**
   * What becomes of tokens while the list is not live: `accept` them as if there were no list (the default: an API should not
   * stand still because events do), or `refuse` them with 503.
   */
  whenBehind?: 'accept' | 'refuse'
  /** The list is live while it is behind by at most this; must exceed what a poll is held open. Default 60. */
  mostLagSeconds?: number
  log?: { warn(facts: object, message: string): void }
  /** Milliseconds since 1970. */
  now?: () => number
}

export interface FollowFrom {
  after?: string
  /** In place of `after`: what was written at this time or later. */
  since?: Date
  channels: readonly string[]
  signal: AbortSignal
  /** To be called when everything up to this cursor was told; `live` when there is nothing more. */
  onCursor: (cursor: string, state: { live: boolean }) => void
}

export interface RevocationList {
  /** For the verifier. `unknown` only with `whenBehind: 'refuse'`. */
  check(token: RevocableToken): 'good' | 'revoked' | 'unknown'
  /** By how much it may be behind: the time since it last knew everything. Infinity before that was ever so. */
  lagSeconds(): number
  isLive(): boolean
  /** Resolves when everything that ended before is known; for an API that should not answer sooner. Rejects on `stop`. */
  ready(): Promise<void>
  stop(): Promise<void>
}

/** The ending of a browser session is told family by family, so its channel is not needed. */
const CHANNELS = ['tokens', 'consents', 'users', 'clients'] as const
/** What the clocks of the issuer, its database and this machine may differ by. */
const MARGIN_MS = 60_000
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 30_000

/**
 * Begins to follow at once.
 * @throws TypeError for a retention that is none
 */
export function createRevocationList(options: RevocationListOptions): RevocationList {
  const { follow, retentionSeconds = 86_400, whenBehind = 'accept', mostLagSeconds = 60, log, now = Date.now } = options
  if (!(retentionSeconds > 0) || !(mostLagSeconds > 0)) throw new TypeError('seconds must be more than none')
  const keepMs = retentionSeconds * 1000 + MARGIN_MS
  const revoked = createRevoked({ keepMs, now })
  const stopping = new AbortController()
  const { signal } = stopping
  const ready = Promise.withResolvers<void>()
  ready.promise.catch(() => undefined) // nobody may be waiting
  let liveAt = Number.NEGATIVE_INFINITY
  const running = run()

  async function run(): Promise<void> {
    let place: Pick<FollowFrom, 'after' | 'since'> = beginning()
    for (let failures = 0; !signal.aborted; failures += 1) {
      let hasMoved = false
      const onCursor = (cursor: string, { live }: { live: boolean }) => {
        hasMoved = true
        place = { after: cursor }
        if (live) knowsEverything()
      }
      const reason = await hearAll({ ...place, channels: CHANNELS, signal, onCursor })
      if (signal.aborted) return
      // A place from which it does not go on is left: what counts is not older than the oldest token.
      if (hasMoved) failures = 0
      else place = beginning()
      log?.warn({ err: reason, lag_seconds: lagSeconds() }, 'the list of revocations is cut off from its events')
      const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures)
      await delay(longest * Math.random(), undefined, { signal }).catch(() => undefined)
    }
  }

  /** @returns why it ended */
  async function hearAll(from: FollowFrom): Promise<unknown> {
    try {
      for await (const { event } of follow(from)) revoked.hear(event)
      return new Error('the events ended')
    } catch (error) {
      return error
    }
  }

  function beginning(): Pick<FollowFrom, 'since'> {
    return { since: new Date(now() - keepMs) }
  }

  function knowsEverything(): void {
    liveAt = now()
    revoked.forget()
    ready.resolve()
  }

  function lagSeconds(): number {
    return Math.max(0, now() - liveAt) / 1000
  }

  const isLive = () => lagSeconds() <= mostLagSeconds

  return {
    check(token) {
      if (revoked.has(token)) return 'revoked'
      return whenBehind === 'refuse' && !isLive() ? 'unknown' : 'good'
    },
    lagSeconds,
    isLive,
    ready: () => ready.promise,
    async stop() {
      stopping.abort()
      ready.reject(new Error('the list of revocations was stopped'))
      await running
    },
  }
}

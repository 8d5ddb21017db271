import type { Logger } from '../../telemetry/logger.ts'
import type { EventFeed, FeedEvent } from '../feed.ts'
import { changesRights, type Credentials } from './follow.ts'

export interface RightsWatch {
  /**
   * Calls back once when credentials end, also while nothing is told with them: a socket that waits for its reader, or has
   * subscribed to nothing, is closed all the same.
   * @param credentials asked at every look: they may be renewed
   * @returns the way to end the watch
   */
  watch(credentials: () => Credentials | undefined, onEnded: () => void): () => void
  stop(): Promise<void>
}

interface Watched {
  credentials: () => Credentials | undefined
  onEnded: () => void
}

const PAGE = 500
const POLL_MS = 1000
/** Should a change ever be without an event, it is noticed within this time. */
const ROUND_MS = 30_000

/** One reader of the feed for all followers of this process. */
export function watchRights({ feed, log }: { feed: EventFeed; log: Logger }): RightsWatch {
  const stopping = new AbortController()
  const { signal } = stopping
  const watched = new Set<Watched>()
  const running = run()

  async function run(): Promise<void> {
    let position = feed.latest()
    let round = Date.now() + ROUND_MS
    while (!signal.aborted) {
      try {
        const { events, upTo } = await feed.read(position, { limit: PAGE })
        position = upTo
        const touched = idsOf(events.filter(({ type }) => changesRights(type)))
        const isDue = Date.now() > round
        if (isDue) round = Date.now() + ROUND_MS
        if (touched.size > 0 || isDue) await lookAt((ids) => isDue || [...ids].some((id) => touched.has(id)))
      } catch (err) {
        log.warn({ err }, 'the rights of followers could not be looked at; all are looked at in the next turn')
        position = feed.latest()
        round = 0
      }
      await feed.wait(position, { ms: POLL_MS, signal })
    }
  }

  async function lookAt(isMeant: (ids: ReadonlySet<string>) => boolean): Promise<void> {
    for (const follower of watched) {
      const credentials = follower.credentials()
      if (!credentials || !isMeant(credentials.ids) || (await credentials.check())) continue
      if (watched.delete(follower)) follower.onEnded()
    }
  }

  return {
    watch(credentials, onEnded) {
      const follower = { credentials, onEnded }
      watched.add(follower)
      return () => void watched.delete(follower)
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}

function idsOf(events: readonly FeedEvent[]): Set<string> {
  return new Set(
    events.flatMap(({ subject, userId, clientId }) => [subject, userId, clientId].filter((id) => id !== null)),
  )
}

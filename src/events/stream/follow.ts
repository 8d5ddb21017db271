/**
 * `events/stream` tells events as they come: by long poll, server-sent events and WebSocket. All three are this one loop
 * over the feed. It knows neither HTTP routes nor how credentials are checked.
 */
import type { EventType } from '../catalogue.ts'
import { typesOfChannels, visibleTypes, type Channel } from '../channels.ts'
import type { EventFeed } from '../feed.ts'
import { presentEvent, type PresentedEvent } from '../present.ts'

/** What a follower showed, and what it is good for now. */
export interface Credentials {
  /** A user id, client id or API key id. */
  id: string
  /** Everything whose end or change may be theirs: the user, the client, the API key. */
  ids: ReadonlySet<string>
  /** The scopes that they carry at this moment; undefined when they are good no more. */
  check(): Promise<ReadonlySet<string> | undefined>
  /** When they end by themselves. */
  expiresAt: Date | undefined
}

/** The credentials are good no more: revoked, expired, or their owner is gone. */
export class CredentialsEndedError extends Error {
  override readonly name = 'CredentialsEndedError'
}

/** An event; or none: everything up to the cursor has been told. */
export interface Told {
  /** From where to go on. */
  cursor: string
  event: PresentedEvent | undefined
}

export interface FollowOptions {
  feed: EventFeed
  /** Asked anew at every turn: a socket may show fresh credentials and change its channels. */
  credentials(): Credentials
  channels(): ReadonlySet<Channel>
  after: number
  signal: AbortSignal
  /** Milliseconds after which it is told again that there is nothing new. */
  idleMs: number
}

const RIGHTS_CHANGE = /^(?:user|client|session|grant|api_key|consent|token)\.|\.reuse_detected$/
/** Something began or went on: nobody loses by it. */
const HARMLESS = /\.(?:created|started|issued|refreshed)$/
/** Should such a change ever be without an event, it is noticed within this time. */
const LONGEST_TRUST_MS = 30_000
const PAGE = 100

/** Whether such an event may change who sees what. */
export function changesRights(type: EventType): boolean {
  return RIGHTS_CHANGE.test(type) && !HARMLESS.test(type)
}

/**
 * Tells what follows a position, forever, in order, each event once.
 * @throws CredentialsEndedError; HistoryGoneError and UnknownPositionError of the feed
 */
export async function* follow(options: FollowOptions): AsyncGenerator<Told, void> {
  const { feed, signal, idleMs } = options
  let position = options.after
  let trust = await look(options)
  while (!signal.aborted) {
    const fresh = options.credentials()
    if (fresh !== trust.credentials || Date.now() > trust.until) trust = await look(options)
    const page = await feed.read(position, { limit: PAGE })
    for (const event of page.events) {
      if (signal.aborted) return
      // Before anything that comes after it is told.
      if (changesRights(event.type)) trust = await look(options)
      const isWanted = trust.visible.has(event.type) && typesOfChannels(options.channels()).has(event.type)
      position = event.position
      if (isWanted) yield { cursor: cursorOf(position), event: presentEvent(event) }
    }
    position = page.upTo
    if (position < feed.latest()) continue
    yield { cursor: cursorOf(position), event: undefined }
    await feed.wait(position, { ms: idleMs, signal })
  }
}

interface Trust {
  credentials: Credentials
  visible: ReadonlySet<EventType>
  until: number
}

async function look(options: Pick<FollowOptions, 'credentials'>): Promise<Trust> {
  const credentials = options.credentials()
  const scopes = await credentials.check()
  const until = Date.now() + LONGEST_TRUST_MS
  if (!scopes) throw new CredentialsEndedError('the credentials are good no more')
  return { credentials, visible: visibleTypes(scopes), until }
}

/** A cursor as readers hold it: opaque to them, the position to us. */
export function cursorOf(position: number): string {
  return String(position)
}

/** @returns undefined for what never was a cursor of ours */
export function positionOf(cursor: string): number | undefined {
  return /^(?:0|[1-9]\d{0,14})$/.test(cursor) ? Number(cursor) : undefined
}

/** Who does something and whence: what the record of a change keeps of it. */

/** The way in: the operator's commands, a page in a browser, an endpoint for programs, or nobody's (time, or a detected attack). */
export type Channel = 'cli' | 'page' | 'api' | 'system'

export interface Origin {
  /** A user id, an API key id, a client id, `cli`, `first-run`, `system`. */
  readonly actor: string
  readonly channel: Channel
  /** Of a command: the account on the operating system that ran it. */
  readonly osUser?: string | undefined
  /** IP address. */
  readonly address?: string | undefined
  readonly userAgent?: string | undefined
  /** Of the request, as in the log and in `X-Request-Id`: 32 hex digits. */
  readonly traceId?: string | undefined
}

/** Who, with everything known about whence, or the bare id where nothing more is known. */
export type Actor = string | Origin

const LONGEST_USER_AGENT = 500

/** What a request tells of its origin. */
export interface RequestOrigin {
  address: string
  userAgent: string
  traceId: string
}

/** An actor who came by a request. What strangers make up must not fill the record: the user agent is cut off. */
export function requestOrigin(actor: string, channel: Channel, { address, userAgent, traceId }: RequestOrigin): Origin {
  return {
    actor,
    channel,
    address: address || undefined,
    userAgent: userAgent.slice(0, LONGEST_USER_AGENT) || undefined,
    traceId: traceId || undefined,
  }
}

export function actorId(actor: Actor): string {
  return typeof actor === 'string' ? actor : actor.actor
}

export function originOf(actor: Actor): Origin {
  return typeof actor === 'string' ? { actor, channel: usualChannel(actor) } : actor
}

function usualChannel(actor: string): Channel {
  if (actor === 'cli') return 'cli'
  if (actor.startsWith('usr_')) return 'page'
  return actor.startsWith('apk_') || actor.startsWith('cli_') ? 'api' : 'system'
}

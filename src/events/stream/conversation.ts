/**
 * One socket: who is there, what they follow, and what they have acknowledged. The conversation ends with a close code that
 * says why. Nothing is queued for a reader: events are read when the socket can take them, so a slow one costs no memory,
 * only its place.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { WebSocket } from 'ws'
import type { Logger } from '../../telemetry/logger.ts'
import { FOLLOW_SCOPE, scopeOf, type Channel } from '../channels.ts'
import { HistoryGoneError, UnknownPositionError, type EventFeed } from '../feed.ts'
import { createExpiry } from './expiry.ts'
import { CredentialsEndedError, cursorOf, follow, positionOf, type Credentials } from './follow.ts'
import { closeCodes, FrameError, readCommand, type CloseCode, type Command } from './frames.ts'
import type { RightsWatch } from './rights-watch.ts'
import { createWindow } from './window.ts'

export interface ConversationOptions {
  feed: EventFeed
  rights: RightsWatch
  /** The credentials that a token or API key stands for; undefined when it is not good. */
  authenticate: (token: string) => Promise<Credentials | undefined>
  /** Credentials that came with the handshake. */
  given?: Credentials | undefined
  log: Logger
  patience?: Partial<Patience>
}

/** In milliseconds. */
export interface Patience {
  /** From the handshake to credentials. */
  authMs: number
  /** For which a socket may refuse to take more. */
  slowMs: number
  heartbeatMs: number
  /** Before credentials end, their holder is reminded. */
  reminderMs: number
}

export interface Conversation {
  end(code: CloseCode, reason: string): void
}

const PATIENCE: Patience = { authMs: 5_000, slowMs: 10_000, heartbeatMs: 30_000, reminderMs: 60_000 }

/** So many bytes may wait in a socket. */
const FULL = 256 * 1024
/** Commands that somebody may send between two heartbeats. */
const MOST_COMMANDS = 300
/** Whoever does not answer the close is cut off. */
const FAREWELL_MS = 10_000

export function converse(socket: WebSocket, options: ConversationOptions): Conversation {
  const { feed, log } = options
  const patience = { ...PATIENCE, ...options.patience }
  const ended = new AbortController()
  const { signal } = ended
  const channels = new Set<Channel>()
  const window = createWindow()
  let credentials: Credentials | undefined
  let isFollowing = false
  let position = 0
  let commands = 0
  let isAlive = true
  /** Commands are obeyed one after the other, in the order in which they came. */
  let hearing: Promise<void> = Promise.resolve()

  const say = (frame: object) => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame))
  }
  const refuse = (code: string, detail: string, close?: CloseCode) => {
    say({ type: 'error', error: { code, detail }, cursor: isFollowing ? cursorOf(position) : null })
    if (close !== undefined) end(close, code)
  }
  const turnOut = (detail: string) => refuse('unauthenticated', detail, closeCodes.unauthenticated)

  const expiry = createExpiry({
    reminderMs: patience.reminderMs,
    onReminder: (expiresAt) => say({ type: 'reauthenticate', expires_at: expiresAt.toISOString() }),
    onEnd: () => turnOut('the token has expired'),
  })
  const unwatch = options.rights.watch(
    () => credentials,
    () => turnOut('the credentials are good no more'),
  )
  const introduction = setTimeout(() => turnOut('no credentials came in time'), patience.authMs).unref()
  const heartbeat = setInterval(() => {
    commands = 0
    if (!isAlive) return socket.terminate()
    isAlive = false
    return socket.ping()
  }, patience.heartbeatMs).unref()

  function release(): void {
    ended.abort()
    unwatch()
    expiry.stop()
    clearTimeout(introduction)
    clearInterval(heartbeat)
  }

  function end(code: CloseCode, reason: string): void {
    release()
    socket.close(code, reason)
    setTimeout(() => socket.terminate(), FAREWELL_MS).unref()
  }

  async function admit(fresh: Credentials | undefined): Promise<void> {
    if (!fresh || (credentials && fresh.id !== credentials.id)) return turnOut('the token is not good here')
    const scopes = await fresh.check()
    if (!scopes?.has(FOLLOW_SCOPE)) {
      return refuse('insufficient-scope', `following events needs ${FOLLOW_SCOPE}`, closeCodes.forbidden)
    }
    credentials = fresh
    clearTimeout(introduction)
    expiry.watch(fresh.expiresAt)
    return say({ type: 'authenticated', expires_at: fresh.expiresAt?.toISOString() ?? null })
  }

  async function obey(command: Command): Promise<void> {
    if (command.type === 'auth') return admit(await options.authenticate(command.token))
    if (command.type === 'ping') return say({ type: 'pong' })
    if (!credentials) return turnOut('say auth with a token first')
    if (command.type === 'subscribe') return subscribe(command, credentials)
    if (command.type === 'ack') return window.acknowledge(command.position)
    for (const channel of command.channels) channels.delete(channel)
    return say({ type: 'unsubscribed', channels: [...channels] })
  }

  async function subscribe(command: Command & { type: 'subscribe' }, who: Credentials): Promise<void> {
    const scopes = await who.check()
    const forbidden = command.channels.find((channel) => !scopes?.has(scopeOf(channel)))
    if (forbidden) return refuse('insufficient-scope', `the channel ${forbidden} needs ${scopeOf(forbidden)}`)
    if (isFollowing && command.after !== undefined) {
      return refuse('already-following', 'after is for the first subscription; open another socket for another place')
    }
    if (command.window !== undefined) window.resize(command.window)
    for (const channel of command.channels) channels.add(channel)
    if (!isFollowing) {
      isFollowing = true
      position = command.after ?? feed.latest()
      void run().catch(giveReason)
    }
    return say({ type: 'subscribed', channels: [...channels], cursor: cursorOf(position) })
  }

  async function run(): Promise<void> {
    const told = follow({
      feed,
      credentials: () => credentials!,
      channels: () => channels,
      after: position,
      signal,
      idleMs: patience.heartbeatMs,
    })
    let isLive = false
    for await (const { cursor, event } of told) {
      position = positionOf(cursor)!
      if (event) {
        say({ type: 'event', cursor, event })
        window.sent(position)
      } else if (!isLive) {
        isLive = true
        say({ type: 'live', cursor })
      }
      await window.room(signal)
      if (await isStuck()) {
        return refuse('too-slow', 'events come faster than you take them: go on from the cursor', closeCodes.tooSlow)
      }
    }
  }

  /** Whether the socket takes nothing more, however patiently it is waited for. */
  async function isStuck(): Promise<boolean> {
    for (const until = Date.now() + patience.slowMs; socket.bufferedAmount > FULL && !signal.aborted;) {
      if (Date.now() > until) return true
      await delay(20, undefined, { signal }).catch(() => undefined)
    }
    return false
  }

  function giveReason(error: unknown): void {
    if (error instanceof CredentialsEndedError) turnOut('the credentials are good no more')
    else if (error instanceof HistoryGoneError) {
      refuse('history-gone', `events up to position ${error.oldest - 1} have been swept`, closeCodes.historyGone)
    } else if (error instanceof UnknownPositionError) {
      refuse('cursor-invalid', 'there is no such position yet', closeCodes.malformed)
    } else if (!signal.aborted) {
      log.error({ err: error }, 'a socket broke off')
      end(closeCodes.goingAway, 'try again')
    }
  }

  function hear(data: string): void {
    commands += 1
    if (commands > MOST_COMMANDS) return refuse('too-many', 'too many frames', closeCodes.tooMany)
    try {
      const command = readCommand(data)
      hearing = hearing.then(() => (signal.aborted ? undefined : obey(command))).catch(giveReason)
    } catch (error) {
      if (error instanceof FrameError) refuse(error.code, error.message, error.close)
      else giveReason(error)
    }
    return undefined
  }

  socket.on('message', (data, isBinary) => {
    if (isBinary) refuse('malformed-frame', 'frames are text', closeCodes.malformed)
    else hear((data as Buffer).toString('utf8'))
  })
  socket.on('pong', () => (isAlive = true))
  // A frame that is too large or no WebSocket at all: the library closes, with 1009 or 1002.
  socket.on('error', () => undefined)
  socket.on('close', release)
  if (options.given) hearing = admit(options.given).catch(giveReason)
  return { end }
}

/** What is said on a socket: JSON, one object a message. */
import { isChannel, type Channel } from '../channels.ts'
import { positionOf } from './follow.ts'

export type Command =
  | { type: 'auth'; token: string }
  | { type: 'subscribe'; channels: Channel[]; after: number | undefined; window: number | undefined }
  | { type: 'unsubscribe'; channels: Channel[] }
  | { type: 'ack'; position: number }
  | { type: 'ping' }

/** Why a frame is refused; `close` ends the conversation as well. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
  readonly code: string
  readonly close: CloseCode | undefined

  constructor(code: string, message: string, close?: CloseCode) {
    super(message)
    this.code = code
    this.close = close
  }
}

/** 4000 to 4999 are free for applications (RFC 6455 §7.4.2); ours are 4000 + the HTTP status that would say the same. */
export const closeCodes = {
  goingAway: 1001,
  malformed: 4400,
  unauthenticated: 4401,
  forbidden: 4403,
  tooSlow: 4408,
  historyGone: 4410,
  tooMany: 4429,
} as const

export type CloseCode = (typeof closeCodes)[keyof typeof closeCodes]

const MOST_CHANNELS = 50
const LARGEST_WINDOW = 1000

/** @throws FrameError for whatever is not one of the commands; such a frame ends the conversation */
export function readCommand(data: string): Command {
  const frame = parse(data)
  switch (frame.type) {
    case 'auth':
      if (typeof frame.token !== 'string' || frame.token === '') throw malformed('token must be text')
      return { type: 'auth', token: frame.token.replace(/^Bearer +/i, '') }
    case 'subscribe':
      return { type: 'subscribe', channels: readChannels(frame), after: readAfter(frame), window: readWindow(frame) }
    case 'unsubscribe':
      return { type: 'unsubscribe', channels: readChannels(frame) }
    case 'ack':
      return { type: 'ack', position: readCursor(frame.cursor, 'cursor') }
    case 'ping':
      return { type: 'ping' }
    default:
      throw malformed('type must be auth, subscribe, unsubscribe, ack or ping')
  }
}

type Frame = Record<string, unknown>

function parse(data: string): Frame {
  let frame: unknown
  try {
    frame = JSON.parse(data)
  } catch {
    throw malformed('a frame is a JSON object')
  }
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) throw malformed('a frame is a JSON object')
  return frame as Frame
}

function readChannels({ channels }: Frame): Channel[] {
  if (!Array.isArray(channels) || channels.length === 0 || channels.length > MOST_CHANNELS) {
    throw malformed(`channels must be a list of 1 to ${MOST_CHANNELS} names`)
  }
  return channels.map((name: unknown) => {
    if (typeof name === 'string' && isChannel(name)) return name
    const shown = JSON.stringify(String(name).slice(0, 50).toWellFormed())
    throw new FrameError('unknown-channel', `there is no channel ${shown}`)
  })
}

function readAfter({ after }: Frame): number | undefined {
  return after === undefined ? undefined : readCursor(after, 'after')
}

function readCursor(value: unknown, name: string): number {
  const position = typeof value === 'string' ? positionOf(value) : undefined
  if (position === undefined) throw new FrameError('cursor-invalid', `${name} must be a cursor of this stream`)
  return position
}

function readWindow({ window }: Frame): number | undefined {
  if (window === undefined) return undefined
  if (Number.isInteger(window) && (window as number) >= 1 && (window as number) <= LARGEST_WINDOW)
    return window as number
  throw malformed(`window must be a whole number from 1 to ${LARGEST_WINDOW}`)
}

function malformed(message: string): FrameError {
  return new FrameError('malformed-frame', message, closeCodes.malformed)
}

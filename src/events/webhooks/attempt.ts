import { StrangerError, type StrangerAnswer, type Strangers } from '../../outbound/stranger.ts'
import { signedHeaders } from './signature.ts'

/** A delivery that somebody has claimed. */
export interface Claimed {
  id: string
  eventId: string
  body: string
  /** Which attempt this is, from 1. */
  number: number
}

/** Where to, and how it is signed. */
export interface Destination {
  url: string
  secrets: readonly string[]
  legacyHeaders: boolean
}

/** What came of an attempt. */
export interface Outcome {
  delivery: Claimed
  at: Date
  milliseconds: number
  status: number | null
  problem: string | null
  /** The first bytes of the answer, as harmless text. */
  answer: string | null
  isDelivered: boolean
  /** The receiver is gone for good (410). */
  isGone: boolean
  retryAfter: string | undefined
}

const MOST_BYTES = 1024
/** Of an answer, as it is kept. */
const SHOWN = 500

/** Sends one delivery. Whatever the receiver does is an outcome, never an exception. */
export async function attempt(
  strangers: Strangers,
  delivery: Claimed,
  { url, secrets, legacyHeaders }: Destination,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<Outcome> {
  const at = new Date()
  const started = performance.now()
  const message = { id: delivery.eventId, timestamp: Math.floor(at.getTime() / 1000), body: delivery.body }
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Grantry-Webhooks/1',
    ...signedHeaders(message, secrets, { legacy: legacyHeaders }),
  }
  const options = { method: 'POST', headers, body: delivery.body, timeoutMs, mostBytes: MOST_BYTES, signal } as const
  const result = await strangers.request(url, options).catch((error: unknown) => {
    if (error instanceof StrangerError) return error
    throw error
  })
  return { delivery, at, milliseconds: Math.round(performance.now() - started), ...judged(result) }
}

type Judgement = Omit<Outcome, 'delivery' | 'at' | 'milliseconds'>

/** Success is 2xx. A redirect is none: whoever moved tells us the new URL. */
function judged(result: StrangerAnswer | StrangerError): Judgement {
  if (result instanceof StrangerError) {
    const problem = result.message
    return { status: null, problem, answer: null, isDelivered: false, isGone: false, retryAfter: undefined }
  }
  const { status, headers, body } = result
  const retryAfter = headers['retry-after']
  return {
    status,
    problem: null,
    answer: harmless(body),
    isDelivered: status >= 200 && status < 300,
    isGone: status === 410,
    retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
  }
}

/** Text that neither a terminal nor the database can be harmed by: whatever is no printable character becomes `·`. */
function harmless(bytes: Buffer): string {
  return new TextDecoder()
    .decode(bytes)
    .replaceAll(/[^\P{C}\n\t]/gu, '·')
    .slice(0, SHOWN)
    .toWellFormed()
}

/**
 * What a receiver of webhooks does first: make sure that a delivery comes from the server, unchanged and not long ago
 * (Standard Webhooks 1.0). The signature is over the bytes that came, so the body has to be kept as it came.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { GrantryEvent } from './event.ts'
import { GrantryError } from './errors.ts'

export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>

export interface WebhookDelivery {
  /** Of the request: a `Headers`, or what Node has under `request.headers`; names in any case. */
  headers: WebhookHeaders
  /** The body as it came, before anything has parsed it: text, or better the bytes. */
  body: string | Uint8Array
  /** `whsec_…`; while a secret is changed both, in any order. */
  secrets: string | readonly string[]
  /** How old, or how far ahead of this machine's clock, a delivery may be. Default 300. */
  toleranceSeconds?: number
  /** Milliseconds since 1970. */
  now?: () => number
}

/** A delivery that is genuine. */
export interface WebhookMessage {
  /** The same at every attempt: remember it for some days and pass over what you have had. */
  id: string
  /** What happened: `user.created`. */
  type: GrantryEvent['type'] | (string & {})
  /** When it happened, ISO 8601 in UTC; the attempt may be days younger. */
  timestamp: string
  /** The event, as the management API tells it. */
  data: GrantryEvent
}

export type WebhookErrorCode = 'missing-header' | 'malformed' | 'no-match' | 'stale' | 'in-the-future'

/** The delivery does not count: answer 400, or 401, and do nothing. Nothing in the message comes from the request. */
export class WebhookVerificationError extends GrantryError {
  override readonly name = 'WebhookVerificationError'
  /**
   * `no-match`: signed by somebody else, with a secret that is not among the given ones, or changed on its way. `stale` and
   * `in-the-future`: rightly signed, but a replay, or one of the two clocks is wrong.
   */
  readonly code: WebhookErrorCode

  constructor(code: WebhookErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

const TOLERANCE_SECONDS = 300

/**
 * ```ts
 * const { id, type, data } = verifyWebhook({ headers: request.headers, body: rawBody, secrets: [newSecret, oldSecret] })
 * ```
 * @throws WebhookVerificationError for a delivery that does not count; TypeError for a body that is no longer raw and for
 * secrets that are none
 */
export function verifyWebhook(delivery: WebhookDelivery): WebhookMessage {
  const { headers, body, secrets, toleranceSeconds = TOLERANCE_SECONDS, now = Date.now } = delivery
  const bytes = bytesOf(body)
  const keys = [secrets].flat().map(keyOf)
  if (keys.length === 0) throw new TypeError('secrets must hold at least one secret')
  const id = oneOf(headers, 'webhook-id')
  const timestamp = oneOf(headers, 'webhook-timestamp')
  const given = valuesOf(headers, 'webhook-signature').flatMap(signaturesIn)
  if (given.length === 0)
    throw new WebhookVerificationError('missing-header', 'the header webhook-signature is missing')
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new WebhookVerificationError('malformed', 'webhook-timestamp is no time in seconds')
  }
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), bytes])
  if (!isSigned(content, keys, given)) {
    throw new WebhookVerificationError('no-match', 'no signature fits: another secret, or the body was changed')
  }
  const age = now() / 1000 - Number(timestamp)
  if (!(age <= toleranceSeconds)) throw new WebhookVerificationError('stale', 'the delivery is too old')
  if (!(-age <= toleranceSeconds))
    throw new WebhookVerificationError('in-the-future', 'the delivery is from the future')
  return { id, ...parse(bytes) }
}

/** Against all keys and all signatures, whichever fits: the time it takes tells nothing of how much was right. */
function isSigned(content: Buffer, keys: readonly Buffer[], given: readonly string[]): boolean {
  const expected = keys.map((key) => `v1,${createHmac('sha256', key).update(content).digest('base64')}`)
  const fits = expected.flatMap((one) => given.map((other) => isEqual(one, other)))
  return fits.includes(true)
}

/** As text: other texts that decode to the same bytes are not what was sent. */
function isEqual(expected: string, given: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)]
  return one.length === other.length && timingSafeEqual(one, other)
}

function bytesOf(body: unknown): Buffer {
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  throw new TypeError('body must be raw, text or bytes as they came: what was parsed and written anew has other bytes')
}

const FEWEST_BYTES = 24

/** With an empty key, or one that is decoded to almost nothing, anybody could sign. */
function keyOf(secret: unknown): Buffer {
  const [, base64] = (typeof secret === 'string' && /^(?:whsec_)?([A-Za-z0-9+/]+={0,2})$/.exec(secret.trim())) || []
  const key = Buffer.from(base64 ?? '', 'base64')
  if (key.length >= FEWEST_BYTES) return key
  throw new TypeError(`a secret is whsec_ and at least ${FEWEST_BYTES} bytes in base64`)
}

function oneOf(headers: WebhookHeaders, name: string): string {
  const [value, ...more] = valuesOf(headers, name)
  if (value === undefined) throw new WebhookVerificationError('missing-header', `the header ${name} is missing`)
  if (more.length > 0) throw new WebhookVerificationError('malformed', `there is more than one header ${name}`)
  return value
}

function valuesOf(headers: WebhookHeaders, name: string): string[] {
  const values =
    headers instanceof Headers
      ? [headers.get(name)]
      : Object.entries(headers).flatMap(([key, value]) => (key.toLowerCase() === name ? value : []))
  return values.flatMap((value) => (typeof value === 'string' && value.trim() !== '' ? [value.trim()] : []))
}

/** Spaces stand between; a comma follows where two headers of one name were joined. */
function signaturesIn(value: string): string[] {
  return value.split(/\s+/).map((signature) => signature.replace(/,$/, ''))
}

function parse(bytes: Buffer): Omit<WebhookMessage, 'id'> {
  const { type, timestamp, data } = objectOf(bytes)
  if (typeof type !== 'string' || typeof timestamp !== 'string' || typeof data !== 'object' || data === null) {
    throw new WebhookVerificationError('malformed', 'the body has no type, timestamp and data')
  }
  return { type, timestamp, data: data as GrantryEvent }
}

function objectOf(bytes: Buffer): Record<string, unknown> {
  try {
    return Object(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))) as Record<string, unknown>
  } catch (error) {
    throw new WebhookVerificationError('malformed', 'the body is no JSON', error)
  }
}

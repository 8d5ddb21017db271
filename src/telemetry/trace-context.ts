/** W3C Trace Context: what a caller says of the trace that its request belongs to, and what is said on. */
import { randomFillSync } from 'node:crypto'

export interface TraceParent {
  /** 32 hex digits. */
  traceId: string
  /** Of the caller's span, 16 hex digits. */
  spanId: string
  isSampled: boolean
}

/** §3.2.2: of later versions, which may say more behind it, the same beginning counts. Version ff is forbidden. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const NO_TRACE = '0'.repeat(32)
const NO_SPAN = '0'.repeat(16)

/** @returns undefined for a header that says nothing, or nothing valid: then the trace begins here */
export function readTraceparent(header: string | string[] | undefined): TraceParent | undefined {
  if (typeof header !== 'string') return undefined
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(header) ?? []
  if (!traceId || !spanId || !flags || traceId === NO_TRACE || spanId === NO_SPAN) return undefined
  if (version === '00' && more !== undefined) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

const POOL_BYTES = 4096
const ID_BYTES = 16
let pool = Buffer.alloc(0)
let used = 0

/** A trace id: random, but no secret. Random bytes are fetched for many at once, which costs a tenth. */
export function newTraceId(): string {
  if (used + ID_BYTES > pool.length) {
    pool = randomFillSync(pool.length > 0 ? pool : Buffer.alloc(POOL_BYTES))
    used = 0
  }
  return pool.toString('hex', used, (used += ID_BYTES))
}

/**
 * Cursors: where a page ended, signed, so that a caller can carry it but not make one. A cursor grants nothing (who calls is
 * checked each time) and names no row that its caller was not shown. It is good for one list in one order under the same
 * filters, for three days.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Position } from '../../lib/keyset.ts'

/** What a cursor is good for. */
export interface CursorScope {
  operation: string
  version: number
  /** `-created_at` */
  sort: string
  /** Path and filters, digested by `selectionDigest`. */
  selection: string
}

export type CursorFault = 'invalid' | 'mismatch'

const LIFETIME_MS = 3 * 24 * 60 * 60 * 1000
/** Told by the hour: a list that did not change must look the same when it is read again, or no tag of it would ever match. */
const GRAIN_MS = 60 * 60 * 1000
/** Half of SHA-256's output: 128 bits (RFC 2104 §5). */
const MAC_BYTES = 16

type Payload = [operation: string, version: number, sort: string, selection: string, value: string | null, id: string, issuedAt: number] // prettier-ignore

/** @param secrets the first signs, all verify; so they can be turned over */
export function createCursors(secrets: readonly Buffer[], now: () => number = Date.now) {
  const [signer] = secrets
  if (!signer) throw new Error('cursors need a secret')
  return {
    encode({ operation, version, sort, selection }: CursorScope, { value, id }: Position): string {
      const issuedAt = Math.floor(now() / GRAIN_MS) * GRAIN_MS
      const payload: Payload = [operation, version, sort, selection, value, id, issuedAt]
      const bytes = Buffer.from(JSON.stringify(payload))
      return Buffer.concat([mac(signer, bytes), bytes]).toString('base64url')
    },

    /** `invalid`: not ours, of another list, or too old. `mismatch`: of this list under other filters or in another order. */
    decode(cursor: string, scope: CursorScope): Position | CursorFault {
      const payload = open(cursor, secrets)
      if (!payload) return 'invalid'
      const [operation, version, sort, selection, value, id, issuedAt] = payload
      if (operation !== scope.operation || version !== scope.version || now() - issuedAt > LIFETIME_MS) return 'invalid'
      if (sort !== scope.sort || selection !== scope.selection) return 'mismatch'
      return { value, id }
    },
  }
}

export type Cursors = ReturnType<typeof createCursors>

/** Of the path and the filters of a list, whatever the order in which they stand. */
export function selectionDigest(path: string, filters: readonly (readonly [string, string])[]): string {
  const sorted = filters.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([path, sorted]))
    .digest('base64url')
    .slice(0, 22)
}

function open(cursor: string, secrets: readonly Buffer[]): Payload | undefined {
  const bytes = Buffer.from(cursor, 'base64url')
  // One way to write it only: the last character of base64 has bits that nobody reads.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) return undefined
  const [given, signed] = [bytes.subarray(0, MAC_BYTES), bytes.subarray(MAC_BYTES)]
  const genuine = secrets.some((secret) => timingSafeEqual(mac(secret, signed), given))
  return genuine ? (JSON.parse(signed.toString()) as Payload) : undefined
}

function mac(secret: Buffer, bytes: Uint8Array): Buffer {
  return createHmac('sha256', secret).update('cursor\0').update(bytes).digest().subarray(0, MAC_BYTES)
}

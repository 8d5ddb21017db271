/** `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): how it is read, and what it stands for. */
import { createHash } from 'node:crypto'
import { parseItem } from 'structured-headers'
import { commonProblems, problemsOf } from '../problem.ts'

const problem = problemsOf(commonProblems)

/**
 * The draft wants a string in quotes (RFC 9651 §3.3.3); everybody sends it bare. Both are the same key.
 * @throws Problem 400
 */
export function readIdempotencyKey(header: string): string | undefined {
  if (header === '') return undefined
  const key = header.startsWith('"') ? unquoted(header) : header
  if (key !== undefined && /^[\x21-\x7e]{1,255}$/.test(key)) return key
  const detail = 'must be 1 to 255 visible ASCII characters, and stand once'
  throw problem('idempotency-key-invalid', { errors: [{ header: 'Idempotency-Key', detail, code: 'format' }] })
}

function unquoted(header: string): string | undefined {
  try {
    const [value] = parseItem(header)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

export interface FingerprintParts {
  method: string
  /** Below the version. */
  path: string
  version: number
  query: ReadonlyMap<string, string>
  mediaType: string | undefined
  body: unknown
}

/** The same for requests that ask for the same, however their JSON and their query are written. */
export function fingerprint({ method, path, version, query, mediaType, body }: FingerprintParts): Buffer {
  const sorted = [...query].sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([method, path, version, sorted, mediaType ?? null, canonical(body) ?? null]))
    .digest()
}

/** With the names of objects in order. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([name, inner]) => [name, canonical(inner)]))
}

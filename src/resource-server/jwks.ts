/**
 * The issuer's public keys, kept at hand.
 *
 * ```
 *   empty ──fetch──▶ fresh ──90 % of max-age──▶ ageing (used, fetched anew behind the scenes)
 *                      ▲                           │ max-age
 *                      └──────────fetch───────── stale (waits for one fetch; if that fails, used on for 24 h)
 * ```
 *
 * One fetch at a time, whoever asks. A key that isn't in the set causes one fetch per cool-down, whatever arrives: the
 * `kid` is the sender's to choose, and must not become a way to make this API hammer its issuer. While fetches fail, nobody
 * can tell whether such a key is wrong or merely new.
 */
import { createLocalJWKSet, errors, type CryptoKey, type JSONWebKeySet, type JWSHeaderParameters } from 'jose'
import { discoverUrl } from './discovery.ts'
import { fetchJson } from './fetch-json.ts'

export interface KeySourceOptions {
  issuer: string
  /** Skips discovery when given. */
  jwksUri?: string | undefined
  fetch: typeof globalThis.fetch
  /** Milliseconds since the epoch. */
  now: () => number
}

export interface KeySource {
  /**
   * The one key that fits the `kid` and `alg` of a header, and the keys among which it is published.
   * @throws KeysUnavailableError when no usable set can be had, or the set lacks the key and no newer one can be had
   * @throws a `jose` error when the set holds no such key
   */
  keyFor(header: JWSHeaderParameters): Promise<{ key: CryptoKey; keys: PublishedKeys }>
  /**
   * What the issuer publishes now, as far as is known: the same object for as long as the document says the same.
   * @throws KeysUnavailableError when no usable set can be had
   */
  current(): Promise<PublishedKeys>
  /** Fetches the keys unless they are at hand. @throws KeysUnavailableError */
  load(): Promise<void>
}

export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError'
}

/** One key set of the issuer. Another document is another object, so whoever verified something with this one can tell. */
export interface PublishedKeys {
  readonly document: string
  readonly keyFor: (header: JWSHeaderParameters) => Promise<CryptoKey>
}

interface KeySet {
  keys: PublishedKeys
  fetchedAt: number
  ageingAt: number
  staleAt: number
}

const SECOND = 1_000
const MIN_AGE_SECONDS = 60
const MAX_AGE_SECONDS = 24 * 60 * 60
const DEFAULT_AGE_SECONDS = 5 * 60
/** How long a stale set may be used when the issuer no longer answers: a blocked fetch must not keep a revoked key alive for ever. */
const LAST_RESORT_MS = 24 * 60 * 60 * SECOND
const UNKNOWN_KEY_COOL_DOWN_MS = 30 * SECOND
const FAILURE_COOL_DOWN_MS = 2 * SECOND

export function createKeySource({ issuer, jwksUri, fetch, now }: KeySourceOptions): KeySource {
  let current: KeySet | undefined
  let pending: Promise<void> | undefined
  let failure: { at: number; cause: unknown } | undefined
  let unknownKeyFetchAt = -Infinity
  let discovered: string | undefined

  async function fetchKeys(): Promise<void> {
    try {
      const url = jwksUri ?? (discovered ??= await discoverUrl(fetch, issuer, 'jwks_uri'))
      const { body, headers } = await fetchJson(fetch, url)
      const age = freshSeconds(headers) * SECOND
      const fetchedAt = now()
      const keys = publish(body as JSONWebKeySet)
      current = { keys, fetchedAt, ageingAt: fetchedAt + age * 0.9, staleAt: fetchedAt + age }
      failure = undefined
    } catch (cause) {
      discovered = undefined // the keys may have moved
      failure = { at: now(), cause }
    }
  }

  /** What says the same is the same, and its keys need not be read again. */
  function publish(body: JSONWebKeySet): PublishedKeys {
    const document = JSON.stringify(body)
    if (current?.keys.document === document) return current.keys
    return { document, keyFor: createLocalJWKSet(body) }
  }

  /** One fetch at a time; never rejects. */
  function refresh(): Promise<void> {
    return (pending ??= fetchKeys().finally(() => (pending = undefined)))
  }

  async function keySet(): Promise<KeySet> {
    const time = now()
    const mayFetch = !failure || time - failure.at >= FAILURE_COOL_DOWN_MS
    if (!current || time >= current.staleAt + LAST_RESORT_MS) {
      if (mayFetch) await refresh()
    } else if (time >= current.ageingAt && mayFetch) {
      const fetched = refresh()
      // While the issuer is known to fail, nobody waits for the next attempt.
      if (time >= current.staleAt && !failure) await fetched
    }
    if (!current || now() >= current.staleAt + LAST_RESORT_MS) {
      throw unavailable()
    }
    return current
  }

  function unavailable(): KeysUnavailableError {
    return new KeysUnavailableError(`The keys of ${issuer} cannot be fetched`, { cause: failure?.cause })
  }

  /** Whether a look for a key that isn't in `set` is due; takes the turn. */
  function takeUnknownKeyTurn(set: KeySet, askedAt: number): boolean {
    const isJustFetched = set.fetchedAt >= askedAt
    // An attempt that failed has answered nothing: the next comes as soon as the issuer may be back.
    const isDue = failure
      ? now() - failure.at >= FAILURE_COOL_DOWN_MS
      : now() - unknownKeyFetchAt >= UNKNOWN_KEY_COOL_DOWN_MS
    if (isJustFetched || !isDue) return false
    unknownKeyFetchAt = now()
    return true
  }

  return {
    async keyFor(header) {
      const askedAt = now()
      const set = await keySet()
      try {
        return await find(set.keys, header)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        if (takeUnknownKeyTurn(set, askedAt)) await refresh()
        else await pending
        if (current && current !== set) return find(current.keys, header)
        throw failure ? unavailable() : error
      }
    },
    current: async () => (await keySet()).keys,
    load: async () => void (await keySet()),
  }
}

async function find(
  keys: PublishedKeys,
  header: JWSHeaderParameters,
): Promise<{ key: CryptoKey; keys: PublishedKeys }> {
  return { key: await keys.keyFor(header), keys }
}

/** Seconds for which a response may be used, by `Cache-Control` and `Age` (RFC 9111 §4.2), within bounds. */
function freshSeconds(headers: Headers): number {
  const cacheControl = headers.get('cache-control') ?? ''
  if (/\bno-(?:store|cache)\b/i.test(cacheControl)) return MIN_AGE_SECONDS
  const maxAge = /\bmax-age="?(\d{1,10})/i.exec(cacheControl)?.[1]
  const age = /^\d{1,10}$/.exec(headers.get('age') ?? '')?.[0] ?? '0'
  const seconds = maxAge === undefined ? DEFAULT_AGE_SECONDS : Number(maxAge) - Number(age)
  return Math.min(Math.max(seconds, MIN_AGE_SECONDS), MAX_AGE_SECONDS)
}

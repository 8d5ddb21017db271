/**
 * Asks the issuer's introspection endpoint (RFC 7662 §2) about tokens, and keeps what it said for a short time.
 *
 * A token is known here by its SHA-256 alone. Active and inactive answers are kept apart, so that made-up tokens push out
 * nothing good; one token is asked about once at a time, and only so many tokens are. What fails is kept nowhere.
 */
import { digestOf } from './digest.ts'
import { discoverUrl } from './discovery.ts'
import { fetchJson } from './fetch-json.ts'
import { createQueue } from './queue.ts'
import { createShortMemory } from './short-memory.ts'

export interface AnswersOptions {
  issuer: string
  clientId: string
  clientSecret: string
  /** Skips discovery when given. */
  endpoint?: string | undefined
  cacheSeconds: number
  mostEntries: number
  timeoutMs: number
  fetch: typeof globalThis.fetch
  /** Milliseconds since the epoch. */
  now: () => number
}

export type ActiveAnswer = Readonly<Record<string, unknown>>

export interface Answers {
  /**
   * What the issuer says of a token now, or said a moment ago; undefined of one that is not active.
   * @throws IntrospectionUnavailableError
   */
  about(token: string): Promise<ActiveAnswer | undefined>
  /** Finds the endpoint unless it is known. @throws Error */
  prepare(): Promise<void>
}

/** The issuer can't be reached, refuses this API's credentials, or says something else than it should. */
export class IntrospectionUnavailableError extends Error {
  override readonly name = 'IntrospectionUnavailableError'
}

/** Tokens don't come alive, but a mistake at the issuer may be mended. */
const INACTIVE_MS = 2_000
const MOST_AT_ONCE = 32
const MOST_WAITING = 1_000

export function createAnswers(options: AnswersOptions): Answers {
  const { issuer, endpoint, cacheSeconds, mostEntries, timeoutMs, fetch, now } = options
  const headers = { accept: 'application/json', authorization: basic(options) }
  const active = createShortMemory<ActiveAnswer>({ most: mostEntries, now })
  const inactive = createShortMemory<true>({ most: mostEntries, now })
  const pending = new Map<string, Promise<ActiveAnswer | undefined>>()
  const queue = createQueue({ mostAtOnce: MOST_AT_ONCE, mostWaiting: MOST_WAITING })
  let discovered: Promise<string> | undefined

  async function endpointUrl(): Promise<string> {
    try {
      return endpoint ?? (await (discovered ??= discoverUrl(fetch, issuer, 'introspection_endpoint')))
    } catch (error) {
      discovered = undefined
      throw error
    }
  }

  async function fetchAnswer(token: string): Promise<ActiveAnswer | undefined> {
    const signal = AbortSignal.timeout(timeoutMs)
    const body = new URLSearchParams({ token, token_type_hint: 'access_token' })
    try {
      const url = await endpointUrl()
      const ask = () => fetchJson(fetch, url, { method: 'POST', headers, body, signal })
      return read((await queue.run(ask, signal)).body)
    } catch (cause) {
      discovered = undefined // it may have moved
      throw new IntrospectionUnavailableError(`${issuer} can't be asked about tokens`, { cause })
    }
  }

  async function ask(key: string, token: string): Promise<ActiveAnswer | undefined> {
    const askedAt = now()
    const answer = await fetchAnswer(token)
    if (!answer) inactive.keep(key, true, now() + INACTIVE_MS)
    // From when it was asked: what is revoked while the answer is on its way counts from then.
    else active.keep(key, answer, Math.min(askedAt + cacheSeconds * 1000, Number(answer.exp) * 1000))
    return answer
  }

  return {
    async about(token) {
      const key = digestOf(token)
      const known = active.get(key)
      if (known) return known
      if (inactive.get(key)) return undefined
      const asked = pending.get(key) ?? ask(key, token).finally(() => pending.delete(key))
      pending.set(key, asked)
      return asked
    },
    prepare: async () => void (await endpointUrl()),
  }
}

/** RFC 7662 §2.2: `active` is a boolean, or this is no answer. */
function read(body: unknown): ActiveAnswer | undefined {
  const answer = (body ?? {}) as Record<string, unknown>
  if (answer.active === true) return answer
  if (answer.active === false) return undefined
  throw new Error('the answer does not say whether the token is active')
}

/** RFC 6749 §2.3.1: both are form-encoded before they are joined. */
function basic({ clientId, clientSecret }: AnswersOptions): string {
  return `Basic ${btoa(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`)}`
}

import { randomUUID } from 'node:crypto'
import type { Transport } from './call.ts'
import { systemClock, type Clock } from './clock.ts'
import { createBearerSource, type Credentials } from './credentials.ts'
import { isTrustworthy } from './discovery.ts'
import type { Dispatcher } from './exchange.ts'
import { followEvents, type Followed, type FollowOptions } from './follow.ts'
import { createList } from './list.ts'
import type { Answer, OperationFacts, Query } from './operation.ts'
import { operations, type GrantryOperations } from './operations.ts'
import { createRetryBudget } from './repetition.ts'
import { fillPath, request, type AnyOptions, type Endpoint, type PlainRequest } from './request.ts'

export interface GrantryClientOptions {
  /** The server's URL, as it names itself: `https://login.example.com`. */
  issuer: string
  /** Where the API stands; `<issuer>/api/v1` unless given. */
  baseUrl?: string
  credentials: Credentials
  /** Of a call with all its repetitions and the time between them, in milliseconds. Default 30 s. */
  deadlineMs?: number
  /** Of one try, in milliseconds. Default 10 s. */
  tryTimeoutMs?: number
  /** Tries after the first. Default 3; 0 for none. */
  retries?: number
  /** Repetitions that are free; beyond them a tenth of the calls may be repeated. Default 10. */
  freeRetries?: number
  /** Most bytes of an answer. Default 4 MiB. */
  mostBytes?: number
  /** Ends every call of this client. */
  signal?: AbortSignal
  fetch?: typeof globalThis.fetch
  /** undici's, for a proxy or a client certificate; goes to `fetch`. */
  dispatcher?: Dispatcher
  clock?: Clock
  /** 0 to 1, for the jitter. */
  random?: () => number
}

export interface GrantryClient extends GrantryOperations {
  /** A request that has no method of its own, with the same credentials, repetitions and errors. */
  request(given: PlainRequest): Promise<Answer<unknown>>

  /**
   * What happens on the server, for ever: `for await (const { cursor, event } of client.followEvents({ after }))`. Goes on by
   * itself after breaks and restarts, with nothing lost and nothing told twice.
   * @throws HistoryGoneError, ProblemError, CredentialsError; TypeError for options that can't work
   */
  followEvents(options?: FollowOptions): AsyncIterable<Followed>
}

const DEFAULTS = { deadlineMs: 30_000, tryTimeoutMs: 10_000, retries: 3, freeRetries: 10, mostBytes: 4 * 1024 * 1024 }

/**
 * A client of the management API. It keeps no connection and needs no closing.
 * @throws TypeError for options that can't work, plain HTTP to another machine among them
 */
export function createGrantryClient(options: GrantryClientOptions): GrantryClient {
  return createApiClient<GrantryOperations>(operations, options)
}

/** The same for any table of operations and their types. */
export function createApiClient<Methods extends object>(
  table: Readonly<Record<string, OperationFacts>>,
  options: GrantryClientOptions,
): Methods & Pick<GrantryClient, 'request' | 'followEvents'> {
  const endpoint = createEndpoint(options)
  const send: Send = (given) => request(endpoint, withSignal(given, options.signal))
  const methods = Object.entries(table).map(([id, facts]) => [id, methodOf(facts, send)])
  return {
    ...(Object.fromEntries(methods) as Methods),
    request: send,
    followEvents: (given = {}) => followEvents(endpoint, withSignal(given, options.signal)),
  }
}

type Send = (given: PlainRequest) => Promise<Answer<unknown>>

/** Every method takes the values of its path, then its body or, of a list, the filters, then options. */
function methodOf(facts: OperationFacts, send: Send): (...given: unknown[]) => unknown {
  const { method, path, list, body: mediaType, keyed, conditional } = facts
  const count = path.split('{').length - 1
  return (...given) => {
    const filled = fillPath(path, given.slice(0, count))
    const rest = given.slice(count)
    const body = mediaType === undefined ? undefined : rest.shift()
    const filters = (list ? (rest.shift() ?? {}) : {}) as Query
    const options = (rest.shift() ?? {}) as AnyOptions
    if (conditional && !options.ifMatch) throw new TypeError('ifMatch is missing: the etag of what was read, or *')
    const plain: PlainRequest = {
      ...options,
      method,
      path: filled,
      ...(!keyed && { idempotencyKey: false }),
      ...(mediaType !== undefined && { body, mediaType }),
    }
    if (!list) return send(plain)
    return createList(list, { ...options.query, ...filters }, (query) => send({ ...plain, query }))
  }
}

function createEndpoint(options: GrantryClientOptions): Endpoint {
  const { issuer, credentials, clock = systemClock } = options
  const base = (options.baseUrl ?? `${issuer.replace(/\/$/, '')}/api/v1`).replace(/\/$/, '')
  for (const [name, url] of Object.entries({ issuer, baseUrl: base })) {
    if (!isTrustworthy(url)) throw new TypeError(`${name} must be an https URL; http only to this machine`)
  }
  const settings = { ...DEFAULTS, ...withoutUndefined(options) }
  const transport: Transport = {
    fetch: options.fetch ?? globalThis.fetch,
    dispatcher: options.dispatcher,
    clock,
    random: options.random ?? Math.random,
    budget: createRetryBudget(settings.freeRetries, () => clock.now()),
    tryTimeoutMs: settings.tryTimeoutMs,
    mostRetries: settings.retries,
    mostBytes: settings.mostBytes,
  }
  const { deadlineMs } = settings
  const bearer = createBearerSource(credentials, { transport, issuer, deadlineMs })
  return { transport, base: new URL(base).href.replace(/\/$/, ''), bearer, deadlineMs, newKey: () => randomUUID() }
}

function withoutUndefined(options: GrantryClientOptions): Partial<typeof DEFAULTS> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function withSignal<T extends { signal?: AbortSignal | undefined }>(given: T, own: AbortSignal | undefined): T {
  if (!own) return given
  return { ...given, signal: given.signal ? AbortSignal.any([own, given.signal]) : own }
}

/** One try of one request: bounded in time and size, following nobody. */
import { reasonOf } from './clock.ts'
import { NetworkError, UnexpectedAnswerError, type Received } from './errors.ts'

export interface HttpRequest {
  method: string
  url: URL
  headers: Readonly<Record<string, string>>
  body?: string | undefined
}

export type Dispatcher = NonNullable<RequestInit['dispatcher']>

export interface ExchangeOptions {
  fetch: typeof globalThis.fetch
  /** undici's: for a proxy, a client certificate, a pool. */
  dispatcher?: Dispatcher | undefined
  timeoutMs: number
  mostBytes: number
  signal?: AbortSignal | undefined
}

/** A longer one would ring at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Told apart by identity from an abort of the caller's. */
export class TryTimeout extends Error {}

/**
 * Sends the request and reads the whole answer. Of a refusal whose body breaks off the status counts; of a success the
 * whole must have come.
 * @throws NetworkError, UnexpectedAnswerError when the body is too large, the signal's reason when that is aborted
 */
export async function exchange(request: HttpRequest, options: ExchangeOptions): Promise<Received> {
  const { timeoutMs, signal } = options
  if (signal?.aborted) throw reasonOf(signal)
  const stop = new AbortController()
  const abort = () => stop.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const timer = setTimeout(() => stop.abort(new TryTimeout()), Math.min(timeoutMs, LONGEST_TIMER_MS))
  try {
    return await fetchAndRead(request, options, stop.signal)
  } catch (error) {
    if (signal?.aborted) throw reasonOf(signal)
    if (error instanceof UnexpectedAnswerError) throw error
    throw asNetworkError(error, stop.signal, request, timeoutMs)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

async function fetchAndRead(request: HttpRequest, options: ExchangeOptions, signal: AbortSignal): Promise<Received> {
  const { fetch, dispatcher, mostBytes } = options
  const response = await fetch(request.url, {
    method: request.method,
    headers: request.headers,
    ...(request.body !== undefined && { body: request.body }),
    ...(dispatcher && { dispatcher }),
    // Followed, it would take the credentials to whoever the answer names, or change POST into GET.
    redirect: 'manual',
    credentials: 'omit',
    signal,
  })
  const { status, headers } = response
  try {
    return { status, headers, text: await readBounded(response, mostBytes) }
  } catch (error) {
    if (status < 400) throw error
    return { status, headers, text: '' }
  }
}

async function readBounded(response: Response, most: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > most) throw new UnexpectedAnswerError(`the answer is larger than ${most} bytes`, response.status)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function asNetworkError(error: unknown, signal: AbortSignal, { url }: HttpRequest, timeoutMs: number): NetworkError {
  if (signal.reason instanceof TryTimeout) {
    return new NetworkError(`${url.origin} did not answer within ${Math.ceil(timeoutMs)} ms`, {
      sent: true,
      cause: signal.reason,
    })
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const { code, message } = (cause ?? {}) as NodeJS.ErrnoException
  const why = code ?? (message || String(cause))
  if (isBeforeSending(cause)) {
    return new NetworkError(`there is no connection to ${url.origin}: ${why}`, { sent: false, cause })
  }
  return new NetworkError(`the connection to ${url.origin} broke off: ${why}`, { sent: true, cause })
}

/** Whether nothing of the request can have left: the name, the connection or its TLS failed. */
function isBeforeSending(cause: unknown): boolean {
  // Several addresses were tried: none took the connection.
  if (cause instanceof AggregateError) return cause.errors.every(isBeforeSending)
  const { syscall, code = '' } = (cause ?? {}) as NodeJS.ErrnoException
  return syscall === 'connect' || syscall === 'getaddrinfo' || BEFORE_SENDING.test(code)
}

const BEFORE_SENDING =
  /^(?:UND_ERR_CONNECT_TIMEOUT|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ERR_TLS_.+|CERT_.+|DEPTH_ZERO_.+|SELF_SIGNED_.+|UNABLE_TO_.+)$/

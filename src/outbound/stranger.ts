/**
 * `outbound` owns requests to addresses that others have chosen: webhook receivers, and whatever document a stranger's
 * client points us to. Such a URL is a way to make this server knock on doors that the stranger can't reach (server-side
 * request forgery), so only public addresses are spoken to, and only as much is read as was agreed. It knows nothing of
 * webhooks, clients or the database.
 */
import { lookup, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector, request } from 'undici'
import { isPublicAddress } from '../lib/public-address.ts'

export interface StrangerPolicy {
  /** Development: addresses of this machine and its network, and plain http, are fine. */
  allowPrivate: boolean
}

export interface StrangerRequest {
  method: 'GET' | 'POST'
  headers?: Readonly<Record<string, string>>
  body?: string
  /** For everything from the look-up of the name to the last byte. */
  timeoutMs: number
  /** Of the answer's body; what comes after is not read. */
  mostBytes: number
  signal?: AbortSignal | undefined
}

export interface StrangerAnswer {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** At most `mostBytes`. */
  body: Buffer
  /** Whether there was more. */
  isCut: boolean
}

export interface Strangers {
  /**
   * One request. Redirects are answers like any other: never followed.
   * @throws StrangerError that says in one line what stood in the way
   */
  request(url: string, options: StrangerRequest): Promise<StrangerAnswer>
  close(): Promise<void>
}

export class StrangerError extends Error {
  override readonly name = 'StrangerError'
}

const LONGEST_URL = 2000

/** What is wrong with a URL as such; names are looked up only when it is used. @returns words that follow "the URL" */
export function strangerUrlProblem(text: string, { allowPrivate }: StrangerPolicy): string | undefined {
  const url = text.length <= LONGEST_URL ? URL.parse(text) : null
  if (!url) return `must be an absolute URL of at most ${LONGEST_URL} characters`
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) return 'must begin with https://'
  if (url.username || url.password) return 'must not carry credentials'
  if (url.hash || text.includes('#')) return 'must not have a fragment'
  // The parser has already turned 2130706433, 0x7f.1 and the like into the address that they mean.
  const literal = url.hostname.replace(/^\[|\]$/g, '')
  if (!allowPrivate && isIP(literal) && !isPublicAddress(literal)) return 'must lead to a public address'
  if (!allowPrivate && /(?:^|\.)(?:localhost|local|internal)\.?$/i.test(url.hostname))
    return 'must lead to a public host'
  return undefined
}

/** The system's look-up of a name, all addresses of it. */
export type Resolve = (
  hostname: string,
  options: { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

export interface StrangersOptions {
  /** Most connections to one host; default 8. */
  connections?: number
  resolve?: Resolve
}

export function createStrangers(
  policy: StrangerPolicy,
  { connections = 8, resolve = lookup }: StrangersOptions = {},
): Strangers {
  const agent = new Agent({
    connect: guarded(policy, resolve),
    connections,
    keepAliveTimeout: 10_000,
    maxHeaderSize: 16_384,
    // One at a time on a connection: an answer that never ends holds up nobody else's.
    pipelining: 1,
  })
  return {
    async request(url, { method, headers = {}, body, timeoutMs, mostBytes, signal }) {
      const problem = strangerUrlProblem(url, policy)
      if (problem) throw new StrangerError(`the URL ${problem}`)
      const limit = AbortSignal.timeout(timeoutMs)
      const either = signal ? AbortSignal.any([limit, signal]) : limit
      try {
        const answer = await request(url, {
          dispatcher: agent,
          method,
          headers,
          body: body ?? null,
          signal: either,
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
        })
        const read = await readAtMost(answer.body, mostBytes)
        return { status: answer.statusCode, headers: answer.headers, ...read }
      } catch (error) {
        throw new StrangerError(limit.aborted ? `no answer within ${timeoutMs / 1000} s` : inWords(error), {
          cause: error,
        })
      }
    },
    close: () => agent.destroy(),
  }
}

/**
 * Checks what a name leads to when it is connected to, not before: a name server that answers differently the second time
 * (DNS rebinding) gains nothing. A name that leads both outside and inside is refused.
 */
function guarded({ allowPrivate }: StrangerPolicy, resolve: Resolve): buildConnector.connector {
  const connect = buildConnector({ timeout: 10_000, lookup: checkedLookup(allowPrivate, resolve) })
  return (options, callback) => {
    const literal = options.hostname.replace(/^\[|\]$/g, '')
    if (!allowPrivate && isIP(literal) && !isPublicAddress(literal)) {
      callback(new StrangerError('the address is not public'), null)
      return
    }
    connect(options, (...[error, socket]: Parameters<buildConnector.Callback>) => {
      if (error) return callback(error, null)
      // What counts in the end is who is at the other side.
      if (!allowPrivate && !isPublicAddress(socket.remoteAddress ?? '')) {
        socket.destroy()
        return callback(new StrangerError('the address is not public'), null)
      }
      return callback(null, socket)
    })
  }
}

function checkedLookup(allowPrivate: boolean, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const [first] = addresses
      if (!first || (!allowPrivate && addresses.some(({ address }) => !isPublicAddress(address)))) {
        return callback(new StrangerError('the name leads to an address that is not public'), [])
      }
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family)
    })
  }
}

async function readAtMost(stream: AsyncIterable<Buffer> & { destroy(): unknown }, most: number) {
  const chunks: Buffer[] = []
  let size = 0
  let isCut = false
  for await (const chunk of stream) {
    const room = most - size
    chunks.push(chunk.subarray(0, room))
    size += Math.min(chunk.length, room)
    if (chunk.length > room) {
      isCut = true
      break
    }
  }
  return { body: Buffer.concat(chunks), isCut }
}

/** Nothing of the stranger's own making gets into this line but codes of Node and TLS. */
function inWords(error: unknown): string {
  const { name, code = '', message = '' } = (error ?? {}) as { name?: string; code?: string; message?: string }
  if (error instanceof StrangerError) return message
  if (name === 'AbortError') return 'given up'
  return (
    WORDS[code] ?? (/CERT|SSL|TLS|SELF_SIGNED/.test(code) ? `TLS failed (${code})` : `failed (${code || 'no answer'})`)
  )
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name could not be looked up',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'the host can not be reached',
  ENETUNREACH: 'the network can not be reached',
  UND_ERR_SOCKET: 'the connection broke off',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped coming',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the answer are too large',
}

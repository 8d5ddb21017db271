import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { networkOf } from '../../lib/network.ts'
import { converse, type Conversation, type ConversationOptions } from './conversation.ts'
import { closeCodes } from './frames.ts'
import type { Credentials } from './follow.ts'

export interface SocketServerOptions extends Omit<ConversationOptions, 'given'> {
  /** `/api/v1/stream` */
  path: string
  /** Whether a request names this server's host: another is refused, as everywhere. */
  isForUs: (request: IncomingMessage) => boolean
  /** Whether a page of this origin may open a socket. Programs send no origin, and are let through. */
  isAllowedOrigin: (origin: string) => Promise<boolean>
  /** Whence a request comes, by way of trusted proxies. */
  addressOf: (request: IncomingMessage) => string
  most?: { sockets?: number; ofOneAddress?: number }
}

export interface SocketServer {
  /** Takes upgrades of this server from now on. */
  attach(server: Server): void
  /** How many sockets are open. */
  count(): number
  close(): void
}

const LARGEST_FRAME = 16 * 1024
const MOST_SOCKETS = 10_000
const MOST_OF_ONE_ADDRESS = 1_000

/** Whether a request wants a WebSocket; where it may have one is decided at the handshake. */
export function isForSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Sockets on which events are followed. What is refused before the handshake is refused in HTTP. */
export function createSocketServer(options: SocketServerOptions): SocketServer {
  const { path, isForUs, isAllowedOrigin, addressOf, most = {} } = options
  const { sockets: mostSockets = MOST_SOCKETS, ofOneAddress = MOST_OF_ONE_ADDRESS } = most
  const sockets = new WebSocketServer({ noServer: true, maxPayload: LARGEST_FRAME, perMessageDeflate: false })
  const conversations = new Set<Conversation>()
  const byAddress = new Map<string, number>()

  /** What stands in the way of a handshake, as a status of HTTP. */
  async function objection(request: IncomingMessage): Promise<number | undefined> {
    const url = URL.parse(request.url ?? '', 'http://path.invalid')
    if (url?.pathname !== path) return 404
    if (!isForUs(request)) return 421
    // A token in an address ends in logs and histories: it counts for nothing here, and is told so at once.
    if (url.search !== '') return 400
    const { origin } = request.headers
    if (origin !== undefined && !(await isAllowedOrigin(origin))) return 403
    const ofThis = byAddress.get(networkOf(addressOf(request))) ?? 0
    return conversations.size >= mostSockets || ofThis >= ofOneAddress ? 429 : undefined
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    const refused = await objection(request)
    if (refused !== undefined) return turnAway(socket, refused)
    const token = /^Bearer +([\w\-.~+/]+=*)$/i.exec(request.headers.authorization ?? '')?.[1]
    const given = token === undefined ? undefined : await options.authenticate(token)
    if (token !== undefined && !given) return turnAway(socket, 401)
    return sockets.handleUpgrade(request, socket, head, (opened) => {
      open(opened, networkOf(addressOf(request)), given)
    })
  }

  function open(opened: Parameters<typeof converse>[0], address: string, given: Credentials | undefined): void {
    const conversation = converse(opened, { ...options, given })
    conversations.add(conversation)
    byAddress.set(address, (byAddress.get(address) ?? 0) + 1)
    opened.once('close', () => {
      conversations.delete(conversation)
      const left = (byAddress.get(address) ?? 1) - 1
      if (left > 0) byAddress.set(address, left)
      else byAddress.delete(address)
    })
  }

  return {
    attach(server) {
      server.on('upgrade', (request, socket, head) => {
        upgrade(request, socket, head).catch((err: unknown) => {
          options.log.error({ err }, 'a handshake failed')
          turnAway(socket, 500)
        })
      })
    },
    count: () => conversations.size,
    close() {
      for (const conversation of conversations) conversation.end(closeCodes.goingAway, 'the server stops')
      sockets.close()
    },
  }
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
}

function turnAway(socket: Duplex, status: number): void {
  const more = status === 401 ? 'WWW-Authenticate: Bearer error="invalid_token"\r\n' : ''
  const retry = status === 429 ? 'Retry-After: 10\r\n' : ''
  socket.end(`HTTP/1.1 ${status} ${REASONS[status]}\r\nConnection: close\r\nContent-Length: 0\r\n${more}${retry}\r\n`)
}

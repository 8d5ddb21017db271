/**
 * The door of a process: the one place where requests come in, from the first moment of a start to the last of a stop.
 *
 *   starting ──open──▶ ready ──leave──▶ draining ──close──▶ shut
 *
 * While the server behind it is still being made it answers for itself: alive, not ready, come back in a second. While it
 * drains, everything is served and each connection ends with its answer, so that whoever speaks to us goes elsewhere without
 * losing a request.
 */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createHttpServer, listen } from './http-server.ts'

export type Phase = 'starting' | 'ready' | 'draining'

export interface Door {
  /** For what speaks another protocol after an upgrade. */
  server: Server
  /** What `/health/ready` tells. */
  phase(): Phase
  /** Starts to listen, unless it does. @returns the port. @throws the error of the system: the port is taken, or forbidden */
  listen(address: { host: string; port: number }): Promise<number>
  /** From now on this answers. @param upgrades which offers of another protocol are taken up */
  open(handle: RequestListener, upgrades?: (request: IncomingMessage) => boolean): void
  /**
   * Each connection ends with its next answer; new ones are still taken.
   * @param quietly whether health goes on to say `ready`, as when another process of this instance takes over
   */
  leave(options?: { quietly?: boolean }): void
  /** Takes no more connections; resolves when the last answer is out. */
  close(): Promise<void>
}

/** A connection between two requests is not cut at once: its next request may be on the way and would be lost. */
const IDLE_GRACE_MS = 250
const NUDGE_MS = 50

export function createDoor(): Door {
  let phase: Phase = 'starting'
  let isLeaving = false
  let handle: RequestListener = answerWhileStarting
  let upgradesOf: (request: IncomingMessage) => boolean = () => false
  const sockets = new Set<Socket>()
  const server = createHttpServer(
    (req, res) => {
      if (isLeaving) res.setHeader('Connection', 'close')
      return handle(req, res)
    },
    { upgrades: (request) => upgradesOf(request) },
  )
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  function leave({ quietly = false } = {}): void {
    if (!quietly) phase = 'draining'
    if (isLeaving) return
    isLeaving = true
    for (const socket of sockets) endWithAnswer(socket)
  }

  async function shut(): Promise<void> {
    leave({ quietly: phase !== 'ready' })
    if (!server.listening) return
    const closed = new Promise<void>((resolve) => closeListener(server, resolve))
    const began = performance.now()
    const nudge = setInterval(() => {
      if (performance.now() - began >= IDLE_GRACE_MS) server.closeIdleConnections()
    }, NUDGE_MS)
    await closed.finally(() => clearInterval(nudge))
  }

  let closing: Promise<void> | undefined
  let listening: Promise<number> | undefined
  return {
    server,
    phase: () => phase,
    listen: (address) => (listening ??= listen(server, address)),
    open(listener, upgrades = () => false) {
      handle = listener
      upgradesOf = upgrades
      if (phase === 'starting') phase = 'ready'
    },
    leave,
    close: () => (closing ??= shut()),
  }
}

/** `server.close` of http would cut idle connections at once; that of net, which it is built on, only takes no more. */
function closeListener(server: Server, done: () => void): void {
  const closeIdle = server.closeIdleConnections.bind(server)
  server.closeIdleConnections = () => undefined
  server.close(() => done())
  server.closeIdleConnections = closeIdle
}

/**
 * The answer under way on this connection says that it is the last. Node keeps it at the socket, undocumented; where it is not
 * found the connection ends a moment later, when it is idle.
 */
function endWithAnswer(socket: Socket): void {
  const { _httpMessage: answer } = socket as Socket & { _httpMessage?: ServerResponse | null }
  if (answer && !answer.headersSent) answer.setHeader('Connection', 'close')
}

function answerWhileStarting(req: IncomingMessage, res: ServerResponse): void {
  const path = req.url?.split('?', 1)[0]
  const body = path === '/health/live' ? { status: 'ok' } : { status: 'starting' }
  res.statusCode = path === '/health/live' ? 200 : 503
  res.setHeader('Content-Type', 'application/json; charset=utf-8')
  res.setHeader('Cache-Control', 'no-store')
  // Whoever waits may be led to another process next time.
  res.setHeader('Connection', 'close')
  if (res.statusCode === 503) res.setHeader('Retry-After', '1')
  res.end(req.method === 'HEAD' ? undefined : JSON.stringify(body))
}

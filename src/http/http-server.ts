/**
 * The HTTP server under everything: how long a client may take, and what becomes of one that sends more than anybody reads.
 * Node's own limits let a handful of connections that send a byte now and then stay for minutes.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'

/** In milliseconds. */
export interface Patience {
  /** From the first byte of a request to the end of its headers. */
  headersMs: number
  /** From the first byte of a request to the end of its body. */
  requestMs: number
  /** From an answer that did not wait for the rest of a body to the end of the connection, unless the body ends before. */
  lingerMs: number
}

const PATIENCE: Patience = { headersMs: 10_000, requestMs: 30_000, lingerMs: 1_000 }

export interface HttpServerOptions {
  patience?: Patience
  /** Whether a request that offers another protocol is taken up on it; unless told, none is, and the offer is passed over. */
  upgrades?: (request: IncomingMessage) => boolean
}

export function createHttpServer(
  handle: RequestListener,
  { patience: { headersMs, requestMs, lingerMs } = PATIENCE, upgrades = () => false }: HttpServerOptions = {},
): Server {
  const limits = { headersTimeout: headersMs, requestTimeout: requestMs, connectionsCheckingInterval: headersMs / 4 }
  // RFC 9110 §7.8: a server may answer as if no upgrade had been offered.
  return createServer({ ...limits, shouldUpgradeCallback: upgrades }, (req, res) => {
    res.once('finish', () => {
      if (!req.complete) hangUp(req, lingerMs)
    })
    handle(req, res)
  })
}

/**
 * RFC 9112 §9.6: an answer is lost when its connection is cut while data still comes in, so what comes is thrown away for a
 * moment first. A body without an end must not keep the connection.
 */
function hangUp(req: IncomingMessage, lingerMs: number): void {
  // A connection that is gone by then has left the request, whatever its type says.
  const timer = setTimeout(() => (req as { socket: Socket | null }).socket?.destroy(), lingerMs).unref()
  req.once('end', () => clearTimeout(timer))
  req.resume()
}

/** Whether a response failed because the client went away or sent garbage after its headers: its affair, not a fault of ours. */
export function isDisconnect(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return message === 'aborted' || (typeof code === 'string' && /^(?:ECONNRESET|EPIPE|ERR_STREAM_|HPE_)/.test(code))
}

/** Starts to listen. @returns the port */
export function listen(server: Server, { host, port }: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

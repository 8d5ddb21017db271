/** A web server of a client's makers, on this machine: it answers with the client's metadata document, or with anything else. */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface Answer {
  status?: number
  headers?: Record<string, string>
  /** An object is sent as JSON. */
  body?: unknown
}

export interface DocumentHost {
  origin: string
  /** What stands at a path from now on; undefined: the connection breaks off. */
  put(path: string, answer: Answer | undefined): string
  /** The document of a well-behaved client at a path, with what is to be otherwise. @returns its URL */
  document(path: string, changes?: Record<string, unknown>, headers?: Record<string, string>): string
  /** Requests so far for a path. */
  requests(path: string): IncomingMessage[]
  close(): Promise<void>
}

export const LOOPBACK_REDIRECT = 'http://127.0.0.1/callback'

/** @param tls key and certificate (PEM) of a server that speaks https */
export async function startDocumentHost(tls?: { key: string; cert: string }): Promise<DocumentHost> {
  const answers = new Map<string, Answer | undefined>()
  const seen: IncomingMessage[] = []
  const listener: RequestListener = (request, response) => {
    seen.push(request)
    const path = request.url ?? ''
    const answer = answers.get(path)
    if (!answers.has(path)) return void response.writeHead(404).end()
    if (!answer) return void request.socket.destroy()
    const { status = 200, headers = {}, body } = answer
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    return void response.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body))
  }
  const server: Server = tls ? createTlsServer(tls, listener) : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const origin = `${tls ? 'https' : 'http'}://localhost:${port}`

  function put(path: string, answer: Answer | undefined): string {
    answers.set(path, answer)
    return origin + path
  }

  return {
    origin,
    put,
    document: (path, changes = {}, headers = {}) =>
      put(path, {
        headers,
        body: {
          client_id: origin + path,
          client_name: 'Notes assistant',
          redirect_uris: [LOOPBACK_REDIRECT],
          ...changes,
        },
      }),
    requests: (path) => seen.filter(({ url }) => url === path),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

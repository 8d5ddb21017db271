/** A feed of events whose server fails as it is told, and a way into a real server that can be cut. */
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Teardown } from '../support/database.ts'

/** What becomes of one request, instead of an answer. */
export type Fault = (response: ServerResponse, request: IncomingMessage) => void

export interface FeedServer {
  url: string
  /** Positions begin with 1. */
  tell(count: number): void
  /** The next requests, one after the other; undefined for one that goes well. */
  fail(...faults: (Fault | undefined)[]): void
  /** The query, and what of the headers counts here. */
  asked: { query: URLSearchParams; prefer: string | undefined; authorization: string | undefined }[]
}

const problem = (status: number, code: string, members: object) => (response: ServerResponse) => {
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ type: `https://auth.example.com/problems#${code}`, title: code, status, ...members }))
}

export const historyGone = problem(410, 'history-gone', { oldest_cursor: '7' })
export const forbidden = problem(403, 'insufficient-scope', {})
export const unauthorized = problem(401, 'unauthenticated', {})

/** A page holds three. An empty one comes at once, however long it should be waited for. */
export async function feedServer(t: Teardown): Promise<FeedServer> {
  let last = 0
  const faults: (Fault | undefined)[] = []
  const asked: FeedServer['asked'] = []
  const server = createHttpServer((request, response) => {
    const query = new URL(request.url ?? '', 'http://feed').searchParams
    const { prefer, authorization } = request.headers
    asked.push({ query, prefer: prefer as string | undefined, authorization })
    const fault = faults.shift()
    if (fault) fault(response, request)
    else send(response, pageAfter(query.get('after') ?? '0'))
  })
  const pageAfter = (after: string) => {
    const from = after === 'latest' ? last : Number(after)
    const upTo = Math.min(from + 3, last)
    const data = Array.from({ length: upTo - from }, (_, index) => eventAt(from + index + 1))
    return { data, pagination: { next_cursor: String(upTo), has_more: upTo < last }, links: {} }
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tell: (count) => void (last += count),
    fail: (...more) => void faults.push(...more),
    asked,
  }
}

function eventAt(position: number) {
  return { id: `evt_${position}`, type: 'user.created', subject: `usr_${position}`, cursor: String(position), data: {} }
}

export function send(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

export interface Passage {
  port: number
  /** Whoever is connected loses the connection, in the middle of whatever it is. */
  cut(): void
}

/** Passes bytes between whoever connects and a port of this machine. */
export async function passage(t: Teardown, target: number): Promise<Passage> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    for (const [one, another] of [
      [near, far],
      [far, near],
    ] as const) {
      keep(one)
      one.pipe(another)
      one.on('close', () => another.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  t.teardown(() => {
    server.close()
    cut()
  })
  return { port: (server.address() as AddressInfo).port, cut }
}

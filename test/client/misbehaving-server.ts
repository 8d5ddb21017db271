/** A real HTTP server that does what it is told, step by step, and remembers what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../src/client/index.ts'
import { createGrantryClient, type GrantryClient, type GrantryClientOptions } from '../../src/client/index.ts'
import type { Teardown } from '../support/database.ts'

export type Step = (response: ServerResponse, request: IncomingMessage) => void

export interface Seen {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: string
}

export interface MisbehavingServer {
  url: string
  seen: Seen[]
}

/** Each request takes the next step; the last one stays. */
export async function misbehavingServer(t: Teardown, ...steps: Step[]): Promise<MisbehavingServer> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    seen.push({
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    })
    const step = steps[Math.min(seen.length, steps.length) - 1]
    step?.(response, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

export const answer =
  (status: number, body?: unknown, headers: Record<string, string> = {}): Step =>
  (response) => {
    const type = { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' }
    response.writeHead(status, { ...(body !== undefined && type), ...headers })
    response.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body))
  }

export const ok = answer(200, { id: 'usr_1', name: 'Alice' }, { etag: '"7"' })

/** The connection ends instead of an answer. */
export const reset: Step = (response) => response.socket?.resetAndDestroy()

export const hang: Step = () => undefined

/** The headers promise more than comes. */
export const half =
  (status = 200): Step =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': '1000' })
    response.write('{"id":"usr_1",')
    setImmediate(() => response.destroy())
  }

/** As above, in chunks. */
export const halfChunked: Step = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write('{"id":"usr_1",')
  setImmediate(() => response.destroy())
}

/** A byte now and then, for ever. */
export const drip: Step = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const timer = setInterval(() => response.write(' '), 5)
  response.on('close', () => clearInterval(timer))
}

export interface TestClock extends Clock {
  slept: number[]
  pass(milliseconds: number): void
}

/** Stands still but for sleeping, which takes no time. */
export function testClock(): TestClock {
  let time = Date.UTC(2030, 0, 1)
  const slept: number[] = []
  return {
    slept,
    now: () => time,
    pass: (milliseconds) => (time += milliseconds),
    sleep: (milliseconds) => {
      slept.push(milliseconds)
      time += milliseconds
      return Promise.resolve()
    },
  }
}

export interface ClientUnderTest {
  client: GrantryClient
  clock: TestClock
}

/** A client whose time is the test's and whose luck is always half. */
export function clientOf(url: string, options: Partial<GrantryClientOptions> = {}): ClientUnderTest {
  const clock = testClock()
  const credentials = { apiKey: 'grk_test' }
  return { clock, client: createGrantryClient({ issuer: url, credentials, clock, random: () => 0.5, ...options }) }
}

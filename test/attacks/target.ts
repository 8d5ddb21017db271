/**
 * A server under attack: clients of every kind and a person in its registry, raw bytes for what no HTTP client would send,
 * and what must hold of every answer, whatever was asked.
 */
import { connect } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'

export interface Target extends TestServer {
  person: { id: string; username: string; password: string }
  /** Confidential, of the operator's own: signs in without consent. */
  web: TestClient
  spa: TestClient
  native: TestClient
  service: TestClient
}

export const LOOPBACK = 'http://127.0.0.1/callback'
export const APP_SCHEME = 'com.example.app:/callback'

/** One server for all tests of a file, which begins with the first and ends with the last. */
export function underAttack(environment: Record<string, string> = {}): () => Target {
  const ends: (() => unknown)[] = []
  let target: Target | undefined
  test.serial.before(async () => {
    target = await startTarget({ teardown: (end) => void ends.push(end) }, environment)
  })
  test.after.always(async () => {
    for (let end = ends.pop(); end; end = ends.pop()) await end()
  })
  return () => target!
}

async function startTarget(
  t: Parameters<typeof startAuthServer>[0],
  environment: Record<string, string>,
): Promise<Target> {
  const server = await startAuthServer(t, environment)
  const { db } = server
  await buildResource(db)
  const [person, web, spa, native, service] = await Promise.all([
    buildUser(db),
    buildClient(db, { firstParty: true }),
    buildClient(db, { kind: 'spa', firstParty: true }),
    buildClient(db, { kind: 'native', redirectUris: [LOOPBACK, APP_SCHEME] }),
    buildClient(db, { kind: 'service' }),
  ])
  return { ...server, person, web, spa, native, service }
}

export interface Answer {
  status: number
  headers: Headers
  body: string
  /** Everything that came, of all answers. */
  text: string
}

/** Where to knock: a server whose issuer may be another address than that of its socket. */
export interface Door {
  issuer: string
  port?: number
}

export interface RawRequest {
  method?: string
  /** Header lines as they stand on the wire. */
  headers?: string[]
  body?: string
  host?: string
}

/** One request whose target and headers nobody tidies up. Bytes above 0x7f are given as Latin-1. */
export function request(door: Door, path: string, options: RawRequest = {}): Promise<Answer> {
  const { method = 'GET', headers = [], body = '', host = new URL(door.issuer).host } = options
  const length = body === '' ? [] : [`Content-Length: ${body.length}`]
  const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers, ...length]
  return send(door, `${head.join('\r\n')}\r\n\r\n${body}`)
}

/** A form as a browser would post it, but for what is given. */
export function post(
  door: Door,
  path: string,
  form: string | Record<string, string>,
  headers: string[] = [],
): Promise<Answer> {
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString()
  const type = headers.some((header) => /^content-type:/i.test(header))
    ? []
    : ['Content-Type: application/x-www-form-urlencoded']
  return request(door, path, { method: 'POST', headers: [...type, ...headers], body })
}

/** Sends bytes as they are and waits for the server to close, at most this long. */
export function send({ issuer, port }: Door, bytes: string, patienceMs = 20_000): Promise<Answer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(port ?? Number(new URL(issuer).port), '127.0.0.1')
    socket.setTimeout(patienceMs, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    // The server may cut a connection that it no longer wants; what it said before counts.
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(parseAnswer(Buffer.concat(chunks).toString('utf8'))))
    socket.write(Buffer.from(bytes, 'latin1'))
  })
}

function parseAnswer(text: string): Answer {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const headers = new Headers()
  for (const line of lines) {
    const at = line.indexOf(':')
    headers.append(line.slice(0, at), line.slice(at + 1).trim())
  }
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0), headers, body: rest.join('\r\n\r\n'), text }
}

const INSIDE = /node_modules|node:internal|\.[jt]s:\d+|\n\s+at |syntax error at|select .* from |oops!/i

/**
 * What is wrong with an answer, or undefined: each comes, is no failure of the server's, tells nothing of the inside, and
 * sends nobody anywhere but to this server or to the addresses given.
 */
export function harmIn(
  { issuer }: Door,
  { status, headers, body }: Pick<Answer, 'status' | 'headers' | 'body'>,
  elsewhere: readonly string[] = [],
): string | undefined {
  if (status < 200 || status >= 500) return `${status} ${body.slice(0, 200)}`
  const inside = INSIDE.exec(body)?.[0]
  if (inside !== undefined) return `tells ${inside}`
  const location = headers.get('location')
  if (location === null) return undefined
  const { origin, href } = new URL(location, issuer)
  const isKnown =
    origin === issuer ||
    elsewhere.some((uri) => href === uri || href.startsWith(`${uri}?`) || href.startsWith(`${uri}#`))
  return isKnown ? undefined : `sends to ${location}`
}

/** Asks that an answer does no harm. */
export function harmless(
  t: ExecutionContext,
  door: Door,
  answer: Pick<Answer, 'status' | 'headers' | 'body'>,
  what: string,
  elsewhere: readonly string[] = [],
): void {
  t.is(harmIn(door, answer, elsewhere), undefined, what)
}

/** The text of every log line so far; asks that none of these is in it. */
export function notLogged(
  t: ExecutionContext,
  { logs }: TestServer,
  secrets: Record<string, string | undefined>,
): void {
  const text = JSON.stringify(logs)
  for (const [what, secret] of Object.entries(secrets)) {
    if (!secret) throw new Error(`there is no ${what} to look for`)
    t.false(text.includes(secret), `${what} is in the log`)
  }
}

/** The Authorization header of a client that proves itself. */
export function basic({ client_id, client_secret }: Pick<TestClient, 'client_id' | 'client_secret'>): string {
  return `Authorization: Basic ${btoa(`${client_id}:${client_secret}`)}`
}

/**
 * One connection that stays open and carries one HTTP/1.1 request at a time: just enough of the protocol for a load generator
 * that must not be what is slow.
 */
import { connect, type Socket } from 'node:net'

export interface Call {
  method: string
  path: string
  headers: Readonly<Record<string, string>>
  body?: string
}

export interface Answer {
  status: number
  /** Header lines as they came. */
  head: string
  body: string
}

const HEAD_END = '\r\n\r\n'
const PATIENCE_MS = 30_000

export class HttpConnection {
  readonly #port: number
  #socket: Socket | undefined
  #received = ''
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined

  constructor(port: number) {
    this.#port = port
  }

  async open(): Promise<void> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    // Bytes as characters: lengths in headers count bytes.
    socket.setEncoding('latin1')
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer in time')))
    socket.on('data', (chunk) => this.#take(String(chunk)))
    socket.on('error', (error) => this.#lose(error))
    socket.on('close', () => this.#lose(new Error('the server closed the connection')))
    this.#socket = socket
  }

  /** @throws when the connection is lost before the whole answer is there; the next call opens a new one */
  async send(call: Call): Promise<Answer> {
    if (!this.#socket) await this.open()
    const waiting = Promise.withResolvers<Answer>()
    this.#waiting = waiting
    this.#socket!.write(encode(call), 'latin1')
    return waiting.promise
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #lose(error: Error): void {
    this.#socket?.destroy()
    this.#socket = undefined
    this.#received = ''
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }

  #take(chunk: string): void {
    this.#received += chunk
    const answer = decode(this.#received)
    if (!answer) return
    this.#received = ''
    if (/\r\nconnection: close/i.test(answer.head)) this.close()
    this.#waiting?.resolve(answer)
    this.#waiting = undefined
  }
}

export function headerOf({ head }: Answer, name: string): string | undefined {
  return new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1]?.trim()
}

function encode({ method, path, headers, body = '' }: Call): string {
  let text = `${method} ${path} HTTP/1.1\r\n`
  for (const name in headers) text += `${name}: ${headers[name]}\r\n`
  return body === '' && method === 'GET'
    ? `${text}\r\n`
    : `${text}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${Buffer.from(body).toString('latin1')}`
}

/** @returns undefined while something is missing */
function decode(received: string): Answer | undefined {
  const end = received.indexOf(HEAD_END)
  if (end < 0) return undefined
  const head = received.slice(0, end)
  const rest = received.slice(end + HEAD_END.length)
  const status = Number(head.slice(9, 12))
  if (status === 204 || status === 304) return { status, head, body: '' }
  const length = /^content-length: *(\d+)/im.exec(head)?.[1]
  if (length !== undefined) return rest.length >= Number(length) ? { status, head, body: rest } : undefined
  const body = /^transfer-encoding: *chunked/im.test(head) ? unchunk(rest) : ''
  return body === undefined ? undefined : { status, head, body }
}

function unchunk(text: string): string | undefined {
  let body = ''
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n', at)
    if (end < 0) return undefined
    const size = Number.parseInt(text.slice(at, end), 16)
    const next = end + 2 + size + 2
    if (text.length < next) return undefined
    if (size === 0) return body
    body += text.slice(end + 2, end + 2 + size)
    at = next
  }
}

/** HTTP as a balancer sends it: to whichever instance takes the connection, with the issuer's host. */
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

export interface Reply {
  /** 0: no answer. */
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

export interface Sending {
  method?: string
  headers?: Record<string, string>
  body?: string
}

export interface Balancer {
  send(path: string, sending?: Sending): Promise<Reply>
  close(): void
}

/** How long a client waits for an answer. */
const PATIENCE_MS = 8_000

/** @param instances their origins; requests go to them in turn, and on to the next when one takes no connection */
export function createBalancer(issuer: string, instances: readonly string[]): Balancer {
  const agent = new Agent({ keepAlive: true })
  const { host } = new URL(issuer)
  const out = new Set<string>()
  let isClosed = false
  let turn = 0

  function once(
    origin: string,
    path: string,
    { method = 'GET', headers = {}, body }: Sending,
  ): Promise<Reply | 'closed'> {
    return new Promise((resolve) => {
      const nothing = { status: 0, headers: {}, body: '' }
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
      const req = request(origin + path, { method, agent, headers: { ...headers, ...length, host } }, (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks).toString() })) // prettier-ignore
        res.on('error', () => resolve(nothing))
      })
      req.setTimeout(PATIENCE_MS, () => req.destroy())
      req.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED' ? 'closed' : nothing))
      req.end(body)
    })
  }

  /** As balancers do: an instance that takes no connection gets no requests until it says that it is ready. */
  async function watch(origin: string): Promise<void> {
    if (out.has(origin)) return
    out.add(origin)
    while (!isClosed) {
      await delay(100)
      const reply = await once(origin, '/health/ready', {})
      if (reply !== 'closed' && reply.status === 200) return void out.delete(origin)
    }
  }

  return {
    async send(path, sending = {}) {
      for (const _ of instances) {
        const origin = instances[turn++ % instances.length]!
        if (out.has(origin)) continue
        const reply = await once(origin, path, sending)
        if (reply !== 'closed') return reply
        void watch(origin)
      }
      return { status: 0, headers: {}, body: '' }
    },
    close() {
      isClosed = true
      agent.destroy()
    },
  }
}

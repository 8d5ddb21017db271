/** An HTTP server that opens once and ends well. */
import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface Listening {
  port: number
  /** Takes no new request, lets those under way finish for a while, then cuts what is left. */
  close(): Promise<void>
}

const GRACE_MS = 3_000
const REQUEST_TIMEOUT_MS = 30_000

/** @param handler is asked for once the port is known, before the first request @throws when the address can't be had */
export async function listen(
  { host, port }: { host: string; port: number },
  handler: (port: number) => RequestListener,
): Promise<Listening> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS })
  server.listen(port, host)
  await once(server, 'listening')
  const opened = (server.address() as AddressInfo).port
  try {
    server.on('request', handler(opened))
  } catch (error) {
    server.close()
    throw error
  }

  return {
    port: opened,
    async close() {
      const closed = once(server, 'close')
      server.close()
      // A connection that a browser keeps alive would otherwise hold the process for its time-out.
      const sweep = setInterval(() => server.closeIdleConnections(), 20)
      const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS)
      await closed
      clearInterval(sweep)
      clearTimeout(cut)
    },
  }
}

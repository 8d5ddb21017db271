/** Somebody who is told of events by HTTP. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Teardown } from './database.ts'

export interface ReceivedDelivery {
  body: string
  headers: Record<string, string>
}

export interface Receiver {
  url: string
  all: ReceivedDelivery[]
  /** The first delivery that this holds for, as soon as it is there; the first of all unless told otherwise. */
  first(isMeant?: (delivery: ReceivedDelivery) => boolean): Promise<ReceivedDelivery>
}

/** Takes everything. */
export async function startReceiver(t: Teardown): Promise<Receiver> {
  const all: ReceivedDelivery[] = []
  let wake: () => void = () => undefined
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      all.push({ body, headers: request.headers as Record<string, string> })
      response.end()
      wake()
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    all,
    async first(isMeant = () => true) {
      for (;;) {
        const found = all.find(isMeant)
        if (found) return found
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}

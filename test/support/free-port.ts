/**
 * Ports for servers of tests. That nobody listens on a port does not make it one's own: before the server does, another process
 * may have found the same. So a process takes ports by the block. It holds the first one of a block for as long as it lives,
 * which tells the others whose the rest are, and hands out those one after the other, each once.
 */
import { createServer, type Server } from 'node:net'

/** The system takes one for every outgoing connection from those above. */
const [LOWEST, HIGHEST] = [15_000, 32_000]
const BLOCK = 50

const ports = portsOfOwn()

/** A port that nobody listens on, and that nobody else is told of. */
export async function freePort(): Promise<number> {
  const { value } = await ports.next()
  return value
}

async function* portsOfOwn(): AsyncGenerator<number, never> {
  for (;;) {
    const first = LOWEST + BLOCK * Math.floor((Math.random() * (HIGHEST - LOWEST)) / BLOCK)
    const mark = await listen(first)
    // It is no reason for a process to go on.
    mark?.unref()
    if (mark) yield* freeOnes(first + 1, first + BLOCK)
  }
}

async function* freeOnes(from: number, to: number): AsyncGenerator<number> {
  for (let port = from; port < to; port++) {
    const probe = await listen(port)
    if (!probe) continue
    await new Promise((closed) => probe.close(closed))
    yield port
  }
}

/** On all addresses, so nobody may listen on any. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ port, exclusive: true }, () => resolve(server))
  })
}

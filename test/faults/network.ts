/**
 * The network between the servers and their database: a TCP proxy that can be cut, can swallow what passes without closing
 * anything, and can be slow.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import pg from 'pg'
import type { Teardown } from '../support/database.ts'

export interface Network {
  /** Connection string of the database behind it. */
  url: string
  /** Each way, in milliseconds. */
  delayMs: number
  /** Most bytes in a millisecond, in pieces of so many; Infinity for as fast as it goes. */
  bytesPerMs: number
  /** Resets every connection and takes no new one, until it is healed. */
  cut(): void
  /** From now on nothing arrives, and nobody is told: of what is `open` already, or of `everything` until it is healed. */
  swallow(what: 'open' | 'everything'): void
  /** What was swallowed stays lost, and connections that lost something stay mute. */
  heal(): void
}

interface Link {
  near: Socket
  far: Socket
  isMute: boolean
}

export async function startNetwork(t: Teardown, target: string): Promise<Network> {
  const { host, port, user, password, database } = new pg.Client({ connectionString: target })
  const links = new Set<Link>()
  let state: 'whole' | 'cut' | 'silent' = 'whole'

  const listener = createServer((near) => {
    if (state === 'cut') return void near.resetAndDestroy()
    const far = connect(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port })
    const link = { near, far, isMute: state === 'silent' }
    links.add(link)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      // prettier-ignore
      from.setNoDelay(true)
      from.on('error', () => undefined)
      from.on('close', () => {
        // A database behind a silent network does not hear that its client is gone.
        if (!link.isMute) to.destroy()
        if (near.destroyed) links.delete(link)
      })
      pass(link, from, to)
    }
  })

  function pass(link: Link, from: Socket, to: Socket): void {
    let last = Promise.resolve()
    from.on('data', (chunk: Buffer) => {
      link.isMute ||= state === 'silent'
      if (link.isMute) return
      if (network.delayMs === 0 && network.bytesPerMs === Infinity) return void to.write(chunk)
      const ms = network.delayMs + chunk.length / network.bytesPerMs
      const late = new Promise<void>((resolve) => setTimeout(resolve, ms))
      last = Promise.all([last, late]).then(() => {
        if (!link.isMute && !to.destroyed) to.write(chunk)
      })
    })
  }

  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port: own } = listener.address() as { port: number }
  t.teardown(async () => {
    for (const { near, far } of links) for (const socket of [near, far]) socket.destroy()
    await new Promise((resolve) => listener.close(resolve))
  })

  const credentials = `${encodeURIComponent(user ?? '')}:${encodeURIComponent(password ?? '')}`
  const network: Network = {
    url: `postgresql://${credentials}@127.0.0.1:${own}/${database ?? ''}`,
    delayMs: 0,
    bytesPerMs: Infinity,
    cut() {
      state = 'cut'
      for (const { near, far } of links) {
        near.resetAndDestroy()
        far.destroy()
      }
    },
    swallow(what) {
      if (what === 'everything') state = 'silent'
      for (const link of links) link.isMute = true
    },
    heal() {
      state = 'whole'
    },
  }
  return network
}

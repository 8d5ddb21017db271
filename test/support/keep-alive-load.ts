/** Requests without a pause over connections that are kept, as a proxy or an app sends them. */
import { Agent, get } from 'node:http'

export interface Load {
  /** Complete answers so far, by status. */
  answered: Record<number, number>
  /** Closed or refused before a byte of an answer came, on a connection of their own: the server never took them. */
  refused: number
  /** Broken in the middle, or on a connection that was kept: nobody can tell what became of them. */
  lost: string[]
  /** Ends it when all that is under way has its answer. */
  stop(): Promise<void>
}

export function keepAliveLoad(url: string, { connections = 8 } = {}): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  let isOver = false
  const load: Load = {
    answered: {},
    refused: 0,
    lost: [],
    async stop() {
      isOver = true
      await Promise.all(lanes)
      agent.destroy()
    },
  }
  const lanes = Array.from({ length: connections }, async () => {
    while (!isOver) {
      await one()
      if (load.refused > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })

  function one(): Promise<void> {
    return new Promise((resolve) => {
      let failure: NodeJS.ErrnoException | undefined
      let status: number | undefined
      let hasBegun = false
      const request = get(url, { agent }, (response) => {
        hasBegun = true
        response.resume()
        response.once('end', () => (status = response.complete ? response.statusCode : undefined))
        response.once('error', (error) => (failure = error))
      })
      request.once('error', (error) => (failure = error))
      request.once('close', () => {
        if (status !== undefined) load.answered[status] = (load.answered[status] ?? 0) + 1
        else if (!hasBegun && !request.reusedSocket && isRefusal(failure)) load.refused += 1
        else load.lost.push(`${failure?.code} on a ${request.reusedSocket ? 'kept' : 'new'} connection`)
        resolve()
      })
    })
  }

  return load
}

function isRefusal(error: NodeJS.ErrnoException | undefined): boolean {
  return ['ECONNREFUSED', 'ECONNRESET'].includes(error?.code ?? '')
}

import type { ChildProcess } from 'node:child_process'
import type { Worker } from 'node:cluster'

/** What `node:cluster` tells a worker to which it gives a connection, undocumented. */
interface NewConnection {
  cmd: 'NODE_CLUSTER'
  act: 'newconn'
  seq: number
}

interface Handle {
  close(): void
}

/**
 * Cuts connections that were given to a worker which died before it took them. `node:cluster` waits for its word for ever and
 * keeps them open: their clients would wait as long, while a connection that is cut is tried again. Where the inside of Node
 * has changed nothing is found, and nothing breaks.
 */
export function cutWhatNobodyTook(worker: Worker): void {
  const given = new Map<number, Handle>()
  const { process } = worker
  const send = process.send.bind(process) as (...args: unknown[]) => boolean
  process.send = ((...args: unknown[]) => {
    const [message, handle] = args
    if (isNewConnection(message) && isHandle(handle)) given.set(message.seq, handle)
    return send(...args)
  }) as ChildProcess['send']
  process.on('internalMessage', (message: { ack?: unknown }) => {
    if (typeof message.ack === 'number') given.delete(message.ack)
  })
  worker.once('exit', () => {
    for (const handle of given.values()) handle.close()
    given.clear()
  })
}

function isNewConnection(message: unknown): message is NewConnection {
  const { cmd, act, seq } = (message ?? {}) as Partial<NewConnection>
  return cmd === 'NODE_CLUSTER' && act === 'newconn' && typeof seq === 'number'
}

function isHandle(handle: unknown): handle is Handle {
  return typeof (handle as Partial<Handle> | undefined)?.close === 'function'
}

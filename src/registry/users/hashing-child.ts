/** The process that hashes passwords for another: request by request, over the channel. It ends when the channel does. */
import { readdirSync } from 'node:fs'
import { setPriority } from 'node:os'
import { hashHere } from './hashing.ts'
import type { HashAnswer, HashRequest } from './hashing-process.ts'

const LOWEST_PRIORITY = 19

// Ctrl-C in a terminal reaches this process as well: what is under way is still wanted.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)

stepBack()
process.on('message', (request) => void answer(request as HashRequest))

async function answer({ id, password, hash, fallback }: HashRequest): Promise<void> {
  try {
    if (hash === undefined) tell({ id, hash: await hashHere.hash(password) })
    else tell({ id, matches: await hashHere.verify(hash, password, fallback ?? hash) })
  } catch (error) {
    tell({ id, error: (error as Error).message })
  }
}

function tell(message: HashAnswer): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
}

/** On Linux each thread has a priority of its own, and those of the pool may be there already. */
function stepBack(): void {
  try {
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), LOWEST_PRIORITY)
  } catch {
    setPriority(LOWEST_PRIORITY)
  }
}

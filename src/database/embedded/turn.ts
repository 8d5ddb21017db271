import { statSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const PATIENCE_MS = 60_000

/**
 * Runs the work while no other process of this machine does the same for that directory.
 *
 * The turn is a name in Linux's abstract socket space: the kernel takes it back when its holder dies, however it dies, so there
 * is no lock file to outlive anybody. It only spares races their detours: PostgreSQL's own lock files are what guards the data.
 * Therefore work goes ahead (`alone` false) when the name can't be had.
 */
export async function inTurn<T>(
  directory: string,
  work: (alone: boolean) => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const { dev, ino } = statSync(directory)
  const name = `\0grantry-${createHash('sha256').update(`${dev}:${ino}`).digest('hex')}`
  const turn = await takeTurn(name, Date.now() + patienceMs)
  try {
    return await work(turn !== undefined)
  } finally {
    turn?.close()
  }
}

async function takeTurn(name: string, deadline: number): Promise<Server | undefined> {
  for (;;) {
    const outcome = await tryListen(name)
    if (outcome !== 'busy') return outcome
    if (Date.now() > deadline) return undefined
    await delay(15)
  }
}

function tryListen(name: string): Promise<Server | 'busy' | undefined> {
  return new Promise((resolve) => {
    const server = createServer((connection) => void connection.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE' ? 'busy' : undefined))
    // A worker of node:cluster would otherwise share the name with its siblings, and all would have their turn at once.
    server.listen({ path: name, exclusive: true }, () => resolve(server))
    server.unref()
  })
}

import { availableParallelism } from 'node:os'
import type { Watched } from './side.ts'

const NEARLY_ALL = 0.9
const MUCH = 0.2
const LONG_WAIT_MS = 1

/** What is used up while all clients ask at once: the first of these that is. */
export function bottleneckOf({ serverCpu, postgresCpu, ownCpu, others, seconds, loop, poolWait }: Watched): string {
  const cores = availableParallelism()
  const [server, postgres, load] = [serverCpu, postgresCpu, ownCpu].map((cpu) => cpu / seconds / 1e6 / cores)
  const shares = { server: server!, PostgreSQL: postgres!, load: load!, 'other programs': others }
  const parts = Object.entries(shares).map(([name, share]) => `${name} ${percent(share)}`)
  const used = Object.values(shares).reduce((sum, share) => sum + share, 0)
  const cpu = `CPU of ${cores} cores: ${parts.join(', ')}`
  if (others > MUCH) return `other programs on this machine (${cpu})`
  if (loop.busy >= NEARLY_ALL) return `the server's event loop, busy ${percent(loop.busy)} of the time (${cpu})`
  if (used >= NEARLY_ALL) return cpu
  if (poolWait.p50 >= LONG_WAIT_MS)
    return `connections to PostgreSQL, waited for ${poolWait.p50.toFixed(1)} ms (${cpu})`
  return `waiting, for PostgreSQL's disk or for the clients (${cpu})`
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`
}

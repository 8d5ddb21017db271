import { availableParallelism } from 'node:os'
import type { Watched } from './side.ts'

const NEARLY_ALL = 0.9
const LONG_WAIT_MS = 1

/** What is used up while all clients ask at once: the first of these that is. */
export function bottleneckOf({ serverCpu, postgresCpu, ownCpu, seconds, loop, poolWait }: Watched): string {
  const cores = availableParallelism()
  const share = (cpu: number) => cpu / seconds / 1e6 / cores
  const [server, postgres, generator] = [share(serverCpu), share(postgresCpu), share(ownCpu)]
  const parts = `server ${percent(server)}, PostgreSQL ${percent(postgres)}, load ${percent(generator)}`
  if (loop.busy >= NEARLY_ALL) return `event loop of the server, busy ${percent(loop.busy)} of the time (CPU: ${parts})`
  if (server + postgres + generator >= NEARLY_ALL) return `CPU of ${cores} cores: ${parts}`
  if (poolWait.p50 >= LONG_WAIT_MS) return `connections to PostgreSQL, waited for ${poolWait.p50.toFixed(1)} ms`
  return `waiting: for PostgreSQL's disk, or for the clients (CPU: ${parts})`
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`
}

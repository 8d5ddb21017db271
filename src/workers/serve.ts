/**
 * `workers` owns the processes of a server: one that serves, or one that supervises several which do. It starts them, tells
 * the world when they are ready, replaces those that die and ends them in order. It knows nothing of what they serve.
 *
 *   WEB_CONCURRENCY=1      main ── the server                                                   alone.ts
 *   WEB_CONCURRENCY=n      main ── supervisor (takes connections, reads none) ─┬─ worker 1      supervise.ts, crew.ts
 *                                                                              └─ worker n      worker.ts
 *
 * The supervisor hands connections out in turn. Workers end when their channel to it breaks, so none outlives it.
 */
import { loadConfig } from '../config/load.ts'
import { createLogger } from '../telemetry/logger.ts'

/**
 * Serves until a signal ends it.
 * @throws what stands in the way of a start; `explain` makes one clear line of it
 */
export async function serve(env: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(env)
  const log = createLogger(config.log)
  // Each loads only what it needs: who supervises has no use for the server.
  if (config.workers === 1) return (await import('./alone.ts')).serveAlone(config, log)
  return (await import('./supervise.ts')).supervise(config, log, env)
}

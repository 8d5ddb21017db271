import cluster from 'node:cluster'
import { extname, join } from 'node:path'
import type { Config } from '../config/load.ts'
import { readyLines } from '../development/ready-lines.ts'
import type { Development } from '../development/development.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createCrew, type Crew } from './crew.ts'
import { tellCrewMetrics } from './crew-metrics.ts'
import { startDemo } from './start-demo.ts'
import { stopSignals } from './stop-signals.ts'

/** Workers end by themselves at their deadline; who does not is stuck. */
const STUCK_AFTER_MS = 2_000

/**
 * Starts the workers and keeps them, until a signal ends them all. SIGUSR2 renews them one by one.
 * @throws what stands in the way of a start, in the worker's words
 */
export async function supervise(config: Config, log: Logger, env: NodeJS.ProcessEnv): Promise<void> {
  const exec = join(import.meta.dirname, `worker${extname(import.meta.filename)}`)
  const crew = createCrew({
    size: config.workers,
    log,
    fork(isFirst) {
      cluster.setupPrimary({ exec, args: isFirst ? ['first'] : [] })
      return cluster.fork(env)
    },
  })
  const signals = stopSignals(() => crew.kill())
  const renew = renewal(crew, log)
  process.on('SIGUSR2', renew)
  let development: Development | undefined
  let metrics: Awaited<ReturnType<typeof tellCrewMetrics>>
  try {
    metrics = await tellCrewMetrics(config, log)
    // A signal may come before they serve.
    const started = crew.start()
    const early = await Promise.race([started, signals.first])
    if (early) return
    development = await keepDemo(config, log)
    if (signals.isAsked()) return
    process.stdout.write(readyLines(config.issuer, development?.firstRun))
    await signals.first
  } finally {
    process.off('SIGUSR2', renew)
    const stuck = setTimeout(() => crew.kill(), config.shutdown.deadlineMs + STUCK_AFTER_MS)
    await Promise.all([development?.close(), crew.stop()])
    clearTimeout(stuck)
    await metrics?.stop()
    signals.forget()
  }
}

/** One after the other, however often it is asked for. */
function renewal(crew: Crew, log: Logger): () => void {
  let running: Promise<void> | undefined
  return () => {
    running ??= crew
      .renew()
      .then(
        () => log.info('all workers are renewed'),
        (error: Error) =>
          log.error({ reason: error.message }, 'the workers are not renewed: a new one could not start'),
      )
      .finally(() => (running = undefined))
  }
}

/** The demo is made and kept here, so that it outlives any worker. */
async function keepDemo(config: Config, log: Logger): Promise<Development | undefined> {
  if (!config.demo) return undefined
  const [{ connectDatabase }, { loadMasterKeys }] = await Promise.all([
    import('../database/connect.ts'),
    import('../config/master-keys.ts'),
  ])
  const { url, dataDirectory } = config.database
  const db = await connectDatabase({ url, dataDirectory, poolMax: 2, log })
  try {
    return await startDemo({ config, db }, await loadMasterKeys(config), log)
  } finally {
    await db.close()
  }
}

import cluster from 'node:cluster'
import { loadConfig } from '../config/load.ts'
import { explain } from '../lib/explain.ts'
import { createLogger } from '../telemetry/logger.ts'
import { answerForWorker } from '../telemetry/worker-metrics.ts'
import { warnOfConnections } from './connections.ts'
import { ours, type FromWorker, type ToWorker } from './messages.ts'
import { startServer } from './start-server.ts'
import { stopServer } from './stop-server.ts'

const STUCK_AFTER_MS = 1_000

/** Resolves when it is written; with the supervisor gone there is nobody to tell, and the end is on its way. */
function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve())
    else resolve()
  })
}

interface Orders {
  opened: Promise<void>
  /** How it is to end. */
  ended: Promise<'stop' | 'retire' | 'orphaned'>
}

function takeOrders(): Orders {
  const opened = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<'stop' | 'retire' | 'orphaned'>()
  process.on('message', (message) => {
    const order = ours<ToWorker>(message)?.grantry
    if (order === 'open') opened.resolve()
    else if (order) ended.resolve(order)
  })
  // However the supervisor ends, kill -9 included. Left alone, node:cluster would end this process in the middle of its answers.
  cluster.worker?.on('disconnect', () => {
    if (cluster.worker) cluster.worker.exitedAfterDisconnect = true
    ended.resolve('orphaned')
  })
  // A signal to the whole group reaches the supervisor, too, which then gives the word.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => void tell({ grantry: 'asked' }))
  return { opened: opened.promise, ended: ended.promise }
}

export interface WorkerOptions {
  env: NodeJS.ProcessEnv
  /** Whether it is one of those that the instance starts with: these open together. */
  isFirst: boolean
  /** Ends the process at once. */
  giveUp: () => void
}

/** Serves until the supervisor gives the word or is gone. A start that fails is told to the supervisor. @returns the exit status */
export async function liveAsWorker(options: WorkerOptions): Promise<number> {
  try {
    await work(options)
    return 0
  } catch (error) {
    await tell({ grantry: 'failed', line: explain(error) })
    return 1
  }
}

async function work({ env, isFirst, giveUp }: WorkerOptions): Promise<void> {
  const { opened, ended } = takeOrders()
  const config = loadConfig(env)
  const log = createLogger(config.log).child({ pid: process.pid })
  const { deadlineMs } = config.shutdown
  // A start that hangs must not keep an instance that is to end.
  void ended.then(() => setTimeout(giveUp, deadlineMs + STUCK_AFTER_MS).unref())
  const { server } = await startServer(config, log, { listensEarly: isFirst, isWorker: true })
  const metrics = config.metrics && answerForWorker(server.metrics.snapshot)
  void tell({ grantry: 'ready' })
  if (isFirst) await Promise.race([opened, ended])
  await server.listen()
  void tell({ grantry: 'opened' })
  if (isFirst && cluster.worker?.id === 1) await warnOfConnections(server, log)
  const how = await ended
  // Only the end of the instance is news to balancers.
  await stopServer(server, how === 'stop' ? config.shutdown : { delayMs: 0, deadlineMs }, { quietly: how === 'retire' })
  if (process.connected) await metrics?.stop()
}

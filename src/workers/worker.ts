/** A worker process: configuration → server → the supervisor's word. Started by supervise.ts alone. */
import cluster from 'node:cluster'
import { loadConfig } from '../config/load.ts'
import { explain } from '../lib/explain.ts'
import { createLogger } from '../telemetry/logger.ts'
import { warnOfConnections } from './connections.ts'
import { ours, type FromWorker, type ToWorker } from './messages.ts'
import { startServer } from './start-server.ts'
import { stopServer } from './stop-server.ts'

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

/** @param isFirst whether it is one of those that the instance starts with: these open together */
async function work(isFirst: boolean): Promise<void> {
  const { opened, ended } = takeOrders()
  const config = loadConfig(process.env)
  const log = createLogger(config.log).child({ pid: process.pid })
  const { deadlineMs } = config.shutdown
  // A start that hangs must not keep an instance that is to end.
  void ended.then(() => setTimeout(() => process.exit(1), deadlineMs + 1000).unref())
  const { server } = await startServer(config, log, { listensEarly: isFirst })
  void tell({ grantry: 'ready' })
  if (isFirst) await Promise.race([opened, ended])
  await server.listen()
  void tell({ grantry: 'opened' })
  if (isFirst && cluster.worker?.id === 1) await warnOfConnections(server, log)
  const how = await ended
  // Only the end of the instance is news to balancers.
  await stopServer(server, how === 'stop' ? config.shutdown : { delayMs: 0, deadlineMs }, { quietly: how === 'retire' })
}

work(process.argv[2] === 'first').then(
  () => process.exit(0),
  async (error: unknown) => {
    await tell({ grantry: 'failed', line: explain(error) })
    process.exit(1)
  },
)

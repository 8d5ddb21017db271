import type { Worker } from 'node:cluster'
import { ours, type FromWorker, type ToWorker } from './messages.ts'

/** A worker can't start; the message is its one clear line. */
export class WorkerStartError extends Error {
  override name = 'WorkerStartError'
}

/** How long what a dead worker has said may take to be read. */
const LAST_WORDS_MS = 50

/** Says it, if there still is somebody. */
export function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => undefined)
}

/** Asks the worker to end; resolves when it has. */
export async function leave(worker: Worker, how: 'stop' | 'retire'): Promise<void> {
  if (worker.isDead()) return
  const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  send(worker, { grantry: how })
  await gone
}

/** Resolves when the worker says so. @throws WorkerStartError when it fails or ends before */
export function heard(worker: Worker, word: 'ready' | 'opened'): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: Error): void => {
      worker.off('message', onMessage)
      worker.off('exit', onExit)
      if (error) reject(error)
      else resolve()
    }
    const onMessage = (message: unknown): void => {
      const said = ours<FromWorker>(message)
      if (said?.grantry === word) finish()
      if (said?.grantry === 'failed') finish(new WorkerStartError(said.line))
    }
    // What it said last may still be on its way.
    const onExit = (code: number | null, signal: string | null): void =>
      void setTimeout(
        () => finish(new WorkerStartError(`a worker ended (${signal ?? code}) before it served; see the log above`)),
        LAST_WORDS_MS,
      )
    worker.on('message', onMessage)
    worker.on('exit', onExit)
    if (worker.isDead()) onExit(worker.process.exitCode, worker.process.signalCode)
  })
}

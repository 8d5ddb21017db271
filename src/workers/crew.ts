import type { Worker } from 'node:cluster'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../telemetry/logger.ts'
import { cutWhatNobodyTook } from './hand-over.ts'
import { heard, leave, send } from './conversation.ts'
import { ours, type FromWorker } from './messages.ts'

export interface CrewOptions {
  size: number
  /** @param isFirst whether the instance starts with it, or it takes another's place */
  fork: (isFirst: boolean) => Worker
  log: Logger
}

export interface Crew {
  /** Starts all of them; resolves when all serve. @throws WorkerStartError when one can't */
  start(): Promise<void>
  /** Puts a new worker in the place of each, one by one; the old one leaves when the new one serves. */
  renew(): Promise<void>
  /** Ends all of them in order. */
  stop(): Promise<void>
  /** Ends all of them at once. */
  kill(): void
}

/** Who has lived for as long did not die of its start. */
const GROWN_UP_MS = 10_000
const SHORTEST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000
/** A signal to one worker may be one to all: the supervisor's own comes in this time. */
const SIGNAL_PATIENCE_MS = 100

interface Place {
  number: number
  worker: Worker
  startedAt: number
  /** How many in a row died young. */
  youngDeaths: number
  isLeaving: boolean
}

/** The workers of one instance: as many as wanted, always. */
export function createCrew({ size, fork, log }: CrewOptions): Crew {
  const places = new Map<number, Place>()
  const all = new Set<Worker>()
  const stopping = new AbortController()
  let isStarted = false

  function launch(isFirst: boolean): Worker {
    const worker = fork(isFirst)
    all.add(worker)
    cutWhatNobodyTook(worker)
    worker.once('exit', () => all.delete(worker))
    // A channel that breaks while it is written to: `exit` tells the rest.
    worker.on('error', () => undefined)
    return worker
  }

  function occupy(number: number, worker: Worker, youngDeaths = 0): void {
    const place: Place = { number, worker, startedAt: performance.now(), youngDeaths, isLeaving: false }
    places.set(number, place)
    worker.once('exit', (code, signal) => {
      if (stopping.signal.aborted || place.isLeaving || !isStarted) return
      log.error({ worker: number, pid: worker.process.pid, status: code, signal }, 'a worker died and is replaced')
      void refill(place)
    })
    worker.on('message', (message) => {
      if (ours<FromWorker>(message)?.grantry === 'asked') void relieve(place)
    })
  }

  /** At once, unless one after the other dies young: then something is wrong that pauses may outlast. */
  async function refill(place: Place): Promise<void> {
    const isYoung = performance.now() - place.startedAt < GROWN_UP_MS
    const youngDeaths = isYoung ? place.youngDeaths + 1 : 0
    if (youngDeaths > 1) await pause(Math.min(SHORTEST_PAUSE_MS * 2 ** (youngDeaths - 2), LONGEST_PAUSE_MS))
    if (stopping.signal.aborted) return
    const worker = launch(false)
    occupy(place.number, worker, youngDeaths)
    try {
      await heard(worker, 'opened')
      log.info({ worker: place.number, pid: worker.process.pid }, 'a worker serves in the place of another')
    } catch (error) {
      // Its exit brings the next one.
      if (!stopping.signal.aborted) log.error({ worker: place.number, reason: (error as Error).message }, 'a worker could not start') // prettier-ignore
    }
  }

  async function pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: stopping.signal }).catch(() => undefined)
  }

  async function relieve(place: Place): Promise<void> {
    await pause(SIGNAL_PATIENCE_MS)
    if (stopping.signal.aborted || place.isLeaving || places.get(place.number) !== place) return
    await replace(place).catch((error: unknown) => {
      log.error({ worker: place.number, reason: (error as Error).message }, 'a worker could not be replaced and stays')
    })
  }

  /** The new one serves before the old one leaves. @throws WorkerStartError when the new one can't; then the old one stays */
  async function replace(place: Place): Promise<void> {
    place.isLeaving = true
    const successor = launch(false)
    try {
      await heard(successor, 'opened')
    } catch (error) {
      place.isLeaving = false
      if (place.worker.isDead() && !stopping.signal.aborted) void refill(place)
      throw error
    }
    occupy(place.number, successor)
    const pids = { pid: successor.process.pid, before: place.worker.process.pid }
    log.info({ worker: place.number, ...pids }, 'a worker serves in the place of another')
    await leave(place.worker, 'retire')
  }

  return {
    async start() {
      for (let number = 1; number <= size; number += 1) occupy(number, launch(true))
      const workers = [...all]
      await Promise.all(workers.map((worker) => heard(worker, 'ready')))
      const opened = Promise.all(workers.map((worker) => heard(worker, 'opened')))
      for (const worker of workers) send(worker, { grantry: 'open' })
      await opened
      isStarted = true
      for (const { number, worker } of places.values()) {
        log.info({ worker: number, pid: worker.process.pid }, 'a worker serves')
        // Who died between its word and now has no successor yet.
        if (worker.isDead()) void refill(places.get(number)!)
      }
    },

    async renew() {
      for (const place of places.values()) {
        if (stopping.signal.aborted) return
        if (!place.isLeaving) await replace(place)
      }
    },

    async stop() {
      stopping.abort()
      await Promise.all([...all].map((worker) => leave(worker, 'stop')))
    },

    kill() {
      stopping.abort()
      for (const worker of all) worker.process.kill('SIGKILL')
    },
  }
}

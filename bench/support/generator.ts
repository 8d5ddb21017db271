/**
 * The process that makes load: it has one workload, keeps its state from job to job, and does the jobs that its parent sends,
 * one at a time. See load.ts for the other side.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { HttpConnection } from './http-connection.ts'
import { closedLoop, openLoop } from './schedule.ts'
import { latencyOf } from './statistics.ts'
import type { FromGenerator, Job, JobReport, ToGenerator } from './load.ts'
import type { Phase, Workload } from './workload.ts'

let workload: Workload | undefined
let port = 0

process.on('message', (message: ToGenerator) => {
  answer(message).then(tell, (error: unknown) => tell({ failed: String((error as Error).stack ?? error) }))
})
process.on('disconnect', () => process.exit())

function tell(message: FromGenerator): void {
  process.send!(message)
}

async function answer(message: ToGenerator): Promise<FromGenerator> {
  if ('job' in message) return { report: await work(message.job) }
  const { create } = (await import(message.workload)) as { create: (settings: unknown) => Workload }
  workload = create(message.settings)
  port = message.port
  return { opened: true }
}

async function work(job: Job): Promise<JobReport> {
  if (job.make !== undefined) await workload?.make?.(job.make)
  const phase = workload?.[job.phase ?? 'run']
  if (!phase) throw new Error(`the workload has no phase ${job.phase}`)
  const connections = Array.from({ length: job.clients }, () => new HttpConnection(port))
  await Promise.all(connections.map((connection) => connection.open()))
  const run = new Run(phase, connections)
  const began = performance.now()
  const cpu = process.cpuUsage()
  if (job.perSecond === undefined) {
    const end = began + (job.seconds ?? Number.POSITIVE_INFINITY) * 1000
    const most = job.operations ?? Number.POSITIVE_INFINITY
    const isOver = () => run.begun >= most || performance.now() >= end
    await closedLoop(job.clients, (client) => run.one(client, performance.now()), isOver)
  } else {
    const arrivals = { perSecond: job.perSecond, seconds: job.seconds ?? 1 }
    const clock = { now: () => performance.now(), sleep: (ms: number) => delay(ms) }
    await openLoop(arrivals, job.clients, (client, due) => run.one(client, due), clock)
  }
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  for (const connection of connections) connection.close()
  return { ...run.report(), seconds, ownCpu: user + system }
}

/** What happened so far in one job. */
class Run {
  readonly #phase: Phase
  readonly #connections: HttpConnection[]
  readonly #latencies: number[] = []
  #errors = 0
  #firstError: string | undefined
  begun = 0

  constructor(phase: Phase, connections: HttpConnection[]) {
    this.#phase = phase
    this.#connections = connections
  }

  /** @returns false when this client has nothing left to ask */
  async one(client: number, due: number): Promise<boolean> {
    let call = this.#phase.next(client)
    if (!call) return false
    this.begun += 1
    try {
      while (call) call = this.#phase.take(client, await this.#connections[client]!.send(call))
      this.#latencies.push(performance.now() - due)
    } catch (error) {
      this.#errors += 1
      this.#firstError ??= (error as Error).message
      // A server that is not there would be asked as fast as the loop turns.
      await delay(5)
    }
    return true
  }

  report(): Omit<JobReport, 'seconds' | 'ownCpu'> {
    return {
      operations: this.#latencies.length,
      errors: this.#errors,
      firstError: this.#firstError,
      latency: latencyOf(this.#latencies),
    }
  }
}

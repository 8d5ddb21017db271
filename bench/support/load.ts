/** Load from a process of its own, so that what it costs is not counted as the server's. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Latency } from './statistics.ts'

/** One stretch of load: for so long or so many operations as fast as answers come, or at a fixed rate. */
export interface Job {
  phase?: 'run' | 'prepare'
  /** Virtual clients, each with a connection. At a fixed rate: the most requests that are under way at once. */
  clients: number
  seconds?: number
  operations?: number
  /** Arrivals; left out, each client asks as soon as it has its answer. */
  perSecond?: number
  /** Makes what so many operations need before the clock starts. */
  make?: number
}

export interface JobReport {
  /** Answered as they should be. */
  operations: number
  errors: number
  firstError: string | undefined
  seconds: number
  latency: Latency
  /** Of the generator, µs. */
  ownCpu: number
}

export type ToGenerator = { workload: string; settings: unknown; port: number } | { job: Job }
export type FromGenerator = { opened: true } | { report: JobReport } | { failed: string }

export interface Load {
  /**
   * Does a job.
   * @throws when the generator fails, or when any answer was wrong: figures of a run with errors say nothing
   */
  run(job: Job & { mayFail?: boolean }): Promise<JobReport>
  close(): Promise<void>
}

/** @param workload the name of a file of workloads/ */
export async function startLoad(workload: string, settings: unknown, port: number): Promise<Load> {
  const child = fork(join(import.meta.dirname, 'generator.ts'), { serialization: 'advanced' })
  const exited = once(child, 'exit')
  const ask = async (message: ToGenerator): Promise<FromGenerator> => {
    const reply = new Promise<FromGenerator>((resolve, reject) => {
      const lost = () => reject(new Error('the load generator ended'))
      child.once('exit', lost)
      const hear = (heard: FromGenerator) => {
        child.off('exit', lost)
        if ('failed' in heard) reject(new Error(heard.failed))
        else resolve(heard)
      }
      child.once('message', hear)
    })
    child.send(message)
    return reply
  }
  await ask({ workload: join(import.meta.dirname, '..', 'workloads', `${workload}.ts`), settings, port })
  return {
    async run({ mayFail = false, ...job }) {
      const reply = await ask({ job })
      if (!('report' in reply)) throw new Error('the load generator did not report')
      const { errors, firstError } = reply.report
      if (errors > 0 && !mayFail) throw new Error(`${errors} wrong answers to ${workload}; the first: ${firstError}`)
      return reply.report
    },
    async close() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}

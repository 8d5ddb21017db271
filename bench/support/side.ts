/** One server under one kind of load, with the CPU that both sides of it needed. */
import { availableParallelism } from 'node:os'
import type { Asked, Bench, Result } from '../scenario.ts'
import { machineCpu } from './cpu.ts'
import type { Grantry } from './grantry.ts'
import type { BareLibrary } from './library.ts'
import { startLoad, type JobReport, type Load } from './load.ts'

export type Server = Grantry | BareLibrary

export interface Aim {
  workload: string
  /** Settings of the workload for this server. */
  settings(server: Server): object | Promise<object>
  /** Before the first stretch, once. */
  begin?: (load: Load) => Promise<unknown>
  /** Before each stretch, of at most so many operations. */
  prepare?: (load: Load, operations: number) => Promise<unknown>
}

/** Of one server in one stretch. */
export interface Stretch extends JobReport {
  serverCpu: number
  postgresCpu: number
  /** Of the time of all cores, which part went to programs that have nothing to do with this. */
  others: number
}

/** Operations in a second, before any are measured: decides how much is prepared. */
const FIRST_GUESS = 300
const WARM_STRETCHES = 12

export interface Ask {
  clients: number
  seconds: number
  perSecond?: number
}

export type Watched = Stretch & { asked: Asked } & Required<Pick<Result, 'loop' | 'poolWait'>>

/** A server with its own load generator. */
export async function openSide(bench: Bench, aim: Aim, server: Server) {
  const { workload, prepare, begin } = aim
  const load = await startLoad(workload, await aim.settings(server), server.port)
  bench.after(() => load.close())
  await begin?.(load)
  let perSecond = FIRST_GUESS

  async function ready(ask: Ask): Promise<void> {
    await prepare?.(load, Math.ceil((ask.perSecond ?? perSecond * 1.3) * ask.seconds))
  }

  async function run(ask: Ask): Promise<Stretch> {
    const before = readCpu(server)
    const report = await load.run(ask)
    const after = readCpu(server)
    if (ask.clients > 1 && ask.perSecond === undefined) perSecond = report.operations / report.seconds
    const [serverCpu, postgresCpu] = [after.server - before.server, after.postgres - before.postgres]
    const foreign = after.machine - before.machine - serverCpu - postgresCpu - report.ownCpu
    return {
      ...report,
      serverCpu,
      postgresCpu,
      others: Math.min(1, Math.max(0, foreign / (report.seconds * 1e6 * availableParallelism()))),
    }
  }

  async function stretch(ask: Ask): Promise<Stretch> {
    await ready(ask)
    return run(ask)
  }

  return {
    load,
    stretch,
    /**
     * Until the code is compiled for what it does here; on a machine that is too busy for that, for a while.
     * @returns operations in a second at the end
     */
    async warmUp(ask: Ask): Promise<number> {
      let operations = 0
      for (let n = 0; n < WARM_STRETCHES && operations < bench.options.warmOperations; n += 1) {
        operations += (await stretch(ask)).operations
      }
      return perSecond
    },
    /** The same with a look inside, which costs a little. */
    async watched(ask: Ask): Promise<Watched> {
      await ready(ask)
      const before = await server.observe()
      const result = await run(ask)
      const { loop, poolWait, ...counts } = await server.read()
      const each = (name: keyof Asked) => (counts[name] - before[name]) / result.operations
      return { ...result, asked: { statements: each('statements'), roundTrips: each('roundTrips') }, loop, poolWait }
    },
    /** A stretch under a profiler, if profiles are wanted; it slows the server, so figures are taken without. */
    async profile(ask: Ask, name: string): Promise<void> {
      const { profiles } = bench.options
      if (profiles === undefined) return
      await ready(ask)
      const end = await server.profile(profiles, name)
      await run(ask)
      await end()
    },
  }
}

function readCpu(server: Server): { server: number; postgres: number; machine: number } {
  return {
    server: server.cpu(),
    postgres: 'postgresCpu' in server ? server.postgresCpu() : 0,
    machine: machineCpu(),
  }
}

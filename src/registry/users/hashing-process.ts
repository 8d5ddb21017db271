/**
 * The slow hashes of passwords in a process of their own, that comes last for the processors. In the server's own thread pool
 * they would stand before the signatures, and a storm of sign-ins would slow down every token.
 *
 * It starts with the first password and ends with this process. What crosses goes through the channel alone: arguments and
 * environment of a process can be read by others. When it dies, what was under way is tried once more in the next.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { getCompileCacheDir } from 'node:module'
import { dirname, extname, join } from 'node:path'
import type { Logger } from '../../telemetry/logger.ts'
import { HasherBusyError } from './hasher-busy.ts'
import type { HashEngine } from './hashing.ts'

export type HashRequest = { id: number } & Work
export type HashAnswer = { id: number; hash?: string; matches?: boolean; error?: string }

type Work = { password: string; hash?: string; fallback?: string }

export interface HashingProcess extends HashEngine {
  /** Of the process that runs now. */
  pid(): number | undefined
  /** Ends it; what is under way fails with HasherBusyError. */
  stop(): Promise<void>
}

export interface HashingProcessOptions {
  /** Hashes that may run at once. */
  threads: number
  log: Pick<Logger, 'error'>
  /** In Linux's class for that, not at the lowest priority of the ordinary one: see idle-first.ts. */
  isIdle?: boolean
  /** The program, for tests. */
  program?: string
}

interface Job {
  work: Work
  isSecondTry: boolean
  settle: PromiseWithResolvers<HashAnswer>
}

interface Runner {
  child: ChildProcess
  jobs: Map<number, Job>
  hasAnswered: boolean
  exited: Promise<void>
}

const PROGRAM = join(import.meta.dirname, `hashing-child${extname(import.meta.filename)}`)
/** After one that died without a single answer; each such death in a row doubles it. */
const PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/** @throws HasherBusyError, from both verbs, when the process can't be had: "try again in a moment" */
export function createHashingProcess({
  threads,
  log,
  isIdle = false,
  program = PROGRAM,
}: HashingProcessOptions): HashingProcess {
  let runner: Runner | undefined
  let lastId = 0
  let failures = 0
  let restsUntil = -Infinity
  let isStopped = false

  function start(): Runner {
    const child = fork(program, [], {
      // The class is handed down from chrt (of util-linux, or busybox), which becomes what it starts. It is looked for where
      // execvp(3) looks without a PATH: /bin and /usr/bin.
      ...(isIdle ? { execPath: 'chrt', execArgv: ['-i', '0', process.execPath] } : { execArgv: [] }),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: environment(threads),
    })
    const jobs = new Map<number, Job>()
    const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const made: Runner = { child, jobs, hasAnswered: false, exited }
    child.on('message', (answer: HashAnswer) => {
      made.hasAnswered = true
      failures = 0
      jobs.get(answer.id)?.settle.resolve(answer)
      jobs.delete(answer.id)
    })
    const onEnd = (detail: object) => {
      if (runner !== made) return
      runner = undefined
      bury(made, detail)
    }
    child.once('error', (error) => onEnd({ reason: error.message }))
    child.once('exit', (status, signal) => onEnd({ status, signal }))
    return made
  }

  function bury({ jobs, hasAnswered }: Runner, detail: object): void {
    if (!isStopped) log.error({ ...detail, under_way: jobs.size }, 'the process that checks passwords died')
    if (!hasAnswered) {
      restsUntil = performance.now() + Math.min(PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS)
      failures += 1
    }
    for (const job of jobs.values()) {
      // A password that kills the process must not do so for ever.
      if (job.isSecondTry) job.settle.reject(unavailable())
      else hand({ ...job, isSecondTry: true })
    }
  }

  function hand(job: Job): void {
    if (isStopped || (!runner && performance.now() < restsUntil && !job.isSecondTry))
      return job.settle.reject(unavailable())
    runner ??= start()
    const id = (lastId += 1)
    runner.jobs.set(id, job)
    // Whether it arrived is told by the answer, or by the end of the process.
    runner.child.send({ id, ...job.work } satisfies HashRequest, () => undefined)
  }

  async function ask(work: Work): Promise<HashAnswer> {
    const settle = Promise.withResolvers<HashAnswer>()
    hand({ work, isSecondTry: false, settle })
    const answer = await settle.promise
    if (answer.error !== undefined) throw new Error(`a password could not be hashed: ${answer.error}`)
    return answer
  }

  return {
    hash: async (password) => (await ask({ password })).hash ?? '',
    verify: async (hash, password, fallback) => (await ask({ password, hash, fallback })).matches ?? false,
    pid: () => runner?.child.pid,
    async stop() {
      isStopped = true
      const last = runner
      last?.child.kill('SIGKILL')
      await last?.exited
    },
  }
}

function unavailable(): HasherBusyError {
  return new HasherBusyError('the process that checks passwords is not there at the moment')
}

/** Nothing of ours: the secrets of the server are no business of a process that meets what strangers type. */
function environment(threads: number): Record<string, string> {
  const cache = getCompileCacheDir()
  return {
    UV_THREADPOOL_SIZE: String(threads),
    ...(cache !== undefined && { NODE_COMPILE_CACHE: dirname(cache) }),
  }
}

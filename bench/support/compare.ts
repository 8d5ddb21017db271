/**
 * One operation, measured against the same operation of the bare library and against bare signatures. All take turns, round by
 * round: what else the machine does slows all of them alike, and ratios are made within a round before the median is taken.
 */
import type { Asked, Bench, Result, SignatureAlgorithm } from '../scenario.ts'
import { bottleneckOf } from './bottleneck.ts'
import type { Grantry } from './grantry.ts'
import type { BareLibrary } from './library.ts'
import { startLoad, type JobReport, type Load } from './load.ts'
import { createSigner } from './signature.ts'
import { median } from './statistics.ts'

export interface Subject {
  operation: string
  workload: string
  /** Settings of the workload for one of the two servers. */
  settings(server: Grantry | BareLibrary): object | Promise<object>
  /** Readies the load for a stretch of at most so many operations. */
  prepare?: (load: Load, operations: number) => Promise<unknown>
  /** Before the first stretch, once. */
  begin?: (load: Load) => Promise<unknown>
  /** Whose cost is told beside; RS256 always is. */
  signatures?: readonly SignatureAlgorithm[]
  /** Whether the bare library can do it too. */
  inLibrary?: boolean
  /** Most requests under way at the fixed rate; where clients have chains, no more than there are clients. */
  openClients?: number
}

/** Of one server in one stretch. */
export interface Stretch extends JobReport {
  serverCpu: number
  postgresCpu: number
}

const SIGN_MS = 150
const WARM_OPERATIONS = 3000
const WARM_STRETCHES = 6
/** At which part of the highest rate latency is told. */
const LATENCY_LOAD = 0.5
/** Operations in a second, before any are measured: decides how much is prepared. */
const FIRST_GUESS = 300

export async function compare(bench: Bench, subject: Subject): Promise<Result> {
  const grantry = await bench.startGrantry()
  const library = subject.inLibrary === false ? undefined : await bench.startLibrary(grantry.seed)
  const ours = await openSide(bench, subject, grantry)
  const theirs = library && (await openSide(bench, subject, library))
  const signers = [...new Set<SignatureAlgorithm>(['RS256', ...(subject.signatures ?? [])])].map(
    (algorithm) => [algorithm, createSigner(algorithm)] as const,
  )
  const closed = { clients: bench.options.clients, seconds: bench.options.seconds }

  bench.say('warming up')
  for (const side of [theirs, ours]) if (side) await warmUp(() => side.stretch(closed))

  const endProfiles = [
    await ours.profile(`${subject.workload}-grantry`),
    await theirs?.profile(`${subject.workload}-library`),
  ]
  const rounds: Round[] = []
  for (let round = 0; round < bench.options.rounds; round += 1) {
    bench.say(`round ${round + 1} of ${bench.options.rounds}`)
    const signatures = Object.fromEntries(signers.map(([algorithm, sign]) => [algorithm, sign(SIGN_MS)]))
    rounds.push({ signatures, library: await theirs?.stretch(closed), grantry: await ours.stretch(closed) })
  }
  for (const end of endProfiles) await end?.()

  const figures = summarize(rounds)
  bench.say('one client, then a fixed rate')
  const full = await ours.watched(closed)
  const alone = await ours.watched({ clients: 1, seconds: closed.seconds / 2 })
  const open = { perSecond: Math.round(figures.perSecond * LATENCY_LOAD), seconds: closed.seconds * 2 }
  const { latency, loop, poolWait } = await ours.watched({
    ...open,
    clients: subject.openClients ?? closed.clients * 4,
  })
  return {
    operation: subject.operation,
    ...figures,
    asked: full.asked,
    askedAlone: alone.asked,
    latency: { ...latency, perSecond: open.perSecond },
    loop,
    poolWait,
    memory: Math.round(grantry.memory()),
    bottleneck: bottleneckOf(full),
  }
}

/** Until the code is compiled for what it does here. On a machine that is too busy for that, for a while. */
async function warmUp(stretch: () => Promise<Stretch>): Promise<void> {
  let operations = 0
  for (let n = 0; n < WARM_STRETCHES && operations < WARM_OPERATIONS; n += 1) operations += (await stretch()).operations
}

interface Round {
  signatures: Record<string, number>
  library: Stretch | undefined
  grantry: Stretch
}

type Figures = Pick<Result, 'libraryCpu' | 'ratio'> &
  Required<Pick<Result, 'cpu' | 'signatureCpu' | 'inSignatures' | 'perSecond'>>

function summarize(rounds: readonly Round[]): Figures {
  const of = (figure: (round: Round) => number) => median(rounds.map(figure))
  const serverCpu = ({ grantry }: Round) => grantry.serverCpu / grantry.operations
  const postgresCpu = ({ grantry }: Round) => grantry.postgresCpu / grantry.operations
  const libraryCpu = ({ library }: Round) => library!.serverCpu / library!.operations
  const names = Object.keys(rounds[0]?.signatures ?? {})
  return {
    cpu: { server: of(serverCpu), postgres: of(postgresCpu) },
    signatureCpu: Object.fromEntries(names.map((name) => [name, of(({ signatures }) => signatures[name]!)])),
    inSignatures: of((round) => (serverCpu(round) + postgresCpu(round)) / round.signatures.RS256!),
    perSecond: of(({ grantry }) => grantry.operations / grantry.seconds),
    ...(rounds[0]?.library && {
      libraryCpu: of(libraryCpu),
      ratio: of((round) => serverCpu(round) / libraryCpu(round)),
    }),
  }
}

interface Ask {
  clients: number
  seconds: number
  perSecond?: number
}

export type Watched = Stretch & { asked: Asked } & Required<Pick<Result, 'loop' | 'poolWait'>>

/** A server with its own load generator. */
async function openSide(bench: Bench, subject: Subject, server: Grantry | BareLibrary) {
  const { workload, prepare, begin } = subject
  const load = await startLoad(workload, await subject.settings(server), server.port)
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
    return { ...report, serverCpu: after.server - before.server, postgresCpu: after.postgres - before.postgres }
  }

  return {
    async stretch(ask: Ask): Promise<Stretch> {
      await ready(ask)
      return run(ask)
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
    async profile(name: string) {
      const { profiles } = bench.options
      return profiles === undefined ? undefined : server.profile(profiles, name)
    },
  }
}

function readCpu(server: Grantry | BareLibrary): { server: number; postgres: number } {
  return { server: server.cpu(), postgres: 'postgresCpu' in server ? server.postgresCpu() : 0 }
}

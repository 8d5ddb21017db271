/**
 * One operation, measured against the same operation of the bare library and against bare signatures. All take turns, round by
 * round: what else the machine does slows all of them alike, and ratios are made within a round before the median is taken.
 */
import type { Bench, Result, SignatureAlgorithm } from '../scenario.ts'
import { bottleneckOf } from './bottleneck.ts'
import { openSide, type Aim, type Stretch } from './side.ts'
import { createSigner } from './signature.ts'
import { median } from './statistics.ts'

export interface Subject extends Aim {
  operation: string
  /** Whose cost is told beside; RS256 always is. */
  signatures?: readonly SignatureAlgorithm[]
  /** Whether the bare library can do it too. */
  inLibrary?: boolean
  /** Another operation of the same server that takes its turns too. */
  against?: Aim
  environment?: Record<string, string>
  /** Costs are told with so many clients too, beside those with all. */
  fewer?: number
  /** Most requests under way at the fixed rate; where clients have chains, no more than there are clients. */
  openClients?: number
}

const SIGN_MS = 150
/** At which part of the highest rate latency is told. */
const LATENCY_LOAD = 0.5

export async function compare(bench: Bench, subject: Subject): Promise<Result> {
  const grantry = await bench.startGrantry({ environment: subject.environment ?? {} })
  const ours = await openSide(bench, subject, grantry)
  const theirs =
    subject.inLibrary === false ? undefined : await openSide(bench, subject, await bench.startLibrary(grantry.seed))
  const others = subject.against && (await openSide(bench, subject.against, grantry))
  const signers = [...new Set<SignatureAlgorithm>(['RS256', ...(subject.signatures ?? [])])].map(
    (algorithm) => [algorithm, createSigner(algorithm)] as const,
  )
  const closed = { clients: bench.options.clients, seconds: bench.options.seconds }

  bench.say('warming up')
  for (const side of [theirs, others, ours]) await side?.warmUp(closed)

  const rounds: Round[] = []
  for (let round = 0; round < bench.options.rounds; round += 1) {
    bench.say(`round ${round + 1} of ${bench.options.rounds}`)
    const signatures = Object.fromEntries(signers.map(([algorithm, sign]) => [algorithm, sign(SIGN_MS)]))
    const library = await theirs?.stretch(closed)
    const against = await others?.stretch(closed)
    const fewer = subject.fewer === undefined ? undefined : await ours.stretch({ ...closed, clients: subject.fewer })
    rounds.push({ signatures, library, against, fewer, grantry: await ours.stretch(closed) })
  }
  await ours.profile(closed, `${subject.workload}-grantry`)
  await theirs?.profile(closed, `${subject.workload}-library`)

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
    ...(subject.fewer !== undefined && {
      figures: { [`signatures with ${subject.fewer} clients`]: inSignaturesOf(rounds, ({ fewer }) => fewer!) },
    }),
    asked: full.asked,
    askedAlone: alone.asked,
    latency: { ...latency, perSecond: open.perSecond },
    loop,
    poolWait,
    memory: Math.round(grantry.memory().all),
    others: median(rounds.map((round) => round.grantry.others)),
    bottleneck: bottleneckOf(full),
  }
}

interface Round {
  signatures: Record<string, number>
  library: Stretch | undefined
  against: Stretch | undefined
  grantry: Stretch
  fewer: Stretch | undefined
}

type Figures = Pick<Result, 'libraryCpu' | 'ratio' | 'overAgainst'> &
  Required<Pick<Result, 'cpu' | 'signatureCpu' | 'inSignatures' | 'perSecond'>>

/** Server and PostgreSQL together, for one operation of that stretch of each round. */
function inSignaturesOf(rounds: readonly Round[], stretchOf: (round: Round) => Stretch): number {
  const cost = ({ serverCpu, postgresCpu, operations }: Stretch) => (serverCpu + postgresCpu) / operations
  return median(rounds.map((round) => cost(stretchOf(round)) / round.signatures.RS256!))
}

function summarize(rounds: readonly Round[]): Figures {
  const of = (figure: (round: Round) => number) => median(rounds.map(figure))
  const serverCpu = ({ grantry }: Round) => grantry.serverCpu / grantry.operations
  const postgresCpu = ({ grantry }: Round) => grantry.postgresCpu / grantry.operations
  const libraryCpu = ({ library }: Round) => library!.serverCpu / library!.operations
  const names = Object.keys(rounds[0]?.signatures ?? {})
  return {
    cpu: { server: of(serverCpu), postgres: of(postgresCpu) },
    signatureCpu: Object.fromEntries(names.map((name) => [name, of(({ signatures }) => signatures[name]!)])),
    inSignatures: inSignaturesOf(rounds, ({ grantry }) => grantry),
    perSecond: of(({ grantry }) => grantry.operations / grantry.seconds),
    ...(rounds[0]?.against && {
      overAgainst: of((round) => serverCpu(round) / (round.against!.serverCpu / round.against!.operations)),
    }),
    ...(rounds[0]?.library && {
      libraryCpu: of(libraryCpu),
      ratio: of((round) => serverCpu(round) / libraryCpu(round)),
    }),
  }
}

/**
 * What a scenario is. Each file of scenarios/ exports one as `scenario`; the command finds it by its name. A scenario starts
 * what it needs through the bench, measures in rounds, and returns figures; printing, judging and keeping them is the
 * bench's business.
 */
import type { Grantry, GrantryOptions } from './support/grantry.ts'
import type { BareLibrary } from './support/library.ts'
import type { Seed } from './support/seed.ts'
import type { Latency } from './support/statistics.ts'

export interface Options {
  /** How long each measured stretch takes. */
  readonly seconds: number
  /** How often each thing that is compared has its turn. */
  readonly rounds: number
  /** Virtual clients that ask at once in closed loops. */
  readonly clients: number
  /** Of the soak. */
  readonly operations: number
  /** Expired ones, that fill the database of `bounded`. */
  readonly rows: number
  /** Operations before anything counts, for the compiler's sake. */
  readonly warmOperations: number
  /** Users in the database; at least as many as there are virtual clients. */
  readonly people: number
  /** Variables of the server that differ from what the bench gives it. */
  readonly environment: Readonly<Record<string, string>>
  /** Where CPU profiles of the measured rounds go; undefined for none. */
  readonly profiles: string | undefined
}

export interface Bench {
  readonly options: Options
  /** Tells the person at the terminal how far it is. */
  say(line: string): void
  /** A server in a process of its own, on a database of its own with the people, apps and APIs of seed.ts. Ended after the scenario. */
  startGrantry(options?: GrantryOptions): Promise<Grantry>
  /** The protocol library with its state in memory, in a process of its own. Ended after the scenario. */
  startLibrary(seed: Seed): Promise<BareLibrary>
  /** Has something undone when the scenario ends, the last first. */
  after(end: () => unknown): void
}

export interface Scenario {
  /** As it is called on the command line. */
  readonly name: string
  /** One line for people. */
  readonly title: string
  run(bench: Bench): Promise<Result>
}

/** A row of the table of limits. */
export interface Verdict {
  /** What is measured, in words. */
  what: string
  measured: number
  atMost: number
  /** `×`, `signatures`, `ms`, …; may be empty. */
  unit: string
}

/** CPU in µs for each operation. */
export interface CpuPerOperation {
  server: number
  postgres: number
}

/** What the database was asked for each operation; round trips are shared where one serves several operations. */
export interface Asked {
  statements: number
  roundTrips: number
}

export interface Result {
  /** What one operation is. */
  operation: string
  /** Medians over the rounds. */
  cpu?: CpuPerOperation
  /** CPU of the bare library for the same operation, in the same rounds. */
  libraryCpu?: number
  /** CPU of one bare signature in the same rounds, by algorithm. */
  signatureCpu?: Partial<Record<SignatureAlgorithm, number>>
  /** Server CPU over that of the bare library: median of the ratios of the rounds. */
  ratio?: number
  /** Server CPU over that of the operation that it is compared with on the same server: median of the ratios of the rounds. */
  overAgainst?: number
  /** Server and PostgreSQL together, in RSA-2048 signatures: median of the ratios of the rounds. */
  inSignatures?: number
  /** Operations in a second while all clients asked at once. */
  perSecond?: number
  /** Under an open load at a fixed rate. */
  latency?: Latency & { perSecond: number }
  /** With all clients asking at once. */
  asked?: Asked
  /** With one client alone: what one operation waits for, one after the other. */
  askedAlone?: Asked
  /** How late the server's event loop was under the open load, in ms, and which part of the time it was busy. */
  loop?: { p50: number; p99: number; busy: number }
  /** How long a query waited for a connection under the open load, in ms. */
  poolWait?: { p50: number; p99: number }
  /** Resident memory of the server processes at the end, MB. */
  memory?: number
  /** Which part of the machine's CPU went to other programs meanwhile: figures of a busy machine are not worth much. */
  others?: number
  /** What was used up first, by name. */
  bottleneck?: string
  verdicts?: Verdict[]
  /** Figures that only this scenario has, by name. */
  figures?: Record<string, number>
  /** For plots: lines of points. */
  series?: Record<string, { x: number; y: number }[]>
  notes?: string[]
}

export type SignatureAlgorithm = 'RS256' | 'ES256' | 'Ed25519'

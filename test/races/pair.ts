/** Two server processes on one database, as behind a balancer, and a handle of our own to look at what they leave behind. */
import { setTimeout as delay } from 'node:timers/promises'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startServerProcesses, type ServerProcess } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import type { TokenResponse } from '../support/visitor.ts'

export interface Pair {
  issuer: string
  /** Where the two listen; the first is the issuer's own address. */
  instances: [string, string]
  servers: [ServerProcess, ServerProcess]
  db: Database
  /** Log lines of both so far, parsed. */
  logs(): Record<string, unknown>[]
}

export async function startPair(t: Teardown, environment: Record<string, string> = {}): Promise<Pair> {
  const { issuer, databaseUrl, servers } = await startServerProcesses(t, 2, environment)
  const log = createLogger({ level: 'silent' })
  const db = await connectDatabase({ url: databaseUrl, dataDirectory: '', poolMax: 6, log })
  t.teardown(() => db.close())
  const [first, second] = servers as [ServerProcess, ServerProcess]
  return {
    issuer,
    instances: [first.url, second.url],
    servers: [first, second],
    db,
    logs: () => servers.flatMap(({ logs }) => logs),
  }
}

/** Collects what must end with the file, in reverse order: hooks can't register teardowns. */
export function fileTeardown(): Teardown & { end(): Promise<void> } {
  const stops: (() => unknown)[] = []
  return {
    teardown: (stop) => void stops.push(stop),
    async end() {
      for (const stop of stops.toReversed()) await stop()
    },
  }
}

/** The same at once, `count` times, in turn on both instances. */
export function inParallel<T>(
  { instances }: Pair,
  count: number,
  act: (instance: string, index: number) => Promise<T>,
): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => act(instances[index % 2] as string, index)))
}

/** How often each answer came: `{ 200: 1, invalid_grant: 19 }`. */
export function tally(answers: TokenResponse[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status, body } of answers) {
    const name = body.error ?? String(status)
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** What either process called an error: a test of refusals must not find one. */
export function internalErrors(pair: Pair): Record<string, unknown>[] {
  return pair.logs().filter(({ level }) => level === 'error' || level === 'fatal')
}

/** Waits for what another process is about to do; gives up after fifteen seconds. */
export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; !(await what()); await delay(10)) {
    if (Date.now() > end) throw new Error('it did not happen within fifteen seconds')
  }
}

/**
 * `node bench/rate-limit.ts`: what a rate limit costs each request, by algorithm, beside one RSA-2048 signature (the least that
 * issuing a token costs) in the same run, so that figures of different machines can be compared. DATABASE_URL names a
 * database to use, which gets the table; without it a PostgreSQL is started for the run and leaves nothing behind.
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectDatabase, type Database } from '../src/database/connect.ts'
import { algorithms, rateLimitTable, type AlgorithmName } from '../src/http/rate-limit/algorithms.ts'
import { createRateLimiter } from '../src/http/rate-limit/rate-limiter.ts'
import { createLogger } from '../src/telemetry/logger.ts'

const ROUNDS = 15
const REQUESTS = 200
const CALLERS = 40
const AT_ONCE = 8

/** One row of the table. */
interface Subject {
  what: string
  /** @returns microseconds for each request, with so many of them under way at once */
  run: (atOnce: number) => number | Promise<number>
}

const directory = mkdtempSync(join(tmpdir(), 'grantry-bench-'))
chmodSync(directory, 0o711)
const log = createLogger({ level: 'silent' })
const db = await connectDatabase({ url: process.env.DATABASE_URL, dataDirectory: directory, poolMax: AT_ONCE, log })
try {
  await db.knex.raw(rateLimitTable)
  print(await measure(subjects(db)))
} finally {
  await db.close()
  rmSync(directory, { recursive: true, force: true })
}

function subjects({ pool }: Database): Subject[] {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const policies = Object.fromEntries(
    (Object.keys(algorithms) as AlgorithmName[]).map((algorithm) => [
      algorithm,
      // Nobody meets this quota, so each request is counted by the database.
      { algorithm, quota: 1_000_000, windowSeconds: 1 },
    ]),
  )
  const flood = { algorithm: 'fixed-window', quota: 1, windowSeconds: 3600 } as const
  const limiter = createRateLimiter({ pool, policies: { ...policies, flood } })
  return [
    { what: 'one RSA-2048 signature', run: () => signatures(privateKey) },
    {
      what: 'a statement that does nothing',
      run: (atOnce) => each(atOnce, () => pool.query({ name: 'nothing', text: 'select 1' })),
    },
    ...Object.keys(policies).map((algorithm) => ({
      what: algorithm,
      run: (atOnce: number) => each(atOnce, (index) => limiter.take(algorithm, `caller ${index % CALLERS}`)),
    })),
    { what: 'refused by memory', run: (atOnce) => each(atOnce, () => limiter.take('flood', 'one')) },
  ]
}

function signatures(key: Parameters<typeof sign>[2]): number {
  const start = performance.now()
  for (let index = 0; index < 20; index += 1) sign('sha256', Buffer.from(`payload ${index}`), key)
  return ((performance.now() - start) * 1000) / 20
}

async function each(atOnce: number, ask: (index: number) => Promise<unknown>): Promise<number> {
  let asked = 0
  const start = performance.now()
  const caller = async () => {
    while (asked < REQUESTS) await ask((asked += 1))
  }
  await Promise.all(Array.from({ length: atOnce }, caller))
  return ((performance.now() - start) * 1000) / REQUESTS
}

interface Row {
  what: string
  alone: number
  together: number
  /** Of each round to the signature of the same round, so that a machine that is busy for a while does not tell. */
  ratioAlone: number
  ratioTogether: number
}

/** Everything in turn, round by round, after one that warms up; then the median of each. */
async function measure(all: Subject[]): Promise<Row[]> {
  const rounds: { alone: number; together: number }[][] = []
  for (let round = 0; round <= ROUNDS; round += 1) {
    const results = []
    for (const { run } of all) results.push({ alone: await run(1), together: await run(AT_ONCE) })
    if (round > 0) rounds.push(results)
  }
  return all.map(({ what }, index) => ({
    what,
    alone: median(rounds.map((results) => results[index]!.alone)),
    together: median(rounds.map((results) => results[index]!.together)),
    ratioAlone: median(rounds.map((results) => results[index]!.alone / results[0]!.alone)),
    ratioTogether: median(rounds.map((results) => results[index]!.together / results[0]!.alone)),
  }))
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function print(rows: Row[]): void {
  const head = ['a request', 'alone, µs', 'signatures', `${AT_ONCE} at once, µs`, 'signatures']
  const lines = rows.map((row) => [
    row.what,
    row.alone.toFixed(0),
    row.ratioAlone.toFixed(2),
    row.together.toFixed(0),
    row.ratioTogether.toFixed(2),
  ])
  for (const [what = '', ...figures] of [head, ...lines]) {
    console.log(what.padEnd(32) + figures.map((figure) => figure.padStart(16)).join(''))
  }
}

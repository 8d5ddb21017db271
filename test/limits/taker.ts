/**
 * `node taker.ts DATABASE_URL`: an instance that is asked all the time. For every line of standard input, `{ policy, until }`,
 * it lets eight callers ask again and again, and says `{ asked, allowed, from, to }`; times in milliseconds since the epoch.
 * Says `ready` first.
 */
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { connectDatabase } from '../../src/database/connect.ts'
import type { RateLimitPolicy } from '../../src/http/rate-limit/algorithms.ts'
import { createRateLimiter } from '../../src/http/rate-limit/rate-limiter.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

export interface Order {
  policy: RateLimitPolicy
  /** To ask so often in all, or for so many milliseconds. */
  until: { asked: number } | { ms: number }
}

export interface Report {
  asked: number
  allowed: number
  from: number
  to: number
}

const CALLERS = 8

if (process.argv[1] === import.meta.filename) {
  const log = createLogger({ level: 'silent' })
  const db = await connectDatabase({ url: process.argv[2]!, dataDirectory: '', poolMax: CALLERS, log })
  console.log('ready')
  for await (const line of createInterface({ input: process.stdin })) {
    const { policy, until } = JSON.parse(line) as Order
    const limiter = createRateLimiter({ pool: db.pool, policies: { shared: policy } })
    const report: Report = { asked: 0, allowed: 0, from: Date.now(), to: 0 }
    const isOver = () => ('ms' in until ? Date.now() - report.from >= until.ms : report.asked >= until.asked)
    const ask = async () => {
      while (!isOver()) {
        report.asked += 1
        const decision = await limiter.take('shared', 'everybody')
        if (decision.allowed) report.allowed += 1
        // Neither instance may be done before the other has begun.
        await delay(2)
      }
    }
    await Promise.all(Array.from({ length: CALLERS }, ask))
    console.log(JSON.stringify({ ...report, to: Date.now() } satisfies Report))
  }
  await db.close()
}

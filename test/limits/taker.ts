/**
 * `node taker.ts DATABASE_URL`: an instance that is asked by many at once. Says `ready`, and then for each line of standard
 * input, `{ policy, callers, times, at }`, how many of so many requests it admitted. Its own clock shows what it is told.
 */
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { connectDatabase } from '../../src/database/connect.ts'
import type { RateLimitPolicy } from '../../src/http/rate-limit/algorithms.ts'
import { createRateLimiter, type RateLimiter } from '../../src/http/rate-limit/rate-limiter.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

export interface Order {
  policy: RateLimitPolicy
  callers: number
  /** How often each caller asks, one request after the other. */
  times: number
  /** In milliseconds. */
  at: number
}

const log = createLogger({ level: 'silent' })
const db = await connectDatabase({ url: process.argv[2]!, dataDirectory: '', poolMax: 8, log })
const limiters = new Map<string, RateLimiter>()
let time = 0

async function ask(limiter: RateLimiter, times: number): Promise<number> {
  let allowed = 0
  for (let count = 0; count < times; count += 1) {
    const decision = await limiter.take('shared', 'everybody')
    if (decision.allowed) allowed += 1
    // Neither instance may be done before the other has begun.
    if (times > 1) await delay(2)
  }
  return allowed
}

console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const { policy, callers, times, at } = JSON.parse(line) as Order
  time = at
  const known = limiters.get(policy.algorithm)
  const limiter = known ?? createRateLimiter({ pool: db.pool, policies: { shared: policy }, now: () => time })
  limiters.set(policy.algorithm, limiter)
  const allowed = await Promise.all(Array.from({ length: callers }, () => ask(limiter, times)))
  console.log(allowed.reduce((sum, one) => sum + one, 0))
}
await db.close()

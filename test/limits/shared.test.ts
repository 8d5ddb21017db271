/** Two processes, one database, one quota: what all instances admit together under parallel load. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { clockedDatabase, type ClockedDatabase } from './clock.ts'
import type { Order } from './taker.ts'

const TAKER = join(import.meta.dirname, 'taker.ts')
const QUOTA = 200
const CALLERS = 8
const DEMAND_OF_EACH = 50

const ends: (() => unknown)[] = []
let clock: ClockedDatabase
let instances: ((order: Order) => Promise<number>)[]

test.before(async () => {
  clock = await clockedDatabase({ teardown: (end) => void ends.unshift(end) })
  instances = await Promise.all([instance(clock.url), instance(clock.url)])
})
test.after.always(async () => {
  for (const end of ends) await end()
})

async function instance(url: string): Promise<(order: Order) => Promise<number>> {
  const child = spawn(process.execPath, [TAKER, url], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  ends.unshift(async () => {
    child.stdin.end()
    await exited
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  await lines.next()
  return async (order) => {
    child.stdin.write(`${JSON.stringify(order)}\n`)
    return Number((await lines.next()).value)
  }
}

/** Both at once. @returns how many they admitted together */
async function together(order: Omit<Order, 'callers'>): Promise<number> {
  const [one = 0, two = 0] = await Promise.all(instances.map((ask) => ask({ ...order, callers: CALLERS })))
  return one + two
}

function withinQuota(t: ExecutionContext, admitted: number, quota: number): void {
  t.true(admitted >= 0.95 * quota && admitted <= quota, `${admitted} of ${quota}`)
}

for (const algorithm of ['fixed-window', 'sliding-window', 'token-bucket'] as const) {
  test.serial(`${algorithm}: two processes together admit the quota, and not one more`, async (t) => {
    const policy = { algorithm, quota: QUOTA, windowSeconds: 60 }
    t.true(2 * CALLERS * DEMAND_OF_EACH >= 2 * QUOTA, 'each alone would use it up')
    withinQuota(t, await together({ policy, times: DEMAND_OF_EACH, at: 0 }), QUOTA)
    // Two windows later everything is there again; a window and a half after that, by each algorithm its share.
    await clock.later(120)
    withinQuota(t, await together({ policy, times: DEMAND_OF_EACH, at: 120_000 }), QUOTA)
    await clock.later(90)
    const share = algorithm === 'sliding-window' ? QUOTA / 2 : QUOTA
    withinQuota(t, await together({ policy, times: DEMAND_OF_EACH, at: 210_000 }), share)
  })
}

test.serial('leaky-bucket: two processes together admit the constant rate, and not one more', async (t) => {
  const policy = { algorithm: 'leaky-bucket', quota: QUOTA, windowSeconds: QUOTA } as const
  const step = 0.7
  let admitted = 0
  let seconds = 0
  for (; seconds < QUOTA; seconds += step) {
    const now = await together({ policy, times: 1, at: seconds * 1000 })
    t.true(now <= 1, 'no two at once')
    admitted += now
    await clock.later(step)
  }
  // The first one needs no waiting, and the last one may come half an interval early.
  withinQuota(t, admitted, Math.floor(seconds - step + 1.5))
})

/** Two processes, one database, one quota: what all instances admit together under parallel load. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { testDatabaseUrl } from '../support/database.ts'
import type { Order, Report } from './taker.ts'

const TAKER = join(import.meta.dirname, 'taker.ts')
const QUOTA = 200

const ends: (() => unknown)[] = []
let instances: ((order: Order) => Promise<Report>)[]

test.before(async () => {
  const file = { teardown: (end: () => unknown) => void ends.unshift(end) }
  const url = await testDatabaseUrl(file)
  instances = await Promise.all([instance(url), instance(url)])
})
test.after.always(async () => {
  for (const end of ends) await end()
})

async function instance(url: string): Promise<(order: Order) => Promise<Report>> {
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
    const { value } = await lines.next()
    return JSON.parse(value as string) as Report
  }
}

/** Both at once. */
async function admitted(t: ExecutionContext, order: Order): Promise<{ allowed: number; seconds: number }> {
  const reports = await Promise.all(instances.map((ask) => ask(order)))
  for (const { asked, allowed } of reports) t.true(asked > allowed, 'there was more demand than quota')
  const from = Math.min(...reports.map((report) => report.from))
  const to = Math.max(...reports.map((report) => report.to))
  return { allowed: reports[0]!.allowed + reports[1]!.allowed, seconds: (to - from) / 1000 }
}

for (const algorithm of ['fixed-window', 'sliding-window', 'token-bucket'] as const) {
  test.serial(`${algorithm}: two processes together admit the quota, and not one more`, async (t) => {
    // The window is so long that nothing of it comes back during the test.
    const policy = { algorithm, quota: QUOTA, windowSeconds: 86_400 }
    const { allowed } = await admitted(t, { policy, until: { asked: 2 * QUOTA } })
    t.true(allowed >= 0.95 * QUOTA && allowed <= QUOTA, `${allowed} of ${QUOTA}`)
  })
}

test.serial('leaky-bucket: two processes together admit the constant rate, and not one more', async (t) => {
  const policy = { algorithm: 'leaky-bucket', quota: QUOTA, windowSeconds: 5 } as const
  const { allowed, seconds } = await admitted(t, { policy, until: { ms: 2000 } })
  // The first one needs no waiting, and the last one may come half an interval early.
  const most = Math.floor((seconds * QUOTA) / policy.windowSeconds + 1.5)
  t.true(allowed >= 0.95 * most && allowed <= most, `${allowed} of ${most} in ${seconds} s`)
})

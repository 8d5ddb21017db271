import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { parseMasterKeys } from '../../src/lib/master-key.ts'
import { createWebhook } from '../../src/registry/webhooks/create.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import type { Bench, Scenario } from '../scenario.ts'
import type { Grantry } from '../support/grantry.ts'
import { createSigner } from '../support/signature.ts'
import { latencyOf, median } from '../support/statistics.ts'

const PER_SECOND = 50
/** In one go, for CPU. */
const BATCH = 1000

/** From the commit of a change to the receiver of a webhook. More of events is in bench/events.ts. */
export const scenario: Scenario = {
  name: 'event-delivery',
  title: 'Delivery of events to a webhook',
  async run(bench) {
    const { rounds, seconds } = bench.options
    const grantry = await bench.startGrantry({ environment: { WEBHOOK_ALLOW_PRIVATE: 'on' } })
    const db = await connect(bench, grantry)
    const receiver = await startReceiver(bench)
    const deps = { masterKeys: parseMasterKeys(grantry.masterKey), allowPrivate: true }
    await createWebhook(db.knex, deps, { url: receiver.url, events: ['client.*'], actor: 'cli' })
    const sign = createSigner('RS256')

    const measured: { server: number; postgres: number; perSecond: number; signatures: number }[] = []
    for (let round = -1; round < rounds; round += 1) {
      bench.say(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`)
      const signature = sign(100)
      const before = { server: grantry.cpu(), postgres: grantry.postgresCpu(), at: performance.now() }
      const arrived = receiver.expect(`batch-${round}-`, BATCH)
      await write(db, `batch-${round}-`, BATCH)
      await arrived
      const [server, postgres] = [grantry.cpu() - before.server, grantry.postgresCpu() - before.postgres].map(
        (cpu) => cpu / BATCH,
      ) as [number, number]
      const perSecond = (BATCH * 1000) / (performance.now() - before.at)
      if (round >= 0) measured.push({ server, postgres, perSecond, signatures: (server + postgres) / signature })
    }
    bench.say('a fixed rate')
    const latency = latencyOf(await oneByOne(db, receiver, PER_SECOND * seconds * 2))
    const of = (figure: (round: (typeof measured)[number]) => number) => median(measured.map(figure))
    return {
      operation: 'an event that is written, found, signed and delivered by HTTP',
      cpu: { server: of(({ server }) => server), postgres: of(({ postgres }) => postgres) },
      inSignatures: of(({ signatures }) => signatures),
      perSecond: of(({ perSecond }) => perSecond),
      latency: { ...latency, perSecond: PER_SECOND },
      memory: Math.round(grantry.memory().all),
    }
  },
}

async function connect(bench: Bench, { databaseUrl }: Grantry): Promise<Database> {
  const log = createLogger({ level: 'silent' })
  const db = await connectDatabase({ url: databaseUrl, dataDirectory: '', poolMax: 2, log })
  bench.after(() => db.close())
  return db
}

/** Commits so many events, each of a subject of its own, in one statement. */
async function write({ pool }: Pick<Database, 'pool'>, prefix: string, count: number): Promise<void> {
  await pool.query(
    `insert into events (type, actor, subject, data)
     select 'client.created', 'bench', $1 || n, $3 from generate_series(1, $2) as n`,
    [prefix, count, JSON.stringify({ kind: 'service', first_party: false })],
  )
}

type Receiver = Awaited<ReturnType<typeof startReceiver>>

/** Answers every delivery at once. */
async function startReceiver(bench: Bench) {
  const waiting = new Map<string, { left: number; done: () => void }>()
  const server = createServer(async (req: IncomingMessage, res) => {
    let body = ''
    for await (const chunk of req.setEncoding('utf8')) body += String(chunk)
    res.end()
    const { subject } = (JSON.parse(body) as { data: { subject: string } }).data
    const awaited = waiting.get(subject.replace(/\d+$/, ''))
    if (awaited && (awaited.left -= 1) === 0) awaited.done()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  bench.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    /** Resolves once so many events have come whose subjects begin so. */
    expect: (prefix: string, left: number) =>
      new Promise<void>((done) => waiting.set(prefix, { left, done: () => (waiting.delete(prefix), done()) })),
  }
}

/** Events at a fixed rate. @returns ms from each one's commit to its arrival */
async function oneByOne(db: Database, receiver: Receiver, count: number): Promise<number[]> {
  const start = performance.now()
  const one = async (index: number) => {
    await delay(Math.max(0, start + (index * 1000) / PER_SECOND - performance.now()))
    const arrived = receiver.expect(`single-${index}-`, 1).then(() => performance.now())
    await write(db, `single-${index}-`, 1)
    const committed = performance.now()
    return Math.max(0, (await arrived) - committed)
  }
  return Promise.all(Array.from({ length: count }, (_, index) => one(index)))
}

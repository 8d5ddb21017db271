/**
 * `node bench/events.ts [latency|fan-out|late|sockets …]`: how fast events travel, whether one receiver that hangs slows
 * another, what a transaction that stays open holds up, and what idle sockets cost. One server process on an embedded
 * PostgreSQL of its own in a temporary directory; everything on loopback. Prints one line for each figure.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, chmodSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { connectDatabase, type Database } from '../src/database/connect.ts'
import { startEmbedded } from '../src/database/embedded.ts'
import { newMasterKey, parseMasterKeys } from '../src/lib/master-key.ts'
import { createApiKey } from '../src/registry/api-keys/create.ts'
import { managementScopes } from '../src/registry/management-scopes.ts'
import { createWebhook } from '../src/registry/webhooks/create.ts'
import { createLogger } from '../src/telemetry/logger.ts'

const log = createLogger({ level: 'silent' })
const ends: (() => unknown)[] = []
const HOLD_SECONDS = Number(process.env.HOLD_SECONDS ?? 60)

interface Bench {
  db: Database
  url: string
  server: ChildProcess
  apiKey: string
  masterKey: string
}

async function start(): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'grantry-bench-'))
  chmodSync(directory, 0o711)
  ends.push(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  const cluster = await startEmbedded({ directory: join(directory, 'postgres'), log })
  ends.push(() => cluster.release())
  const masterKey = newMasterKey()
  const port = await freePort()
  const environment = {
    PATH: process.env.PATH ?? '',
    PORT: String(port),
    DATABASE_URL: cluster.url,
    MASTER_KEY: masterKey,
    DEMO_PORT: 'off',
    LOG_LEVEL: 'warn',
    RATE_LIMIT_ADDRESS: 'off',
    RATE_LIMIT_API: 'off',
  }
  const main = join(import.meta.dirname, '..', 'src', 'main.ts')
  const server = spawn(process.execPath, [main], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise((resolve) => server.once('exit', resolve))
  ends.push(async () => {
    server.kill('SIGTERM')
    await exited
  })
  await new Promise<void>((resolve) => {
    createInterface({ input: server.stdout }).on('line', (line) => line.startsWith('ready') && resolve())
  })
  const db = await connectDatabase({ url: cluster.url, dataDirectory: '', poolMax: 4, log })
  ends.push(() => db.close())
  const { value: apiKey } = await createApiKey(db.knex, { name: 'bench', scopes: managementScopes, actor: 'cli' })
  return { db, url: `http://localhost:${port}`, server, apiKey, masterKey }
}

async function freePort(): Promise<number> {
  const probe = createTcpServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => probe.once('listening', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

const DATA = JSON.stringify({ kind: 'service', first_party: false })

/** Commits so many events, each about a subject of its own, in one statement. */
async function write(db: Pick<Database, 'pool'>, prefix: string, count = 1): Promise<void> {
  await db.pool.query(
    `insert into events (type, actor, subject, data)
     select 'client.created', 'bench', $1 || n, $3 from generate_series(1, $2) as n`,
    [prefix, count, DATA],
  )
}

/** A follower of the channel clients; calls back with each subject. */
async function follow({ url, apiKey }: Bench, told: (subject: string) => void): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream`)
  const live = new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as { type: string; event: { subject: string } }
      if (frame.type === 'live') resolve()
      if (frame.type === 'event') told(frame.event.subject)
    })
  })
  socket.once('open', () => {
    socket.send(JSON.stringify({ type: 'auth', token: apiKey }))
    socket.send(JSON.stringify({ type: 'subscribe', channels: ['clients'] }))
  })
  await live
  ends.push(() => socket.terminate())
  return socket
}

async function receive(told: (subject: string) => void, answers = true): Promise<{ url: string; server: Server }> {
  const server = createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req.setEncoding('utf8')) body += String(chunk)
    told((JSON.parse(body) as { data: { subject: string } }).data.subject)
    if (answers) res.end()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

async function subscribe({ db, masterKey }: Bench, url: string): Promise<string> {
  const deps = { masterKeys: parseMasterKeys(masterKey), allowPrivate: true }
  const { webhook } = await createWebhook(db.knex, deps, { url, events: ['client.*'], actor: 'cli' })
  return webhook.id
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function percentile(values: number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN
}

function waiter() {
  const waiting = new Map<string, () => void>()
  return {
    told: (subject: string) => waiting.get(subject)?.(),
    of: (subject: string) => new Promise<void>((resolve) => waiting.set(subject, resolve)),
  }
}

/** From commit to reader, under light load: one event at a time. */
async function latency(bench: Bench): Promise<void> {
  const [bySocket, byWebhook] = [waiter(), waiter()]
  const reader = await follow(bench, bySocket.told)
  const { url } = await receive(byWebhook.told)
  const webhook = await subscribe(bench, url)
  const times = { socket: [] as number[], webhook: [] as number[] }
  for (let n = 0; n < 200; n++) {
    const subject = `latency-${n}-`
    const arrivals = [
      bySocket.of(`${subject}1`).then(() => times.socket.push(performance.now() - begin)),
      byWebhook.of(`${subject}1`).then(() => times.webhook.push(performance.now() - begin)),
    ]
    await write(bench.db, subject)
    const begin = performance.now()
    await Promise.all(arrivals)
    await delay(20)
  }
  for (const [name, values] of Object.entries(times)) {
    console.log(
      `latency, commit to ${name}: median ${median(values).toFixed(1)} ms, p95 ${percentile(values, 0.95).toFixed(1)} ms`,
    )
  }
  reader.terminate()
  await bench.db.knex('webhooks').where({ id: webhook }).delete()
}

/** 10,000 events to a receiver that answers at once, alone and beside one that never answers; alternating, medians. */
async function fanOut(bench: Bench): Promise<void> {
  const COUNT = Number(process.env.EVENTS ?? 10_000)
  const seen = new Set<string>()
  let done: () => void = () => undefined
  const quick = await receive((subject) => {
    seen.add(subject)
    if (seen.size === COUNT) done()
  })
  const hanging = await receive(() => undefined, false)
  const times = { alone: [] as number[], beside: [] as number[] }
  for (let round = 0; round < 3; round++) {
    for (const kind of ['alone', 'beside'] as const) {
      const hooks = [await subscribe(bench, quick.url)]
      if (kind === 'beside') hooks.push(await subscribe(bench, hanging.url))
      seen.clear()
      const finished = new Promise<void>((resolve) => (done = resolve))
      const begin = performance.now()
      await write(bench.db, `${kind}-${round}-`, COUNT)
      await finished
      times[kind].push(performance.now() - begin)
      await bench.db.knex('webhooks').whereIn('id', hooks).delete()
      hanging.server.closeAllConnections()
      await delay(500)
    }
  }
  const [alone, beside] = [median(times.alone), median(times.beside)]
  const rate = Math.round((COUNT / alone) * 1000)
  console.log(`fan-out, ${COUNT} events to one receiver: ${(alone / 1000).toFixed(2)} s alone (${rate}/s)`)
  console.log(`fan-out, beside one that hangs: ${(beside / 1000).toFixed(2)} s, ratio ${(beside / alone).toFixed(2)}`)
}

/** A transaction with an event stays open: what commits after it, and it itself in the end. */
async function late(bench: Bench): Promise<void> {
  const arrived = waiter()
  const reader = await follow(bench, arrived.told)
  const client = await bench.db.pool.connect()
  await client.query('set idle_in_transaction_session_timeout = 0')
  await client.query('begin')
  await client.query(`insert into events (type, actor, subject, data) values ('client.created', 'bench', 'late', $1)`, [
    DATA,
  ])
  const times: number[] = []
  for (const end = Date.now() + HOLD_SECONDS * 1000; Date.now() < end; await delay(500)) {
    const subject = `during-${times.length}-`
    const arrival = arrived.of(`${subject}1`)
    await write(bench.db, subject)
    const begin = performance.now()
    await arrival
    times.push(performance.now() - begin)
  }
  const lateArrival = arrived.of('late')
  await client.query('commit')
  const begin = performance.now()
  client.release()
  await lateArrival
  reader.terminate()
  console.log(
    `late, with a transaction open for ${HOLD_SECONDS} s: ${times.length} later commits, slowest ${Math.max(...times).toFixed(0)} ms`,
  )
  console.log(`late, the late one arrives ${(performance.now() - begin).toFixed(0)} ms after its commit`)
}

/** What the server process needs for so many sockets that follow and hear nothing. */
async function sockets(bench: Bench): Promise<void> {
  const COUNT = 1000
  const resident = () => {
    const status = readFileSync(`/proc/${bench.server.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
  }
  await delay(2000)
  const before = resident()
  for (let n = 0; n < COUNT; n += 50) {
    await Promise.all(Array.from({ length: 50 }, () => follow(bench, () => undefined)))
  }
  await delay(5000)
  const after = resident()
  const each = ((after - before) * 1024) / COUNT
  console.log(
    `sockets, ${COUNT} idle: ${before.toFixed(0)} MB before, ${after.toFixed(0)} MB with them, ${each.toFixed(0)} kB each`,
  )
}

const scenarios: Record<string, (bench: Bench) => Promise<void>> = { latency, 'fan-out': fanOut, late, sockets }
const wanted = process.argv.slice(2)
const unknown = wanted.find((name) => !Object.hasOwn(scenarios, name))
if (unknown !== undefined) {
  console.error(`there is no scenario ${unknown}; there are ${Object.keys(scenarios).join(', ')}`)
  process.exitCode = 2
} else {
  try {
    const bench = await start()
    for (const name of wanted.length > 0 ? wanted : Object.keys(scenarios)) await scenarios[name]!(bench)
  } finally {
    for (let end = ends.pop(); end; end = ends.pop()) await end()
  }
}

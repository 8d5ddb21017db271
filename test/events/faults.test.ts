/**
 * What was committed is told, whatever is killed meanwhile: two servers are written to without a pause while each of them is
 * killed and the database restarts under both. A receiver of webhooks and a reader on a socket are then held against the
 * rows: each at least once, nothing that was rolled back. TEST_FAULT_ROUNDS repeats the faults.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { WebSocket } from 'ws'
import { connectDatabase } from '../../src/database/connect.ts'
import { startEmbedded } from '../../src/database/embedded.ts'
import { appendEvent } from '../../src/events/outbox.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startProcess, type ServerProcess } from '../support/auth-server.ts'
import { scratch, until } from '../support/embedded.ts'
import { freePort } from '../support/free-port.ts'

const log = createLogger({ level: 'silent' })
const ROUNDS = Number(process.env.TEST_FAULT_ROUNDS ?? 1)
const WRITERS = 4

test('nothing that was committed is lost, and nothing that was rolled back is told', async (t) => {
  t.timeout(120_000 * ROUNDS)
  const directory = join(scratch(t), 'pg')
  let cluster = await startEmbedded({ directory, log })
  t.teardown(() => cluster.release())
  const ports = [await freePort(), await freePort()]
  const issuer = `http://localhost:${ports[0]}`
  const shared = {
    ISSUER: issuer,
    DATABASE_URL: cluster.url,
    DATABASE_POOL_MAX: '6',
    MASTER_KEY: newMasterKey(),
    DEMO_PORT: 'off',
    WEBHOOK_TIMEOUT_SECONDS: '1',
    RATE_LIMIT_ADDRESS: 'off',
    RATE_LIMIT_API: 'off',
  }
  const launch = (index: number) => startProcess(t, { ...shared, PORT: String(ports[index]) })
  const servers: ServerProcess[] = [await launch(0), await launch(1)]
  const db = await connectDatabase({ url: cluster.url, dataDirectory: '', poolMax: 2, log })
  t.teardown(() => db.close())
  const { value: apiKey } = await createApiKey(db.knex, { name: 'test', scopes: managementScopes, actor: 'cli' })
  const host = new URL(issuer).host
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
  // Requests to either server carry the issuer's host, as from a balancer.
  const post = (index: number, path: string, body: object) =>
    request(ports[index]!, path, { ...headers, host }, JSON.stringify(body))

  const byWebhook: string[] = []
  const receiver = createServer(async (req, res) => {
    for await (const _ of req);
    byWebhook.push(String(req.headers['webhook-id']))
    res.end()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => receiver.once('listening', resolve))
  t.teardown(() => void receiver.close())
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
  t.is(await post(0, '/api/v1/webhooks', { url, events: ['client.*'] }), 201)

  const bySocket: string[] = []
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  void readOn({ ports, host, apiKey, told: bySocket, signal: stop.signal })

  const writing = new AbortController()
  let acknowledged = 0
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let n = 0; !writing.signal.aborted; n++) {
      const status = await post((writer + n) % 2, '/api/v1/clients', { kind: 'service', name: `App ${writer}.${n}` })
      if (status === 201) acknowledged += 1
      if (n % 5 === 0) await rollBack(`undone ${writer}.${n}`)
      await delay(10)
    }
  })
  async function rollBack(subject: string): Promise<void> {
    const undone = db.knex.transaction(async (trx) => {
      await appendEvent(trx, { type: 'client.created', subject, data: { kind: 'service', first_party: false } })
      throw new Error('undone')
    })
    await undone.catch(() => undefined)
  }

  for (let round = 0; round < ROUNDS; round++) {
    await delay(700)
    await servers[1]!.kill()
    await delay(300)
    servers[1] = await launch(1)
    // Its only holder is this test: the servers know no more than an address.
    await cluster.release()
    cluster = await startEmbedded({ directory, log })
    await delay(700)
    await servers[0]!.kill()
    servers[0] = await launch(0)
    await delay(500)
  }
  writing.abort()
  await Promise.all(writers)

  const committed = await db.knex('events').where('type', 'like', 'client.%').pluck<number[]>('id')
  const ids = committed.map((id) => `evt_${id}`)
  const hasAll = (told: string[]) => {
    const known = new Set(told)
    return ids.every((id) => known.has(id))
  }
  await until(() => hasAll(byWebhook) && hasAll(bySocket), 60_000)
  for (const [reader, told] of Object.entries({ webhook: byWebhook, socket: bySocket })) {
    const known = new Set(told)
    const lost = ids.filter((id) => !known.has(id))
    const invented = [...known].filter((id) => !ids.includes(id))
    t.log(
      `shown: ${reader}: committed ${ids.length}, delivered ${known.size}, repeated ${told.length - known.size}, lost ${lost.length}`,
    )
    t.deepEqual([lost, invented], [[], []], reader)
  }
  t.true(acknowledged > 20)
  t.true(ids.length >= acknowledged)
})

/** The status; 0 when no answer came. */
async function request(port: number, path: string, headers: Record<string, string>, body: string): Promise<number> {
  const { request: send } = await import('node:http')
  return new Promise((resolve) => {
    const sent = send({ port, host: '127.0.0.1', path, method: 'POST', headers, timeout: 5000 }, (res) => {
      res.resume().once('end', () => resolve(res.statusCode ?? 0))
      res.once('error', () => resolve(0))
    })
    sent.once('error', () => resolve(0))
    sent.once('timeout', () => sent.destroy())
    sent.end(body)
  })
}

interface Reading {
  ports: number[]
  host: string
  apiKey: string
  told: string[]
  signal: AbortSignal
}

/** A reader as anybody would write one: on whichever server answers, from the cursor that it holds. */
async function readOn({ ports, host, apiKey, told, signal }: Reading): Promise<void> {
  let cursor = '0'
  for (let n = 0; !signal.aborted; n++) {
    const socket = new WebSocket(`ws://127.0.0.1:${ports[n % ports.length]}/api/v1/stream`, { headers: { host } })
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => undefined)
    socket.on('open', () => {
      socket.send(JSON.stringify({ type: 'auth', token: apiKey }))
      socket.send(JSON.stringify({ type: 'subscribe', channels: ['clients'], after: cursor }))
    })
    socket.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as { type: string; cursor: string; event: { id: string } }
      if (frame.type !== 'event') return
      told.push(frame.event.id)
      cursor = frame.cursor
    })
    signal.addEventListener('abort', () => socket.terminate(), { once: true })
    await closed
    await delay(50)
  }
}

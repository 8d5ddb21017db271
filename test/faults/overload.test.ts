/** Ten times as many requests as the server can answer: it answers what it can, refuses the rest at once, and is over it in seconds. */
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { startServerProcesses } from '../support/auth-server.ts'
import { connectDatabase } from '../../src/database/connect.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { buildClient, buildResource } from '../support/registry.ts'
import { figures, ROUNDS } from './figures.ts'
import { createFlood } from './flood.ts'
import { percentile } from './ledger.ts'

const TIMES = 10
const FLOOD_MS = 2_000
const RECOVERY_MS = 5_000

test('ten times what it can answer: the rest is refused with Retry-After, and seconds later all is as before', async (t) => {
  t.timeout(60_000 * (ROUNDS + 1))
  const { issuer, databaseUrl, servers } = await startServerProcesses(t, 1, { RATE_LIMIT_TOKEN: 'off', MAX_IN_FLIGHT: '200' }) // prettier-ignore
  const db = await connectDatabase({ url: databaseUrl, dataDirectory: '', poolMax: 2, log: createLogger({ level: 'silent' }) }) // prettier-ignore
  t.teardown(() => db.close())
  await buildResource(db)
  const { client_id, client_secret } = await buildClient(db, { kind: 'service' })
  const body = 'grant_type=client_credentials'
  const { host, port } = new URL(issuer)
  const head = [
    'POST /token HTTP/1.1',
    `Host: ${host}`,
    `Authorization: Basic ${btoa(`${client_id}:${client_secret}`)}`,
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${body.length}`,
  ]
  const flood = createFlood(Number(port), `${head.join('\r\n')}\r\n\r\n${body}`)
  t.teardown(() => flood.close())

  for (let round = 0; round < ROUNDS; round += 1) {
    await flood.closed(16, 500)
    const calm = await flood.closed(16, 1_000)
    t.deepEqual(new Set(calm.map(({ status }) => status)), new Set([200]))
    const { sent, answered, unanswered } = await flood.at(calm.length * TIMES, FLOOD_MS)
    const ended = performance.now()

    // It is over when a hundred in a row are answered in reasonable time.
    let [lastBad, failed] = [ended, 0]
    while (performance.now() - lastBad < 500) {
      const after = await flood.closed(4, 100)
      if (after.some(({ status, ms }) => status !== 200 || ms > 500)) lastBad = performance.now()
      if (performance.now() - ended > 30_000) break
      await delay(5)
    }
    const recoveredMs = lastBad - ended
    for (const { status } of await flood.closed(8, 500)) if (status >= 500) failed += 1

    const good = answered.filter(({ status }) => status === 200)
    const shed = answered.filter(({ status }) => status === 503)
    t.log(figures(`overload, ${TIMES} × ${calm.length} requests a second for ${FLOOD_MS / 1000} s`, {
      injected: sent, acknowledged: good.length, shed: shed.length, unanswered,
      'p99 of the answered, ms': Math.round(percentile(good.map(({ ms }) => ms), 99)),
      'p99 of the refused, ms': Math.round(percentile(shed.map(({ ms }) => ms), 99)),
      lost: 0, '5xx after recovery': failed, recoveredMs,
    })) // prettier-ignore
    t.true(shed.length > good.length, 'most of it is refused')
    t.true(good.length > 50, 'and yet there are answers')
    t.true(shed.every(({ retryAfter }) => Number(retryAfter) >= 1))
    t.is(good.length + shed.length, answered.length, 'there is no other answer')
    t.true(percentile(good.map(({ ms }) => ms), 99) < 5_000, 'no queue without end') // prettier-ignore
    t.is(failed, 0)
    t.true(recoveredMs < RECOVERY_MS, `recovered after ${Math.round(recoveredMs)} ms`)
  }
  const { logs } = servers[0]!
  t.true(logs.some(({ msg }) => String(msg).startsWith('more requests than can be answered')))
  t.deepEqual(logs.filter(({ level }) => level === 'error' || level === 'fatal'), []) // prettier-ignore
})

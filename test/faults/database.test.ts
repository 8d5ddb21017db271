/**
 * Two instances on one database, under load: the database is lost in every way in which databases are lost, an instance is
 * killed, and there is more to do than can be done. FAULT_ROUNDS repeats each fault (`npm run test:faults` is the long form).
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import pg from 'pg'
import { fileScope } from '../support/demo.ts'
import { createBalancer } from './http.ts'
import { emptyLedger, percentile } from './ledger.ts'
import { ROUNDS } from './figures.ts'
import { formOf } from './load.ts'
import { overload, requestOf } from './overload.ts'
import { startFaultRig, type FaultRig } from './rig.ts'
import { underLoad } from './under-load.ts'
import { verify } from './verify.ts'

const scope = fileScope()
let rig: FaultRig

test.before(async (t) => {
  t.timeout(120_000)
  rig = await startFaultRig(scope, { MAX_IN_FLIGHT: '200' })
})
test.after.always(() => scope.end())

test.serial('the ledger: what is lost or was given twice is seen', async (t) => {
  const ledger = emptyLedger()
  ledger.chains.push({ current: 'never answered by anybody', isEnded: false })
  ledger.created.set('key', new Set(['cli_nobody', 'cli_noone']))
  ledger.successors.set('used', new Set(['one', 'another']))
  const { lost, usedTwice } = await verify(rig.world, rig.db, ledger)
  t.deepEqual({ lost, usedTwice }, { lost: 3, usedTwice: 2 })
})

test.serial('connections are reset, and no new one is taken', async (t) => {
  const { during } = await underLoad(t, rig, {
    name: 'network cut (reset)',
    inject: () => rig.network.cut(),
    lastsMs: 800,
    heal: () => rig.network.heal(),
    recoversMs: 10_000,
  })
  const refused = during.filter(({ status }) => status === 503)
  t.true(refused.length > 0)
  t.true(refused.every(({ retryAfter }) => retryAfter !== undefined))
})

test.serial('the network swallows what is sent, and closes nothing', async (t) => {
  await underLoad(t, rig, {
    name: 'network silent (no FIN)',
    inject: () => rig.network.swallow('everything'),
    lastsMs: 1_500,
    heal: () => rig.network.heal(),
    recoversMs: 20_000,
  })
})

test.serial('the network is slow: latency and a trickle', async (t) => {
  const { failed } = await underLoad(t, rig, {
    name: 'network slow (20 ms, 50 kB/s)',
    inject: () => Object.assign(rig.network, { delayMs: 20, bytesPerMs: 50 }),
    lastsMs: 1_500,
    heal: () => Object.assign(rig.network, { delayMs: 0, bytesPerMs: Infinity }),
    recoversMs: 5_000,
  })
  t.is(failed, 0, 'slow is not lost')
})

for (const [how, signal] of [
  ['fast', 'SIGINT'],
  ['immediate', 'SIGQUIT'],
] as const) {
  // prettier-ignore
  test.serial(`PostgreSQL is restarted under load: ${how} shutdown`, async (t) => {
    const before = rig.postmaster()
    await underLoad(t, rig, {
      name: `PostgreSQL restarted (${how})`,
      inject: () => process.kill(rig.postmaster(), signal),
      lastsMs: 300,
      recoversMs: 15_000,
    })
    t.not(rig.postmaster(), before, 'the database is a new one')
  })
}

test.serial('one of two instances is killed', async (t) => {
  const { during } = await underLoad(t, rig, {
    name: 'kill -9 of one of two instances',
    inject: () => rig.servers[1]!.kill(),
    lastsMs: 500,
    heal: () => rig.restart(1),
    recoversMs: 5_000,
  })
  t.true(
    during.some(({ status }) => status === 200),
    'the other one serves',
  )
})

const TABLES = 'clients, users, grants, refresh_tokens, artifacts, sessions, idempotency_keys, api_keys'
const BURST = 150

test.serial('every connection is held: 503 at once instead of a queue without end', async (t) => {
  const holder = new pg.Client({ connectionString: rig.network.url })
  await holder.connect()
  t.teardown(() => holder.end())
  let burst: { status: number; ms: number; retryAfter: unknown }[] = []
  const { web, issuer, instances } = rig.world
  await underLoad(t, rig, {
    name: 'pool exhausted (every connection waits for a lock)',
    inject: async () => {
      await holder.query('begin')
      await holder.query(`lock table ${TABLES} in access exclusive mode`)
      await delay(1_000)
      const balancer = createBalancer(issuer, instances)
      burst = await Promise.all(
        Array.from({ length: BURST }, async () => {
          const began = performance.now()
          const sending = formOf(web, {
            grant_type: 'refresh_token',
            refresh_token: randomBytes(32).toString('base64url'),
          })
          const { status, headers } = await balancer.send('/token', sending)
          return { status, ms: performance.now() - began, retryAfter: headers['retry-after'] }
        }),
      )
      balancer.close()
    },
    lastsMs: 0,
    heal: () => holder.query('rollback'),
    recoversMs: 10_000,
  })
  const refused = burst.filter(({ status }) => status === 503)
  const times = refused.map(({ ms }) => ms)
  t.log(`of ${BURST} at once ${refused.length} got 503, half of them within ${Math.round(percentile(times, 50))} ms, all within ${Math.round(Math.max(...times))} ms`) // prettier-ignore
  t.deepEqual([...new Set(burst.map(({ status }) => status))], [503])
  t.true(refused.every(({ retryAfter }) => Number(retryAfter) > 0))
  t.true(percentile(times, 50) < 2_500)
  t.true(Math.max(...times) < 8_000)
})

// A slow network to the database is what it can't do more for, so that the sender keeps up on any machine; the long form floods
// its processor as well.
test.serial('ten times what its database can: the rest is refused, and seconds later all is as before', async (t) => {
  rig.network.delayMs = 15
  t.teardown(() => Object.assign(rig.network, { delayMs: 0 }))
  const list = requestOf(rig, 'GET /api/v1/clients?limit=1 HTTP/1.1', [
    `Authorization: Bearer ${rig.world.apiKey}`,
    'Accept-Encoding: identity',
  ])
  await overload(t, rig, 'the database', list)
})

if (ROUNDS > 1) {
  test.serial(
    'ten times what its processor can: the rest is refused, and seconds later all is as before',
    async (t) => {
      const { client_id, client_secret } = rig.world.service
      const form = 'Content-Type: application/x-www-form-urlencoded'
      const authorization = `Authorization: Basic ${btoa(`${client_id}:${client_secret}`)}`
      await overload(t, rig, 'the processor', requestOf(rig, 'POST /token HTTP/1.1', [authorization, form], 'grant_type=client_credentials'), { keepsUp: false }) // prettier-ignore
    },
  )
}

import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import Koa, { type Context } from 'koa'
import { createOverload, type OverloadOptions, type ShedReason } from '../../src/http/overload.ts'
import { until } from '../support/embedded.ts'

/** A server of which every request but those to /quick waits until the test lets it go. */
async function startGate(t: ExecutionContext, options: Partial<OverloadOptions> = {}) {
  const shed: ShedReason[] = []
  const changes: boolean[] = []
  const overload = createOverload({
    maxInFlight: 20,
    refuse: (ctx: Context) => void (ctx.body = { error: 'temporarily_unavailable' }),
    onShed: (reason) => void shed.push(reason),
    onChange: ({ shedding }) => void changes.push(shedding),
    ...options,
  })
  const held: (() => void)[] = []
  const app = new Koa()
  app.use(overload.middleware)
  app.use(async (ctx) => {
    if (ctx.path !== '/quick') await new Promise<void>((go) => held.push(go))
    ctx.body = 'done'
  })
  const server = createServer(overload.guard(app.callback())).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    overload.stop()
    server.closeAllConnections()
    server.close()
  })
  const get = (path: string) => fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
  const release = () => held.splice(0).forEach((go) => go())
  return { overload, get, held, release, shed, changes }
}

test.serial(
  'more than the most at once is refused with a time to come back, and served again as soon as there is room',
  async (t) => {
    const { get, held, release, shed } = await startGate(t)
    const working = Array.from({ length: 20 }, () => get('/work'))
    t.true(await until(() => held.length === 20))
    const waits = new Set<string | null>()
    for (let n = 0; n < 20; n += 1) {
      const { status, headers } = await get('/quick')
      t.is(status, 503)
      t.is(headers.get('cache-control'), 'no-store')
      waits.add(headers.get('retry-after'))
    }
    // Not all of them in the same second.
    t.true(waits.size > 1 && [...waits].every((seconds) => Number(seconds) >= 1 && Number(seconds) <= 11))
    t.deepEqual(new Set(shed), new Set(['in_flight']))
    release()
    t.deepEqual(new Set((await Promise.all(working)).map(({ status }) => status)), new Set([200]))
    t.is((await get('/quick')).status, 200)
  },
)

test.serial(
  'a delay that stands makes the limit shrink to what is always tried; when it is over the limit grows back',
  async (t) => {
    let delayMs = 5_000
    const { overload, get, held, release, shed, changes } = await startGate(t, {
      maxInFlight: 100,
      delays: [() => delayMs],
    })
    t.true(await until(() => overload.state().limit === 16))
    const working = Array.from({ length: 16 }, () => get('/work'))
    t.true(await until(() => held.length === 16))
    t.is((await get('/quick')).status, 503)
    t.deepEqual(shed, ['delay'])
    t.deepEqual(changes, [true])
    delayMs = 0
    t.true(await until(() => overload.state().limit === 100))
    t.is((await get('/quick')).status, 200)
    release()
    await Promise.all(working)
    t.true(await until(() => changes.length === 2))
    t.deepEqual(changes, [true, false])
  },
)

test.serial('a delay that is over within the interval is let through', async (t) => {
  const readings = [5_000, 5_000, 0, 5_000, 5_000]
  const { overload } = await startGate(t, { delays: [() => readings.shift() ?? 0] })
  t.true(await until(() => readings.length === 0))
  t.is(overload.state().limit, 20)
})

test.serial(
  'what is exempt passes and counts for nothing; what only waits is refused as others are, and holds no place',
  async (t) => {
    const { get, held, release } = await startGate(t, {
      maxInFlight: 16,
      isExempt: (path) => path === '/exempt',
      isPatient: ({ path }) => path === '/wait',
    })
    const waiting = Array.from({ length: 40 }, (_, n) => get(n % 2 ? '/wait' : '/exempt'))
    t.true(await until(() => held.length === 40))
    t.is((await get('/quick')).status, 200)
    const working = Array.from({ length: 16 }, () => get('/work'))
    t.true(await until(() => held.length === 56))
    t.is((await get('/wait')).status, 503)
    const exempt = get('/exempt')
    t.true(await until(() => held.length === 57))
    release()
    t.is((await exempt).status, 200)
    await Promise.all([...waiting, ...working])
  },
)

test.serial('in a flood what is beyond some is refused in the fewest words, and counted all the same', async (t) => {
  const { get, held, release, shed } = await startGate(t, {
    maxInFlight: 16,
    isExempt: (path) => path === '/exempt',
    refuseBarely: (path) => ({ type: 'application/json', body: JSON.stringify({ barely: path }) }),
  })
  const working = Array.from({ length: 16 }, () => get('/work'))
  t.true(await until(() => held.length === 16))
  const refused = await Promise.all(Array.from({ length: 400 }, () => get('/quick?code=1')))
  const told = new Set(await Promise.all(refused.map((response) => response.text())))
  t.deepEqual(told, new Set(['{"error":"temporarily_unavailable"}', '{"barely":"/quick"}']))
  t.true(refused.every(({ status, headers }) => status === 503 && Number(headers.get('retry-after')) > 0))
  t.is(shed.length, 400)
  const exempt = get('/exempt')
  t.true(await until(() => held.length === 17))
  release()
  t.deepEqual(new Set((await Promise.all([exempt, ...working])).map(({ status }) => status)), new Set([200]))
})

test.serial('a loop that is blocked is a delay', async (t) => {
  const { overload } = await startGate(t)
  for (let n = 0; n < 5; n += 1) {
    const end = performance.now() + 350
    while (performance.now() < end);
    await delay(1)
  }
  t.true(overload.state().limit < 20)
})

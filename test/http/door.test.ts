/** Where requests come in: from the first moment of a start to the last answer of a stop. */
import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { createDoor } from '../../src/http/door.ts'
import { keepAliveLoad } from '../support/keep-alive-load.ts'

async function listening(t: ExecutionContext) {
  const door = createDoor()
  const port = await door.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => door.close())
  return { door, url: `http://127.0.0.1:${port}` }
}

test('while the server is being made the door says so: alive, not ready, come back in a second', async (t) => {
  const { door, url } = await listening(t)
  const [live, ready, other] = await Promise.all(
    ['/health/live', '/health/ready?x', '/token'].map((path) => fetch(`${url}${path}`)),
  )
  t.is(live?.status, 200)
  t.deepEqual([ready?.status, await ready?.json()], [503, { status: 'starting' }])
  t.deepEqual([other?.status, other?.headers.get('retry-after'), other?.headers.get('connection')], [503, '1', 'close'])
  door.open((_, res) => void res.end('here'))
  t.is(door.phase(), 'ready')
  t.is(await (await fetch(url)).text(), 'here')
})

test('a port that is taken is an error with its number', async (t) => {
  const { url } = await listening(t)
  const port = Number(new URL(url).port)
  await t.throwsAsync(createDoor().listen({ host: '127.0.0.1', port }), {
    code: 'EADDRINUSE',
    message: new RegExp(String(port)),
  })
})

test('who leaves serves on, and each connection ends with its answer, the one under way included', async (t) => {
  const { door, url } = await listening(t)
  const arrived = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  door.open(async (req, res) => {
    if (req.url === '/slow') {
      arrived.resolve()
      await answer.promise
    }
    res.end(door.phase())
  })
  const slow = connectionOf(`${url}/slow`)
  await arrived.promise
  t.is(await connectionOf(url), 'keep-alive')
  door.leave({ quietly: true })
  t.is(door.phase(), 'ready', 'another process of the instance takes over')
  door.leave()
  t.is(door.phase(), 'draining')
  t.is(await connectionOf(url), 'close')
  answer.resolve()
  t.is(await slow, 'close')
})

test('no request is lost when the door closes under load', async (t) => {
  const { door, url } = await listening(t)
  let handled = 0
  door.open(async (_, res) => {
    await delay(3)
    handled += 1
    res.end('here')
  })
  const load = keepAliveLoad(url)
  while ((load.answered[200] ?? 0) < 50) await delay(5)
  await door.close()
  while (load.refused === 0) await delay(5)
  await load.stop()
  t.deepEqual(load.lost, [])
  t.is(load.answered[200], handled, 'everything that was taken was answered')
})

test('connections that nobody uses do not hold the door open', async (t) => {
  const { door, url } = await listening(t)
  door.open((_, res) => void res.end('here'))
  await fetch(url)
  const began = performance.now()
  await door.close()
  t.true(performance.now() - began < 2000)
})

function connectionOf(url: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const ask = request(url, { headers: { connection: 'keep-alive' } }, (response) => {
      response.resume().once('end', () => resolve(response.headers.connection))
    })
    ask.once('error', reject).end()
  })
}

import test from 'ava'
import { closedLoop, openLoop, type Clock } from '../../bench/support/schedule.ts'

/** Time that passes only while somebody sleeps: the earliest sleeper is woken when everything else has run. */
function fakeClock(): Clock {
  let now = 0
  const sleepers: { at: number; wake: () => void }[] = []
  const next = () => {
    const earliest = sleepers.toSorted((a, b) => a.at - b.at)[0]
    if (!earliest) return
    sleepers.splice(sleepers.indexOf(earliest), 1)
    now = Math.max(now, earliest.at)
    earliest.wake()
  }
  return {
    now: () => now,
    sleep: (ms) =>
      new Promise((wake) => {
        sleepers.push({ at: now + ms, wake })
        setImmediate(next)
      }),
  }
}

test('arrivals keep their rate while the server stands still, and what they waited counts', async (t) => {
  const clock = fakeClock()
  const latencies: number[] = []
  // Ten arrivals, one every 10 ms; one client; the first request takes 55 ms, all others 1 ms.
  await openLoop(
    { perSecond: 100, seconds: 0.1 },
    1,
    async (_client, due) => {
      await clock.sleep(latencies.length === 0 ? 55 : 1)
      latencies.push(clock.now() - due)
    },
    clock,
  )
  t.deepEqual(latencies.map(Math.round), [55, 46, 37, 28, 19, 10, 1, 1, 1, 1])
})

test('an arrival does not wait for another when a client is free', async (t) => {
  const clock = fakeClock()
  const begun: number[] = []
  await openLoop(
    { perSecond: 100, seconds: 0.05 },
    8,
    async () => {
      begun.push(clock.now())
      await clock.sleep(1000)
    },
    clock,
  )
  t.deepEqual(begun, [0, 10, 20, 30, 40])
})

test('in a closed loop nobody asks again before the answer', async (t) => {
  const underWay = new Set<number>()
  let asked = 0
  await closedLoop(
    3,
    async (client) => {
      t.false(underWay.has(client))
      underWay.add(client)
      await new Promise((resolve) => setImmediate(resolve))
      underWay.delete(client)
      asked += 1
      return true
    },
    () => asked >= 10,
  )
  t.true(asked >= 10 && asked < 13)
})

test('a client with nothing left stops, and the others go on', async (t) => {
  const left = [1, 5]
  await closedLoop(
    2,
    (client) => Promise.resolve((left[client]! -= 1) >= 0),
    () => false,
  )
  t.deepEqual(left, [-1, -1])
})

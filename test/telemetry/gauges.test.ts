/** Numbers that are read when somebody asks, and what is told when they can't be. */
import test from 'ava'
import { Registry } from 'prom-client'
import { collectGauges } from '../../src/telemetry/gauges.ts'
import type { GaugeValue } from '../../src/telemetry/metrics.ts'
import { sparing } from '../../src/telemetry/sparing.ts'

const GAUGES = [
  { name: 'waiting', help: 'by queue', labels: ['queue'], ofWorkers: 'max' },
  { name: 'all', help: 'alone', ofWorkers: 'max' },
] as const

test('a number that can not be read, or not in time, is left out and the others are there', async (t) => {
  const registry = new Registry()
  let answer: () => Promise<GaugeValue<'queue'>[][]> = () =>
    Promise.resolve([[{ labels: { queue: 'events' }, value: 3 }], [{ value: 4 }]])
  collectGauges(registry, GAUGES, () => answer(), 20)
  collectGauges(registry, [{ name: 'other', help: 'another', ofWorkers: 'max' }], () =>
    Promise.resolve([[{ value: 5 }]]),
  )
  const lines = async () => (await registry.metrics()).split('\n').filter((line) => line && !line.startsWith('#'))
  t.deepEqual(await lines(), ['waiting{queue="events"} 3', 'all 4', 'other 5'])
  answer = () => Promise.reject(new Error('the database is away'))
  t.deepEqual(await lines(), ['other 5'])
  answer = () => new Promise(() => undefined)
  t.deepEqual(await lines(), ['other 5'])
})

test('gauges that are told together are read once', async (t) => {
  const registry = new Registry()
  let reads = 0
  collectGauges(registry, GAUGES, () => Promise.resolve([[], [{ value: (reads += 1) }]]))
  await registry.metrics()
  t.is(reads, 1)
  await registry.metrics()
  t.is(reads, 2)
})

test('what is dear to read is read again only when it is old, and a failure is never kept', async (t) => {
  let now = 0
  let reads = 0
  let isBroken = false
  const read = sparing(
    30,
    () => (isBroken ? Promise.reject(new Error('broken')) : Promise.resolve((reads += 1))),
    () => now,
  )
  t.deepEqual([await read(), await read()], [1, 1])
  now = 29_999
  t.is(await read(), 1)
  now = 30_000
  isBroken = true
  await t.throwsAsync(read())
  isBroken = false
  t.is(await read(), 2)
})

/** Metrics of several workers, told as one. */
import { EventEmitter } from 'node:events'
import test from 'ava'
import type { MetricSnapshot } from '../../src/telemetry/metrics.ts'
import { answerForWorker, createWorkerMetrics, type Worker } from '../../src/telemetry/worker-metrics.ts'

/** A worker on the other end of a channel, with a counter of its own. */
class FakeWorker extends EventEmitter implements Worker {
  readonly id: number
  requests = 0
  isHung = false
  readonly parent = new EventEmitter()
  readonly answering: { stop(): Promise<void> }

  constructor(id: number, tell: (worker: FakeWorker, message: unknown) => void) {
    super()
    this.id = id
    const send = (message: unknown, _handle: unknown, _options: unknown, done: () => void) => {
      tell(this, structuredClone(message))
      done()
    }
    this.answering = answerForWorker(() => Promise.resolve(this.snapshot()), Object.assign(this.parent, { send }))
  }

  isConnected(): boolean {
    return true
  }

  send(message: unknown): void {
    if (!this.isHung) this.parent.emit('message', message)
  }

  snapshot(): MetricSnapshot[] {
    const labels = { route: '/token' }
    return [
      { name: 'requests', help: 'h', type: 'counter', aggregator: 'sum', values: [{ value: this.requests, labels }] },
      { name: 'age', help: 'h', type: 'gauge', aggregator: 'max', values: [{ value: this.id, labels: {} }] },
    ]
  }
}

function crew(count: number) {
  const workers: FakeWorker[] = []
  const metrics = createWorkerMetrics(() => workers, { patienceMs: 30 })
  const add = (id: number) => workers.push(new FakeWorker(id, (worker, message) => metrics.onMessage(worker, message)))
  for (let id = 1; id <= count; id += 1) add(id)
  const end = (worker: FakeWorker) => {
    workers.splice(workers.indexOf(worker), 1)
    metrics.onExit(worker)
  }
  const told = async () => {
    const { body } = await metrics.collect()
    const read = (series: string) =>
      Number(
        body
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.split(' ')[1],
      )
    const names = { requests: 'requests{route="/token"}', age: 'age', running: 'grantry_workers', silent: 'grantry_workers_silent' } // prettier-ignore
    return Object.fromEntries(Object.entries(names).map(([name, series]) => [name, read(series)]))
  }
  return { workers, add, end, told }
}

test('counters of all workers are added up; of what each reads of the same thing the largest counts', async (t) => {
  const { workers, told } = crew(3)
  for (const worker of workers) worker.requests = worker.id * 10
  t.deepEqual(await told(), { requests: 60, age: 3, running: 3, silent: 0 })
})

test('what a worker counted stays counted when it ends, so that no rate sees a step back or a burst', async (t) => {
  const { workers, add, end, told } = crew(2)
  const [first, second] = workers as [FakeWorker, FakeWorker]
  first.requests = 10
  second.requests = 5
  t.is((await told()).requests, 15)
  first.requests = 12
  await first.answering.stop()
  end(first)
  t.like(await told(), { requests: 17, age: 2, running: 1 })
  add(3)
  for (let round = 0; round < 3; round += 1) {
    const last = workers.at(-1)!
    last.requests = 1
    await told()
    end(last)
    add(4 + round)
  }
  t.is((await told()).requests, 20)
})

test('a worker that is stuck delays nobody for long and keeps what it had counted', async (t) => {
  const { workers, told } = crew(2)
  for (const worker of workers) worker.requests = 4
  t.is((await told()).requests, 8)
  workers[0]!.isHung = true
  workers[1]!.requests = 6
  t.deepEqual(await told(), { requests: 10, age: 2, running: 2, silent: 1 })
})

test('messages of others on the same channel are nobody’s metrics', async (t) => {
  const { workers, told } = crew(1)
  const [worker] = workers
  for (const message of [undefined, null, 'text', { grantry: 'ready' }, { type: 'other', metrics: [] }]) {
    worker!.parent.emit('message', message)
  }
  worker!.requests = 1
  t.is((await told()).requests, 1)
})

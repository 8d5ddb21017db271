/**
 * Metrics of a server that runs as several processes: each worker counts for itself, and the process above adds up when it is
 * asked. A worker that does not answer in time is left out rather than waited for: a hung worker is when metrics are needed. What
 * a worker had counted when it ended stays counted, or every replaced worker would look like a burst of requests to a rate.
 */
import type { CollectedMetrics, MetricSnapshot } from './metrics.ts'

/** What travels between the processes. */
interface Question {
  type: 'grantry:metrics?'
  id: number
}
interface Reply {
  type: 'grantry:metrics'
  /** Of the question; undefined: a worker's last word. */
  id: number | undefined
  metrics: MetricSnapshot[]
}

/** A worker as `node:cluster` has it. */
export interface Worker {
  id: number
  isConnected(): boolean
  send(message: Question): unknown
}

/** This process, as seen from a worker. */
export interface Parent {
  on(event: 'message', listener: (message: unknown) => void): unknown
  off(event: 'message', listener: (message: unknown) => void): unknown
  /** The callback is called when it is written, or can't be. */
  send?: (message: Reply, handle: undefined, options: undefined, callback: () => void) => unknown
}

const PATIENCE_MS = 3000

export interface WorkerMetrics {
  collect: () => Promise<CollectedMetrics>
  /** To be called with every message of a worker. */
  onMessage: (worker: Pick<Worker, 'id'>, message: unknown) => void
  /** To be called when a worker has ended. */
  onExit: (worker: Pick<Worker, 'id'>) => void
}

/** @param workers those that run now */
export function createWorkerMetrics(
  workers: () => readonly Worker[],
  { patienceMs = PATIENCE_MS }: { patienceMs?: number } = {},
): WorkerMetrics {
  const lastWords = new Map<number, MetricSnapshot[]>()
  const asked = new Map<number, (id: number, metrics: MetricSnapshot[]) => void>()
  let ended: MetricSnapshot[] = []
  let questions = 0

  async function ask(): Promise<{ answers: MetricSnapshot[][]; silent: number }> {
    const question: Question = { type: 'grantry:metrics?', id: (questions += 1) }
    const awaited = new Set(workers().filter((worker) => worker.isConnected()).map(({ id }) => id)) // prettier-ignore
    const answers: MetricSnapshot[][] = []
    const complete = Promise.withResolvers<void>()
    asked.set(question.id, (id, metrics) => {
      if (awaited.delete(id)) answers.push(metrics)
      if (awaited.size === 0) complete.resolve()
    })
    const timer = setTimeout(complete.resolve, patienceMs)
    for (const worker of workers()) if (awaited.has(worker.id)) worker.send(question)
    if (awaited.size > 0) await complete.promise
    clearTimeout(timer)
    asked.delete(question.id)
    // Who is silent now has been counted before: without it, its counters would seem to begin anew at its next answer.
    for (const id of awaited) answers.push(counted(lastWords.get(id) ?? []))
    return { answers, silent: awaited.size }
  }

  return {
    async collect() {
      const { AggregatorRegistry } = await import('prom-client')
      const { answers, silent } = await ask()
      const all = [...answers, ended, workerGauges(workers().length, silent)]
      const registry = AggregatorRegistry.aggregate(all)
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
    onMessage({ id }, message) {
      if (!isReply(message)) return
      lastWords.set(id, message.metrics)
      if (message.id !== undefined) asked.get(message.id)?.(id, message.metrics)
    },
    onExit({ id }) {
      const last = counted(lastWords.get(id) ?? [])
      lastWords.delete(id)
      ended = addUp([ended, last])
    },
  }
}

/** In a worker: answers the process above. @returns how to say a last word, and stop */
export function answerForWorker(
  snapshot: () => Promise<MetricSnapshot[]>,
  parent: Parent = process,
): { stop(): Promise<void> } {
  async function tell(id: number | undefined): Promise<void> {
    const metrics = await snapshot().catch(() => [])
    await new Promise<void>((resolve) => {
      if (!parent.send) return resolve()
      parent.send({ type: 'grantry:metrics', id, metrics }, undefined, undefined, resolve)
    })
  }
  const listener = (message: unknown): void => {
    if (isQuestion(message)) void tell(message.id)
  }
  parent.on('message', listener)
  return {
    async stop() {
      parent.off('message', listener)
      await tell(undefined)
    },
  }
}

function isQuestion(message: unknown): message is Question {
  return (message as { type?: unknown } | undefined)?.type === 'grantry:metrics?'
}

function isReply(message: unknown): message is Reply {
  return (message as { type?: unknown } | undefined)?.type === 'grantry:metrics'
}

/** What only grows; a gauge of a process that is gone says nothing. */
function counted(metrics: readonly MetricSnapshot[]): MetricSnapshot[] {
  return metrics.filter(({ type, aggregator }) => (type === 'counter' || type === 'histogram') && aggregator === 'sum')
}

/** Sums by name and labels, so that what is kept of those who have ended does not grow with their number. */
function addUp(all: readonly (readonly MetricSnapshot[])[]): MetricSnapshot[] {
  const sums = new Map<string, { metric: MetricSnapshot; values: Map<string, MetricSnapshot['values'][number]> }>()
  for (const metric of all.flat()) {
    const sum = sums.get(metric.name) ?? { metric, values: new Map<string, MetricSnapshot['values'][number]>() }
    sums.set(metric.name, sum)
    for (const value of metric.values) {
      const key = JSON.stringify([
        value.metricName,
        Object.entries(value.labels).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      ])
      const before = sum.values.get(key)?.value ?? 0
      sum.values.set(key, { ...value, value: before + value.value })
    }
  }
  return [...sums.values()].map(({ metric, values }) => ({ ...metric, values: [...values.values()] }))
}

function workerGauges(running: number, silent: number): MetricSnapshot[] {
  const gauge = (name: string, help: string, value: number): MetricSnapshot => ({
    name,
    help,
    type: 'gauge',
    aggregator: 'sum',
    values: [{ value, labels: {} }],
  })
  return [
    gauge('grantry_workers', 'Worker processes that run.', running),
    gauge('grantry_workers_silent', 'Workers that did not tell their metrics in time.', silent),
  ]
}

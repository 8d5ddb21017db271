/**
 * Rides along in the server's process (`--import`), so that the server itself knows nothing of being measured. It counts what
 * goes to PostgreSQL, tells how late the event loop is and how long queries wait for a connection, and takes CPU profiles.
 * It answers on a socket named after the process in PROBE_DIRECTORY; probe-client.ts asks.
 */
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance, type EventLoopUtilization } from 'node:perf_hooks'
import pg from 'pg'
import { percentile } from './statistics.ts'

export interface Readings {
  /** Executions of statements. */
  statements: number
  /** Times that PostgreSQL said it was done: what somebody waited for. */
  roundTrips: number
  /** Event-loop delay since `observe`, ms; zero when not observed. */
  loop: { p50: number; p99: number; busy: number }
  /** Wait for a connection since `observe`, ms. */
  poolWait: { p50: number; p99: number }
}

export type ProbeQuestion = 'read' | 'observe' | 'profile' | `save ${string}`

const LOOP_RESOLUTION_MS = 10
const counts = { statements: 0, roundTrips: 0 }
const delays = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
let used: EventLoopUtilization = performance.eventLoopUtilization()
let waits: number[] | undefined
let session: Session | undefined

type Method = (this: unknown, ...parameters: unknown[]) => unknown

function wrap(prototype: object, name: string, before: () => void): void {
  const methods = prototype as Record<string, Method>
  const original = methods[name]!
  methods[name] = function (...parameters) {
    before()
    return original.apply(this, parameters)
  }
}

// A simple query is one statement and one round trip; in the extended protocol each execute is a statement, and each sync
// ends with the server's word that it is ready (PostgreSQL, "Message Flow").
wrap(pg.Connection.prototype, 'query', () => {
  counts.statements += 1
  counts.roundTrips += 1
})
wrap(pg.Connection.prototype, 'execute', () => void (counts.statements += 1))
wrap(pg.Connection.prototype, 'sync', () => void (counts.roundTrips += 1))

const pool = pg.Pool.prototype as unknown as Record<'connect', Method>
const { connect } = pool
pool.connect = function (...parameters) {
  const took = waits
  if (!took) return connect.apply(this, parameters)
  const begin = performance.now()
  const note = () => took.push(performance.now() - begin)
  const [callback] = parameters as [Method | undefined]
  if (!callback) return (connect.apply(this, []) as Promise<unknown>).finally(note)
  return connect.call(this, function (this: unknown, ...results: unknown[]) {
    note()
    return callback.apply(this, results)
  })
}

async function answer(question: ProbeQuestion): Promise<Readings> {
  if (question === 'observe') {
    waits = []
    delays.reset()
    delays.enable()
    used = performance.eventLoopUtilization()
  } else if (question === 'profile') {
    session = new Session()
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
  } else if (question.startsWith('save ') && session) {
    const { profile } = await session.post('Profiler.stop')
    writeFileSync(question.slice(5), JSON.stringify(profile))
    session.disconnect()
  }
  const late = (part: number) => Math.max(0, delays.percentile(part) / 1e6 - LOOP_RESOLUTION_MS)
  const busy = performance.eventLoopUtilization(used).utilization
  const readings = {
    ...counts,
    loop: { p50: late(50), p99: late(99), busy },
    poolWait: { p50: percentile(waits ?? [], 0.5), p99: percentile(waits ?? [], 0.99) },
  }
  if (question === 'read') {
    delays.disable()
    waits = undefined
  }
  return readings
}

const directory = process.env.PROBE_DIRECTORY
if (directory) {
  const server = createServer((socket) => {
    socket.unref()
    socket.on('error', () => undefined)
    socket.once('data', (data) => {
      void answer(String(data).trim() as ProbeQuestion).then((readings) => socket.end(JSON.stringify(readings)))
    })
  })
  server.listen(join(directory, `${process.pid}.sock`)).unref()
}

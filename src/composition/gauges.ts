/** What is read of the parts when Prometheus asks. All of it is cheap, and what needs the database is kept for a while. */
import { tableSizes } from '../database/table-sizes.ts'
import { readBacklog } from '../events/backlog.ts'
import { readKeyAges } from '../keys/ages.ts'
import type { GaugeValue, Metrics } from '../telemetry/metrics.ts'
import { sparing } from '../telemetry/sparing.ts'
import type { Parts } from './parts.ts'

const BACKLOG_SECONDS = 5
const KEYS_SECONDS = 15
const TABLES_SECONDS = 30

// Several workers read the same tables: of what they say the largest counts, not the sum.
const ofAll = { ofWorkers: 'max' } as const

export interface Gauged extends Pick<Parts, 'db' | 'keys' | 'policy' | 'overload'> {
  sweeper: { isLeader(): boolean }
}

export function registerGauges(metrics: Metrics, parts: Gauged): void {
  if (!metrics.isOn) return
  watchBacklog(metrics, parts)
  watchKeys(metrics, parts)
  watchTables(metrics, parts)
  watchOverload(metrics, parts)
  metrics.gauges(
    [{ name: 'grantry_sweep_leader', help: '1 in the one process of all that sweeps.', ofWorkers: 'sum' }],
    () => Promise.resolve([[{ value: parts.sweeper.isLeader() ? 1 : 0 }]]),
  )
}

function watchBacklog(metrics: Metrics, { db }: Pick<Parts, 'db'>): void {
  const read = sparing(BACKLOG_SECONDS, () => readBacklog(db.pool))
  const queues = { labels: ['queue'], ...ofAll } as const
  metrics.gauges(
    [
      {
        name: 'grantry_queue_length',
        help: 'What waits: events for their order, deliveries, notices of logouts.',
        ...queues,
      },
      {
        name: 'grantry_queue_oldest_seconds',
        help: 'Age of the oldest of them, those that wait for a retry included.',
        ...queues,
      },
      {
        name: 'grantry_queue_overdue_seconds',
        help: 'For how long the first of them could have been sent.',
        ...queues,
      },
      {
        name: 'grantry_webhook_events_behind',
        help: 'Events that the slowest active webhook has not got to.',
        ...ofAll,
      },
    ],
    async () => {
      const { unordered, deliveries, logouts, behind } = await read()
      const each = (values: readonly [string, number][]) =>
        values.map(([name, value]) => ({ labels: { queue: name }, value }))
      return [
        each([['events', unordered.count], ['webhook_deliveries', deliveries.count], ['logout_notices', logouts.count]]), // prettier-ignore
        each([
          ['events', unordered.oldestSeconds],
          ['webhook_deliveries', deliveries.oldestSeconds],
          ['logout_notices', logouts.oldestSeconds],
        ]),
        each([
          ['events', unordered.oldestSeconds],
          ['webhook_deliveries', deliveries.overdueSeconds],
          ['logout_notices', logouts.overdueSeconds],
        ]),
        [{ value: behind } as GaugeValue<'queue'>],
      ]
    },
  )
  metrics.gauges(
    [{ name: 'grantry_database_up', help: '1 when the database has answered just now.', ofWorkers: 'max' }],
    async () => [[{ value: await read().then(() => 1, () => 0) }]], // prettier-ignore
  )
}

function watchKeys(metrics: Metrics, { db, keys, policy }: Pick<Parts, 'db' | 'keys' | 'policy'>): void {
  const read = sparing(KEYS_SECONDS, () => readKeyAges(db, policy))
  metrics.gauges(
    [
      {
        name: 'grantry_signing_key_age_seconds',
        help: 'Since when the oldest key of an algorithm is in its state.',
        labels: ['alg', 'state'],
        ...ofAll,
      },
    ],
    async () => [(await read()).ages.map(({ alg, state, seconds }) => ({ labels: { alg, state }, value: seconds }))],
  )
  metrics.gauges(
    [
      {
        name: 'grantry_signing_key_turnover_seconds',
        help: 'Until the current key hands over; below zero it is overdue.',
        labels: ['alg'],
        ...ofAll,
      },
    ],
    async () => [(await read()).turnOvers.map(({ alg, seconds }) => ({ labels: { alg }, value: seconds }))],
  )
  metrics.gauges(
    [
      {
        name: 'grantry_signing_keys_stale_seconds',
        help: 'Since when this process has not read the keys; of several the longest.',
        ...ofAll,
      },
    ],
    () => Promise.resolve([[{ value: keys.staleSeconds() }]]),
  )
}

function watchTables(metrics: Metrics, { db }: Pick<Parts, 'db'>): void {
  const read = sparing(TABLES_SECONDS, () => tableSizes(db.pool))
  metrics.gauges(
    [
      { name: 'grantry_table_rows', help: 'Rows, as the database estimates them.', labels: ['table'], ...ofAll },
      { name: 'grantry_table_bytes', help: 'Bytes on disk, indexes included.', labels: ['table'], ...ofAll },
    ],
    async () => {
      const sizes = await read()
      return [
        sizes.map(({ table, rows }) => ({ labels: { table }, value: rows })),
        sizes.map(({ table, bytes }) => ({ labels: { table }, value: bytes })),
      ]
    },
  )
}

function watchOverload(metrics: Metrics, { overload }: Pick<Parts, 'overload'>): void {
  metrics.gauges(
    [
      {
        name: 'grantry_requests_limit',
        help: 'Requests that may be under way now; below its most, load is shed.',
        ofWorkers: 'sum',
      },
      {
        name: 'grantry_queue_delay_seconds',
        help: 'What work stands in queues of the process, as last measured.',
        ofWorkers: 'max',
      },
    ],
    () => {
      const { limit, delayMs } = overload.state()
      return Promise.resolve([[{ value: limit }], [{ value: delayMs / 1000 }]])
    },
  )
}

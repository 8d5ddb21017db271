/**
 * `npm run bench [scenario …] [-- --json FILE --seconds N --rounds N --clients N --operations N --rows N --env NAME=VALUE
 * --cpu-prof DIR]`: measures what operations cost. Results that are in the same FILE from earlier runs stay, but for the
 * scenarios that run now. Everything runs on this machine over loopback: a PostgreSQL and servers that are started for it and
 * are gone afterwards. How it measures stands in docs/performance.md.
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { explain } from '../src/lib/explain.ts'
import type { Bench, Options, Scenario } from './scenario.ts'
import { startCluster } from './support/cluster.ts'
import { makeTemplate, startGrantry } from './support/grantry.ts'
import { startLibrary } from './support/library.ts'
import { describeMachine } from './support/machine.ts'
import { printResult } from './support/print.ts'
import { keepResult } from './support/report.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '7' },
    clients: { type: 'string', default: '16' },
    operations: { type: 'string', default: '1000000' },
    warm: { type: 'string', default: '10000' },
    people: { type: 'string', default: '64' },
    rows: { type: 'string', default: '200000' },
    env: { type: 'string', multiple: true, default: [] },
    'cpu-prof': { type: 'string' },
  },
})
const profiles = values['cpu-prof'] === undefined ? undefined : resolve(values['cpu-prof'])
const options: Options = {
  seconds: positive('seconds'),
  rounds: positive('rounds'),
  clients: positive('clients'),
  operations: positive('operations'),
  warmOperations: positive('warm'),
  people: Math.max(positive('people'), positive('clients')),
  rows: positive('rows'),
  environment: Object.fromEntries(values.env.map((pair) => pair.split(/=(.*)/s, 2) as [string, string])),
  profiles,
}
if (profiles !== undefined) mkdirSync(profiles, { recursive: true })

const scenarios = await findScenarios()
const unknown = positionals.find((name) => !scenarios.some((scenario) => scenario.name === name))
if (unknown === undefined) {
  const wanted = scenarios.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  await runAll(wanted)
} else {
  console.error(`there is no scenario ${unknown}; there are ${scenarios.map(({ name }) => name).join(', ')}`)
  process.exitCode = 2
}

function positive(name: 'seconds' | 'rounds' | 'clients' | 'operations' | 'warm' | 'people' | 'rows'): number {
  const value = Number(values[name])
  if (value > 0) return value
  console.error(`--${name} must be a number above 0`)
  process.exit(2)
}

async function findScenarios(): Promise<Scenario[]> {
  const directory = join(import.meta.dirname, 'scenarios')
  const files = readdirSync(directory).filter((file) => file.endsWith('.ts'))
  const modules = await Promise.all(
    files.map((file) => import(join(directory, file)) as Promise<{ scenario: Scenario }>),
  )
  return modules.map(({ scenario }) => scenario).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

async function runAll(wanted: readonly Scenario[]): Promise<void> {
  const ends: (() => unknown)[] = []
  const endAll = async (until = 0) => {
    while (ends.length > until) await ends.pop()!()
  }
  const interrupted = () => void endAll().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted)
  try {
    const cluster = await startCluster()
    ends.push(() => cluster.close())
    const template = await makeTemplate(cluster, options)
    const bench: Bench = {
      options,
      say: (line) => void process.stderr.write(`  ${line}\n`),
      after: (end) => void ends.push(end),
      async startGrantry(given = {}) {
        const environment = { ...options.environment, ...given.environment }
        const server = await startGrantry(cluster, template, { ...given, environment })
        ends.push(() => server.close())
        return server
      },
      async startLibrary(seed) {
        const server = await startLibrary(seed)
        ends.push(() => server.close())
        return server
      },
    }
    const machine = describeMachine()
    const kept = ends.length
    for (const scenario of wanted) {
      const { name, title } = scenario
      process.stderr.write(`${name}\n`)
      try {
        const named = { name, title, date: machine.date, ...(await scenario.run(bench)) }
        printResult(named)
        if (values.json !== undefined) keepResult(values.json, { machine, options }, named)
      } catch (error) {
        // The others may still be measured, which can take an hour.
        console.error(`${name} failed: ${explain(error)}`)
        process.exitCode = 1
      } finally {
        await endAll(kept)
      }
    }
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted)
    await endAll()
  }
}

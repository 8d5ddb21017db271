import test from 'ava'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { plotsOf } from '../../bench/document/plots.ts'
import { fill, tablesOf } from '../../bench/document/tables.ts'
import type { Scenario } from '../../bench/scenario.ts'
import type { Report } from '../../bench/support/report.ts'

const root = join(import.meta.dirname, '..', '..')
const document = readFileSync(join(root, 'docs', 'performance.md'), 'utf8')
const results = join(root, 'bench', 'results.json')

const report: Report = {
  machine: {
    cpu: 'A CPU',
    cores: 2,
    memoryGb: 8,
    node: 'v24.0.0',
    date: '2026-01-01',
    signatures: { RS256: 250, ES256: 25, Ed25519: 30 },
  },
  options: {
    seconds: 2,
    rounds: 7,
    clients: 16,
    operations: 1,
    warmOperations: 1,
    people: 16,
    rows: 1,
    environment: {},
  },
  scenarios: [
    {
      name: 'refresh',
      title: 'Refresh <rotation>',
      date: '2026-01-01',
      operation: 'a refresh',
      cpu: { server: 900, postgres: 300 },
      libraryCpu: 700,
      signatureCpu: { RS256: 250 },
      ratio: 1.29,
      inSignatures: 4.8,
      perSecond: 800,
      latency: { p50: 1, p95: 2, p99: 30, max: 40, perSecond: 400 },
      askedAlone: { statements: 4, roundTrips: 2 },
      asked: { statements: 3, roundTrips: 1.5 },
      series: {
        memory: [
          { x: 0, y: 100 },
          { x: 10, y: 120 },
        ],
      },
      verdicts: [
        { what: 'this', measured: 4.8, atMost: 6, unit: 'signatures' },
        { what: 'that', measured: 30, atMost: 25, unit: 'ms' },
      ],
    },
  ],
}

test('tables tell what was measured, and of each limit whether it is met', (t) => {
  const { limits, cost, behaviour } = tablesOf(report)
  t.regex(limits!, /\| this \| 4\.8 signatures \| 6 signatures \| met \|/)
  t.regex(limits!, /\| that \| 30 ms \| 25 ms \| \*\*missed\*\*, 1\.2 × \|/)
  t.regex(cost!, /\| Refresh <rotation> \| 900 \| 300 \| 700 \| 1\.29 \| 4\.8 \| 2 \| 4 \| 1\.5 \|/)
  t.regex(behaviour!, /\| 800 \| 400 \| 1 \/ 2 \/ 30 \|/)
})

test('filling the document a second time changes nothing, and leaves alone what people wrote', (t) => {
  const once = fill(document, tablesOf(report))
  t.is(fill(once, tablesOf(report)), once)
  const written = (text: string) => text.replaceAll(/<!-- bench:(\w+) -->[\s\S]*?<!-- \/bench:\1 -->/g, '')
  t.is(written(once), written(document))
  t.throws(() => fill('# Nothing', tablesOf(report)), { message: /no place for machine/ })
})

test('plots are images that say in words what they show', (t) => {
  const plots = plotsOf(report)
  t.deepEqual([...plots.keys()], ['limits.svg', 'cpu.svg', 'latency.svg', 'refresh.svg'])
  for (const svg of plots.values()) {
    t.regex(svg, /^<svg [^>]*viewBox="0 0 390 \d+"[^>]*aria-labelledby="title desc"/)
    t.notRegex(svg, /NaN|undefined|Infinity|<rotation>/)
    t.regex(svg, /prefers-color-scheme: dark/)
  }
  t.regex(plots.get('limits.svg')!, /class="c"[\s\S]*class="bad"/)
})

test('the document shows what bench/results.json holds, with every plot that there is', (t) => {
  if (!existsSync(results)) return void t.pass('nothing was measured for good yet')
  const measured = JSON.parse(readFileSync(results, 'utf8')) as Report
  t.is(fill(document, tablesOf(measured)), document, 'npm run bench:plot')
  for (const [name, svg] of plotsOf(measured)) {
    t.is(readFileSync(join(root, 'docs', 'performance', name), 'utf8'), svg, `${name}: npm run bench:plot`)
    t.true(document.includes(`(performance/${name})`), name)
  }
  return undefined
})

test('the document names every scenario', async (t) => {
  const directory = join(root, 'bench', 'scenarios')
  for (const file of readdirSync(directory)) {
    const { scenario } = (await import(join(directory, file))) as { scenario: Scenario }
    t.is(`${scenario.name}.ts`, file)
    t.true(document.includes(`\`${scenario.name.replace('client-credentials-', '-')}\``), scenario.name)
  }
})

/**
 * `node bench/profile.ts FILE.cpuprofile … [--top 25]`: where the time of a CPU profile went, by package and by function, without
 * a viewer. Time in which the process waited is left out, and so is the profiler. A profile sees the main thread alone:
 * signatures in the thread pool are not in it.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  /** Of the node that each sample hit. */
  samples: number[]
  /** µs since the sample before. */
  timeDeltas: number[]
}

const WAITING = ['(idle)', '(root)']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { top: { type: 'string', default: '25' } },
})

for (const file of positionals) {
  const spent = spentIn(JSON.parse(readFileSync(file, 'utf8')) as Profile)
  const total = spent.reduce((sum, { cost }) => sum + cost, 0)
  console.log(`\n${file}: ${(total / 1e6).toFixed(2)} s`)
  print(
    group(spent, ({ place }) => place),
    total,
  )
  print(
    group(spent, ({ place, name }) => `${name}  (${place})`),
    total,
  )
}

/** Of each node: its own time, without what it called. */
function spentIn({ nodes, samples, timeDeltas }: Profile) {
  const costs = new Map<number, number>()
  for (const [index, id] of samples.entries()) costs.set(id, (costs.get(id) ?? 0) + (timeDeltas[index] ?? 0))
  return nodes
    .filter(({ callFrame: { functionName, url } }) => !WAITING.includes(functionName) && url !== 'node:inspector')
    .map(({ id, callFrame: { functionName, url, lineNumber } }) => ({
      name: `${functionName || '(anonymous)'}:${lineNumber + 1}`,
      place: placeOf(url),
      cost: costs.get(id) ?? 0,
    }))
}

/** The package, the folder of ours, or Node itself. */
function placeOf(url: string): string {
  const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? []
  if (name !== undefined) return name
  const [, ours] = /\/(src\/[^?]*)$/.exec(url) ?? []
  return ours ?? (url === '' ? 'the engine' : url.replace(/^.*\/(?=[^/]+$)/, ''))
}

type Spent = ReturnType<typeof spentIn>[number]

function group(all: readonly Spent[], by: (spent: Spent) => string): Map<string, number> {
  const groups = new Map<string, number>()
  for (const spent of all) groups.set(by(spent), (groups.get(by(spent)) ?? 0) + spent.cost)
  return groups
}

function print(groups: ReadonlyMap<string, number>, total: number): void {
  console.log()
  const sorted = [...groups].toSorted(([, a], [, b]) => b - a).slice(0, Number(values.top))
  for (const [name, cost] of sorted) console.log(`${((100 * cost) / total).toFixed(1).padStart(6)} %  ${name}`)
}

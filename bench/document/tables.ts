/** The tables of docs/performance.md: nobody copies figures by hand. */
import { figure } from '../support/print.ts'
import type { NamedResult, Report } from '../support/report.ts'

/** By the name of their place in the document. */
export function tablesOf(report: Report): Record<string, string> {
  return {
    machine: machine(report),
    limits: limits(report),
    cost: cost(report),
    behaviour: behaviour(report),
    others: others(report),
  }
}

/**
 * Puts each table between its marks, `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`.
 * @throws Error when the document has no place for one
 */
export function fill(document: string, tables: Readonly<Record<string, string>>): string {
  return Object.entries(tables).reduce((filled, [name, table]) => {
    const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`]
    const [from, to] = [filled.indexOf(begin), filled.indexOf(end)]
    if (from < 0 || to < from) throw new Error(`the document has no place for ${name}`)
    return `${filled.slice(0, from + begin.length)}\n\n${table}\n\n${filled.slice(to)}`
  }, document)
}

function machine({ machine: { cpu, cores, memoryGb, node, date, signatures }, options }: Report): string {
  const signed = Object.entries(signatures).map(([name, cost]) => `${name} ${figure(cost)} µs`)
  return [
    `${cpu}, ${cores} cores, ${memoryGb} GB, Node ${node}, PostgreSQL on the same machine, ${date}.`,
    `Bare signatures at the beginning: ${signed.join(', ')}.`,
    `${options.rounds} rounds of ${figure(options.seconds)} s with ${options.clients} clients at once.`,
    ...Object.entries(options.environment).map(([name, value]) => `With ${name}=${value}.`),
  ].join(' ')
}

function limits({ scenarios }: Report): string {
  const rows = scenarios.flatMap(({ name, verdicts = [] }) =>
    verdicts.map(({ what, measured, atMost, unit }) => [
      what,
      `${figure(measured)} ${unit}`.trim(),
      `${figure(atMost)} ${unit}`.trim(),
      measured <= atMost ? 'met' : `**missed**, ${figure(measured / atMost)} ×`,
      `\`${name}\``,
    ]),
  )
  return table(['what', '>measured', '>at most', 'verdict', 'scenario'], rows)
}

function cost({ scenarios }: Report): string {
  const rows = scenarios
    .filter(({ cpu }) => cpu !== undefined)
    .map((result) => {
      const { title, cpu, libraryCpu, ratio, inSignatures, asked, askedAlone } = result
      return [
        title,
        figure(cpu!.server),
        figure(cpu!.postgres),
        show(libraryCpu),
        show(ratio),
        show(inSignatures),
        show(askedAlone?.roundTrips),
        show(askedAlone?.statements),
        show(asked?.roundTrips),
      ]
    })
  const head = ['operation', '>server, µs', '>PostgreSQL, µs', '>library, µs', '>server over library']
  const more = ['>all, in signatures', '>round trips', '>statements', '>round trips under load']
  return table([...head, ...more], rows)
}

function behaviour({ scenarios }: Report): string {
  const rows = scenarios
    .filter(({ latency }) => latency !== undefined)
    .map(({ title, perSecond, latency, loop, poolWait, memory, bottleneck = '' }) => [
      title,
      show(perSecond),
      figure(latency!.perSecond),
      [latency!.p50, latency!.p95, latency!.p99].map(figure).join(' / '),
      show(loop?.p99),
      show(poolWait?.p99),
      show(memory),
      bottleneck,
    ])
  const head = ['operation', '>most a second', '>stated load, a second', '>p50 / p95 / p99, ms']
  return table([...head, '>loop late p99, ms', '>pool wait p99, ms', '>memory, MB', 'bottleneck at most'], rows)
}

/** Figures that single scenarios have, by their own names. */
function others({ scenarios }: Report): string {
  const rows = scenarios.flatMap(({ title, figures = {} }) =>
    Object.entries(figures).map(([name, value]) => [title, inWords(name), figure(value)]),
  )
  return table(['scenario', 'figure', '>value'], rows)
}

/** `p99DuringStorm` → `p99 during storm`. */
function inWords(name: string): string {
  return name.replaceAll(/[A-Z][a-z]*/g, (word) => ` ${word.length > 1 ? word.toLowerCase() : word}`)
}

function show(value: NamedResult['ratio']): string {
  return value === undefined ? '' : figure(value)
}

/** A heading that begins with `>` is of a column of numbers. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const names = head.map((name) => name.replace(/^>/, ''))
  const marks = head.map((name) => (name.startsWith('>') ? '--:' : '---'))
  return [names, marks, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

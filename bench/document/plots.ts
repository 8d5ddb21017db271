/** The plots of docs/performance.md, each from a report. */
import type { NamedResult, Report } from '../support/report.ts'
import { figure } from '../support/print.ts'
import { circle, draw, line, MARGIN, path, rectangle, text, WIDTH } from './svg.ts'

const RIGHT = WIDTH - MARGIN
/** Operations beyond this many signatures would press all others into a corner: passwords, which are slow on purpose. */
const MOST_SIGNATURES = 40
const ROW = 44
/** With a line more of text. */
const TALL_ROW = 56

/** By the name of the file. Plots for which the report has nothing are left out. */
export function plotsOf(report: Report): Map<string, string> {
  const plots = { limits: limits(report), cpu: cpu(report), latency: latency(report), ...curves(report) }
  const drawn = Object.entries(plots).filter((plot): plot is [string, string] => plot[1] !== undefined)
  return new Map(drawn.map(([name, svg]) => [`${name}.svg`, svg]))
}

/** Every limit as a bar that ends at what was measured, with a mark at what is allowed. */
function limits({ scenarios }: Report): string | undefined {
  const verdicts = scenarios.flatMap(({ verdicts = [] }) => verdicts)
  if (verdicts.length === 0) return undefined
  const scale = (part: number) => MARGIN + (Math.min(part, 2) / 2) * (RIGHT - MARGIN)
  const parts = verdicts.flatMap(({ what, measured, atMost, unit }, index) => {
    const y = MARGIN + index * ROW
    const isMet = measured <= atMost
    const value = `${figure(measured)} of ${figure(atMost)} ${unit}`.trim()
    return [
      text(MARGIN, y + 12, shorten(what, 66), 'small'),
      rectangle(MARGIN, y + 18, scale(Math.max(0, measured / atMost)) - MARGIN, 12, isMet ? 'c' : 'bad'),
      line(scale(1), y + 15, scale(1), y + 33, 'mark'),
      text(RIGHT, y + 29, isMet ? value : `${value}, missed`, 'small right'),
    ]
  })
  const said = verdicts.map(({ what, measured, atMost, unit }) => `${what}: ${figure(measured)} of ${atMost} ${unit}`)
  return draw({
    title: 'What was measured, beside the limits',
    description: said.join('; '),
    height: 2 * MARGIN + verdicts.length * ROW,
    parts,
  })
}

/** CPU per operation in signatures, server and PostgreSQL apart, with a mark where the bare library is. */
function cpu({ scenarios }: Report): string | undefined {
  const rows = scenarios.filter(({ inSignatures = Infinity }) => inSignatures <= MOST_SIGNATURES)
  if (rows.length === 0) return undefined
  const most = Math.max(...rows.map(({ inSignatures }) => inSignatures!))
  const scale = (signatures: number) => (signatures / most) * (RIGHT - MARGIN - 40)
  const legend = [
    rectangle(MARGIN, MARGIN, 12, 12, 'a'),
    text(MARGIN + 18, MARGIN + 11, 'server'),
    rectangle(90, MARGIN, 12, 12, 'b'),
    text(108, MARGIN + 11, 'PostgreSQL'),
    line(206, MARGIN - 2, 206, MARGIN + 14, 'mark'),
    text(214, MARGIN + 11, 'library in memory'),
  ]
  const parts = rows.flatMap((result, index) => {
    const y = 36 + index * ROW
    const { server, postgres, library } = inSignatures(result)
    const x = MARGIN + scale(server)
    return [
      text(MARGIN, y + 12, shorten(result.title, 66), 'small'),
      rectangle(MARGIN, y + 18, scale(server), 14, 'a'),
      rectangle(x, y + 18, scale(postgres), 14, 'b'),
      ...(library === undefined
        ? []
        : [line(MARGIN + scale(library), y + 15, MARGIN + scale(library), y + 35, 'mark')]),
      text(x + scale(postgres) + 5, y + 30, figure(result.inSignatures!), 'value'),
    ]
  })
  return draw({
    title: 'CPU per operation, in RSA-2048 signatures',
    description: rows.map(({ title, inSignatures }) => `${title}: ${figure(inSignatures!)}`).join('; '),
    height: 36 + rows.length * ROW + MARGIN,
    parts: [...legend, ...parts],
  })
}

/** The whole is the median of the ratios of the rounds; its parts are scaled to it. */
function inSignatures({ cpu, inSignatures = 0, signatureCpu, libraryCpu }: NamedResult) {
  const { server = 1, postgres = 0 } = cpu ?? {}
  const each = inSignatures / (server + postgres)
  const library = libraryCpu === undefined ? undefined : libraryCpu / (signatureCpu?.RS256 ?? 1)
  return { server: server * each, postgres: postgres * each, library }
}

const LEAST_MS = 0.1

/** Latency of each operation at its own fixed rate, on a logarithmic scale. */
function latency({ scenarios }: Report): string | undefined {
  const rows = scenarios.filter(({ latency }) => latency !== undefined)
  if (rows.length === 0) return undefined
  const most = Math.max(10, ...rows.map(({ latency }) => latency!.p99))
  const scale = (ms: number) =>
    MARGIN + (Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / Math.log(most / LEAST_MS)) * (RIGHT - MARGIN - 10)
  const bottom = 40 + rows.length * TALL_ROW
  const ticks = [0.1, 1, 10, 100, 1000].filter((ms) => ms <= most)
  const parts = rows.flatMap(({ title, latency }, index) => {
    const y = 40 + index * TALL_ROW
    const { p50, p95, p99, perSecond } = latency!
    return [
      text(MARGIN, y + 10, shorten(title, 66), 'small'),
      text(MARGIN, y + 24, `p99 ${figure(p99)} ms at ${figure(perSecond)} a second`, 'small value'),
      line(scale(p50), y + 37, scale(p99), y + 37, 'mark'),
      circle(scale(p50), y + 37, 'c'),
      circle(scale(p95), y + 37, 'b'),
      circle(scale(p99), y + 37, 'a'),
    ]
  })
  return draw({
    title: 'Latency at a fixed rate',
    description: rows
      .map(({ title, latency }) => `${title}: p50 ${figure(latency!.p50)} ms, p99 ${figure(latency!.p99)} ms`)
      .join('; '),
    height: bottom + 24,
    parts: [
      ...ticks.map((ms) => line(scale(ms), 32, scale(ms), bottom, 'grid')),
      ...ticks.map((ms, index) => text(scale(ms), bottom + 14, `${ms} ms`, index === 0 ? 'small' : 'small middle')),
      ...[['c', 'p50'] as const, ['b', 'p95'] as const, ['a', 'p99'] as const].flatMap(([style, name], index) => [
        circle(MARGIN + 5 + index * 70, MARGIN + 6, style),
        text(MARGIN + 14 + index * 70, MARGIN + 11, name),
      ]),
      ...parts,
    ],
  })
}

/** Each line of points that a scenario has, such as memory over a long run, as a plot of its own. */
function curves({ scenarios }: Report): Record<string, string> {
  const found = scenarios.flatMap(({ name, title, series = {} }) =>
    Object.entries(series).map(([label, points]) => [name, curve(title, label, points)] as const),
  )
  return Object.fromEntries(found)
}

type Points = readonly { x: number; y: number }[]

function curve(title: string, label: string, points: Points): string {
  const [left, top, bottom] = [52, 44, 224]
  const [mostX, mostY] = [Math.max(...points.map(({ x }) => x)), Math.max(...points.map(({ y }) => y))]
  const leastX = Math.min(...points.map(({ x }) => x))
  const x = (value: number) => left + ((value - leastX) / (mostX - leastX || 1)) * (RIGHT - left)
  const y = (value: number) => bottom - (value / mostY) * (bottom - top)
  const steps = [0, 0.25, 0.5, 0.75, 1]
  const placed = points.map((point) => ({ x: x(point.x), y: y(point.y) }))
  return draw({
    title,
    description: `${label}: from ${figure(points[0]!.y)} at ${points[0]!.x} to ${figure(points.at(-1)!.y)} at ${mostX}`,
    height: bottom + 30,
    parts: [
      text(MARGIN, MARGIN + 11, label),
      ...steps.flatMap((part) => [
        line(left, y(part * mostY), RIGHT, y(part * mostY), 'grid'),
        text(left - 6, y(part * mostY) + 4, figure(part * mostY), 'small right'),
      ]),
      text(left, bottom + 18, leastX.toLocaleString('en'), 'small'),
      text(RIGHT, bottom + 18, mostX.toLocaleString('en'), 'small right'),
      path(placed, 'stroke-a'),
      ...(points.length <= 20 ? placed.map((point) => circle(point.x, point.y, 'a')) : []),
    ],
  })
}

function shorten(said: string, length: number): string {
  return said.length <= length ? said : `${said.slice(0, length - 1).trimEnd()}…`
}

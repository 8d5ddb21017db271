/** Results for the terminal. */
import type { NamedResult } from './report.ts'

export function printResult(result: NamedResult): void {
  console.log(`\n${result.name}: ${result.title}`)
  for (const [name, value] of rowsOf(result)) console.log(`  ${name.padEnd(26)}${value}`)
  for (const { what, measured, atMost, unit } of result.verdicts ?? []) {
    const said = measured <= atMost ? 'met' : `MISSED by ${(measured / atMost).toFixed(2)} ×`
    console.log(`  ${said.padEnd(26)}${what}: ${figure(measured)} ${unit} (at most ${atMost})`)
  }
  for (const note of result.notes ?? []) console.log(`  note                      ${note}`)
}

/** Name and value of each figure that there is. */
function rowsOf(result: NamedResult): [string, string][] {
  const {
    overAgainst,
    cpu,
    libraryCpu,
    signatureCpu,
    ratio,
    inSignatures,
    latency,
    asked,
    askedAlone,
    loop,
    poolWait,
  } = result
  const rows: [string, string | undefined][] = [
    ['CPU, µs', cpu && `server ${figure(cpu.server)}, PostgreSQL ${figure(cpu.postgres)}`],
    ['CPU of the library, µs', libraryCpu === undefined ? undefined : figure(libraryCpu)],
    ['bare signature, µs', signatureCpu && listOf(signatureCpu)],
    ['server over library', ratio === undefined ? undefined : `${figure(ratio)} ×`],
    ['server over the other', overAgainst === undefined ? undefined : `${figure(overAgainst)} ×`],
    ['server + PostgreSQL', inSignatures === undefined ? undefined : `${figure(inSignatures)} signatures`],
    ['most in a second', result.perSecond === undefined ? undefined : figure(result.perSecond)],
    [
      'latency, ms',
      latency &&
        `p50 ${figure(latency.p50)}, p95 ${figure(latency.p95)}, p99 ${figure(latency.p99)} at ${latency.perSecond} a second`,
    ],
    [
      'round trips, statements',
      asked &&
        askedAlone &&
        `${figure(askedAlone.roundTrips)}, ${figure(askedAlone.statements)} alone; ${figure(asked.roundTrips)}, ${figure(asked.statements)} together`,
    ],
    [
      'event loop late, ms',
      loop && `p50 ${figure(loop.p50)}, p99 ${figure(loop.p99)}; busy ${figure(loop.busy * 100)} %`,
    ],
    ['wait for the pool, ms', poolWait && `p50 ${figure(poolWait.p50)}, p99 ${figure(poolWait.p99)}`],
    ['memory, MB', result.memory === undefined ? undefined : figure(result.memory)],
    ['CPU of other programs', result.others === undefined ? undefined : `${figure(result.others * 100)} %`],
    ['bottleneck', result.bottleneck],
    ...Object.entries(result.figures ?? {}).map(([name, value]): [string, string] => [name, figure(value)]),
  ]
  return rows.filter((row): row is [string, string] => row[1] !== undefined)
}

function listOf(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${figure(value)}`)
    .join(', ')
}

/** Three digits that count. */
export function figure(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}

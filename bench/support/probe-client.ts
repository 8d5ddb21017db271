import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { ProbeQuestion, Readings } from './probe.ts'

/** Of all processes of a server: counts added up, delays those of the worst. Processes that have ended are passed over. */
export async function askProbes(directory: string, question: (pid: string) => ProbeQuestion): Promise<Readings> {
  const names = readdirSync(directory).filter((name) => name.endsWith('.sock'))
  const answers = await Promise.all(names.map((name) => ask(join(directory, name), question(name.slice(0, -5)))))
  const all = answers.filter((answer) => answer !== undefined)
  const sum = (of: (readings: Readings) => number) => all.reduce((total, readings) => total + of(readings), 0)
  const worst = (of: (readings: Readings) => number | null) => Math.max(0, ...all.map((readings) => of(readings) ?? 0))
  return {
    statements: sum((readings) => readings.statements),
    roundTrips: sum((readings) => readings.roundTrips),
    loop: {
      p50: worst(({ loop }) => loop.p50),
      p99: worst(({ loop }) => loop.p99),
      busy: worst(({ loop }) => loop.busy),
    },
    poolWait: { p50: worst(({ poolWait }) => poolWait.p50), p99: worst(({ poolWait }) => poolWait.p99) },
  }
}

async function ask(path: string, question: ProbeQuestion): Promise<Readings | undefined> {
  const socket = connect(path)
  try {
    socket.write(`${question}\n`)
    return JSON.parse(await text(socket)) as Readings
  } catch {
    return undefined
  }
}

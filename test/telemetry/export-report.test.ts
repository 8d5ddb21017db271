/** A collector that is away costs nobody anything. */
import test from 'ava'
import { reportingExporter } from '../../src/telemetry/export-report.ts'

test('that traces can not be sent is told once, and once that they can be again', (t) => {
  const told: string[] = []
  const log = { warn: (_facts: unknown, text: string) => told.push(text), info: (text: string) => told.push(text) }
  let code = 0
  const answers: number[] = []
  const sender = { export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code }) }
  const exporter = reportingExporter(sender as never, log as never)
  for (code of [0, 1, 1, 1, 0, 0, 1]) exporter.export([], (result) => answers.push(result.code))
  const away = 'traces can not be sent; they are dropped'
  t.deepEqual(told, [away, 'traces are sent again', away])
  t.deepEqual(answers, [0, 1, 1, 1, 0, 0, 1])
})

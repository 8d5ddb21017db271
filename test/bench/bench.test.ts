import test from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Report } from '../../bench/support/report.ts'
import { bareEnvironment } from '../support/environment.ts'

const root = join(import.meta.dirname, '..', '..')

async function bench(...parameters: string[]): Promise<{ code: number | null; output: string; errors: string }> {
  const child = spawn(process.execPath, ['bench/run.ts', ...parameters], {
    cwd: root,
    env: bareEnvironment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit') as Promise<[number | null]>
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited])
  return { code, output, errors }
}

test('one scenario, shortly: every figure is there and can be true', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'grantry-bench-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const json = join(directory, 'results.json')
  const short = ['--seconds', '0.1', '--rounds', '1', '--clients', '2', '--warm', '1', '--people', '1']
  const { code, output, errors } = await bench('client-credentials', ...short, '--json', json)
  t.is(code, 0, errors)
  const { machine, scenarios } = JSON.parse(readFileSync(json, 'utf8')) as Report
  t.true(machine.cores > 0 && machine.signatures.RS256 > machine.signatures.ES256)
  t.is(scenarios.length, 1)
  const [result] = scenarios
  t.is(result!.name, 'client-credentials')
  const signature = result!.signatureCpu!.RS256!
  t.true(signature > 20, 'no machine signs that fast')
  t.true(result!.cpu!.server > signature, 'a token costs more than its signature')
  t.true(result!.libraryCpu! > signature)
  t.true(result!.ratio! > 0.3)
  const { p50, p95, p99 } = result!.latency!
  t.true(p50 > 0 && p50 <= p95 && p95 <= p99)
  t.true(result!.memory! > 30)
  t.true(result!.verdicts![0]!.atMost === 1.1)
  t.regex(output, /server over library/)
})

test('a scenario that there is not is told with those that there are', async (t) => {
  const { code, errors } = await bench('coffee')
  t.is(code, 2)
  t.regex(errors, /no scenario coffee.*client-credentials.*refresh/)
})

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Options, Result } from '../scenario.ts'
import type { Machine } from './machine.ts'

export type NamedResult = Result & { name: string; title: string; date: string }

/** What `--json` writes and the documents are filled from. */
export interface Report {
  /** Where and how the latest of them were measured. */
  machine: Machine
  options: Omit<Options, 'profiles'>
  scenarios: NamedResult[]
}

/**
 * Adds a result to those in the file, in place of an older one of the same name: a run that takes an hour may be made in
 * parts, and one that is interrupted has not been for nothing.
 */
export function keepResult(
  file: string,
  run: Pick<Report, 'machine'> & { options: Options },
  result: NamedResult,
): void {
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report).scenarios : []
  const at = known.findIndex(({ name }) => name === result.name)
  const scenarios = at < 0 ? [...known, result] : known.with(at, result)
  const { profiles: _profiles, ...options } = run.options
  const report: Report = { machine: run.machine, options, scenarios }
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`)
}

import type { Options, Result } from '../scenario.ts'
import type { Machine } from './machine.ts'

export type NamedResult = Result & { name: string; title: string }

/** What `--json` writes and the documents are filled from. */
export interface Report {
  machine: Machine
  options: Options
  scenarios: NamedResult[]
}

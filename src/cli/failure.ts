import { CommanderError } from 'commander'
import { ConfigError } from '../config/load.ts'
import { explain } from '../lib/explain.ts'
import { harmless } from './answer.ts'
import { Interrupted, UsageError } from './terminal.ts'

/** Conventional exit status after SIGINT. */
const INTERRUPTED = 130

/** What goes to standard error: one line, whatever went wrong, never a stack. Undefined when nothing did (`--help`). */
export function failureLine(error: unknown): string | undefined {
  if (error instanceof CommanderError && error.exitCode === 0) return undefined
  return `grantry: ${harmless(sentence(error)).replaceAll(/\s+/g, ' ').trim()}`
}

export function exitStatus(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode
  return error instanceof Interrupted ? INTERRUPTED : 1
}

function sentence(error: unknown): string {
  if (error instanceof CommanderError && error.code === 'commander.help')
    return 'incomplete command (see grantry --help)'
  if (error instanceof CommanderError) return error.message.replace(/^error: /, '')
  if (error instanceof ConfigError) return `the configuration has mistakes: ${error.problems.join('; ')}`
  if (!(error instanceof Error)) return String(error)
  if (error instanceof UsageError || error instanceof Interrupted) return error.message
  const explained = explain(error)
  if (explained === error.stack) return `unexpected error: ${error.message || error.name}`
  return explained
}

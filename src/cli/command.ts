import { userInfo } from 'node:os'
import { InvalidArgumentError, type Command } from 'commander'
import type { Origin } from '../lib/actor.ts'
import { render, type Answer } from './answer.ts'
import { withSession, type Session, type SessionOptions } from './session.ts'
import { UsageError, type Terminal } from './terminal.ts'

/** Who did it, in events and in the audit log. */
export const ACTOR: Origin = { actor: 'cli', channel: 'cli', osUser: osUser() }

/** Options of every command. */
export interface CommonOptions {
  json?: true
}

/** A list as the options give it: undefined when not given, false when taken away by `--no-…`. */
export type GivenList = string[] | false | undefined

/** A command of a noun, with `--json`. */
export function verb(noun: Command, usage: string, about: string): Command {
  return noun.command(usage).description(about).option('--json', 'print one JSON document and nothing else')
}

/** Runs the command on the database and prints what it answers. The work gets the options and then the operands. */
export function answering<Options extends CommonOptions>(
  terminal: Terminal,
  work: (session: Session, options: Options, ...operands: string[]) => Promise<Answer>,
  sessionOptions?: SessionOptions,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const operands = given.slice(0, -2) as string[]
    const options = given.at(-2) as Options
    const answer = await withSession(terminal, (session) => work(session, options, ...operands), sessionOptions)
    terminal.stdout.write(render(answer, options.json ?? false))
  }
}

/** Collects the values of an option that may be given several times. */
export function repeated(value: string, before: GivenList): string[] {
  return [...(before || []), value]
}

/** What was given, as the registry takes it: nothing to leave it, an empty list to clear it. */
export function listOf<T extends string = string>(given: GivenList): T[] | undefined {
  return given === false ? [] : (given as T[] | undefined)
}

function osUser(): string {
  try {
    return userInfo().username
  } catch {
    // Containers run under uids that nobody has named.
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

export function wholeNumber(value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}

export function pointInTime(value: string): Date {
  const time = new Date(value)
  // A date without a zone would mean another instant on another machine.
  if (!/^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:\d\d)$/.test(value) || Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError('It must be a time such as 2030-01-31T12:00:00Z.')
  }
  return time
}

/** @throws UsageError when a change has nothing to change */
export function requireSome(options: CommonOptions): void {
  const given = Object.keys(options).filter((name) => name !== 'json')
  if (given.length === 0) throw new UsageError('nothing to change: give at least one option (see --help)')
}

/**
 * `cli` owns the operator's commands: `grantry <noun> <verb>`, one file a noun. A command reads its options, calls the same
 * use cases as everyone else and prints what they answer; rules live in the registry. Resources and clients can also be
 * changed many at once, by a file (`export`, `apply`: declaration/). It works beside a running server.
 */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { apiKeyCommands } from './api-key.ts'
import { applyCommand } from './apply.ts'
import { auditCommands } from './audit.ts'
import { clientCommands } from './client.ts'
import { eventCommands } from './event.ts'
import { exportCommand } from './export.ts'
import { exitStatus, failureLine } from './failure.ts'
import { keyCommands } from './key.ts'
import { doctorCommand } from './doctor.ts'
import { migrateCommands } from './migrate.ts'
import { registrationTokenCommands } from './registration-token.ts'
import { resourceCommands } from './resource.ts'
import { serveCommand } from './serve.ts'
import { UsageError, type Terminal } from './terminal.ts'
import { userCommands } from './user.ts'
import { webhookCommands } from './webhook.ts'

const NOUNS = [
  clientCommands,
  userCommands,
  resourceCommands,
  apiKeyCommands,
  registrationTokenCommands,
  keyCommands,
  eventCommands,
  webhookCommands,
  auditCommands,
]

/** Runs one command. @returns the exit status; whatever went wrong stands on standard error, in one line */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = createProgram(terminal)
  try {
    requireVerb(program, args)
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    const line = failureLine(error)
    if (line !== undefined) terminal.stderr.write(`${line}\n`)
    return exitStatus(error)
  }
}

function createProgram(terminal: Terminal): Command {
  const program = new Command('grantry')
    .description('operate a Grantry server: clients, users, APIs and keys')
    .version(readVersion(), '--version')
    .exitOverride()
    // What goes wrong is told once, at the end.
    .configureOutput({ writeOut: (text) => terminal.stdout.write(text), writeErr: () => undefined })
  for (const add of NOUNS) add(program, terminal)
  exportCommand(program, terminal)
  applyCommand(program, terminal)
  migrateCommands(program, terminal)
  doctorCommand(program, terminal)
  serveCommand(program, terminal)
  return program
}

/** A page of help on standard error is no answer to half a command. */
function requireVerb(program: Command, args: readonly string[]): void {
  const [noun, verb] = args
  if (noun === undefined) throw new UsageError(`say what to do with what: ${namesOf(program)} (see grantry --help)`)
  const command = program.commands.find((each) => each.name() === noun)
  if (command && command.commands.length > 0 && verb === undefined) {
    throw new UsageError(`say what to do with ${noun}: ${namesOf(command)} (see grantry ${noun} --help)`)
  }
}

function namesOf(command: Command): string {
  return command.commands.map((each) => each.name()).join(', ')
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

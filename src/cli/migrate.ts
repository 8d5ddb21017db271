import type { Command } from 'commander'
import { migrateDown, migrateUp, migrationStatus, type MigrationState } from '../database/migrate.ts'
import { table, type Answer } from './answer.ts'
import { answering, verb } from './command.ts'
import type { Session } from './session.ts'
import type { Terminal } from './terminal.ts'

const OWN = { schema: 'own' } as const

export function migrateCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('migrate').description('the schema of the database')

  verb(noun, 'up', 'bring the schema to the state of this version').action(
    answering(
      terminal,
      async ({ db, log }) => {
        const applied = await migrateUp(db, log)
        return changed({ applied }, applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to do')
      },
      OWN,
    ),
  )

  verb(noun, 'down', 'take the newest migration back, with the data that lives only there').action(
    answering(
      terminal,
      async ({ db, log }) => {
        const name = await migrateDown(db, log)
        return changed({ reverted: name ? [name] : [] }, name ? `took back ${name}` : 'nothing to do')
      },
      OWN,
    ),
  )

  verb(noun, 'status', 'what is applied and what is pending').action(answering(terminal, status, OWN))
}

async function status({ db }: Session): Promise<Answer> {
  const states = await migrationStatus(db)
  const columns = [
    { title: 'MIGRATION', of: ({ name }: MigrationState) => name },
    { title: 'STATE', of: stateOf },
    { title: 'APPLIED AT', of: ({ appliedAt }: MigrationState) => appliedAt?.toISOString() },
  ]
  const document = states.map((state) => {
    return { name: state.name, state: stateOf(state), applied_at: state.appliedAt?.toISOString() ?? null }
  })
  return table(states, columns, document)
}

function stateOf({ appliedAt, known }: MigrationState): string {
  if (!known) return 'unknown'
  return appliedAt ? 'applied' : 'pending'
}

function changed(document: object, text: string): Answer {
  return { document, text }
}

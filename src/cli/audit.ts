import { Option, type Command } from 'commander'
import { listAuditEntries, presentAuditEntry, type AuditEntry } from '../events/audit-queries.ts'
import { table, type Column } from './answer.ts'
import { answering, verb, wholeNumber, type CommonOptions } from './command.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface ListOptions extends CommonOptions {
  subject?: string
  actor?: string
  limit: number
}

const MOST = 10_000

export function auditCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('audit').description('who changed what, and whence; kept for good')

  verb(noun, 'list', 'the latest changes, oldest first; with --json everything about each')
    .option('--subject <id>', 'of this thing only, or about this user')
    .option('--actor <id>', 'by this user, client or API key only, or by cli, first-run or system')
    .addOption(new Option('--limit <number>', 'how many at most').argParser(wholeNumber).default(50, '50'))
    .action(
      answering(terminal, async ({ db }, { subject, actor, limit }: ListOptions) => {
        if (limit < 1 || limit > MOST) throw new UsageError(`--limit must be 1 to ${MOST}`)
        const entries = await listAuditEntries(db.knex, { subject, actor, limit })
        return table(entries, COLUMNS, entries.map(presentAuditEntry))
      }),
    )
}

const COLUMNS: Column<AuditEntry>[] = [
  { title: 'ID', of: ({ id }) => id },
  { title: 'AT', of: ({ at }) => at.toISOString() },
  { title: 'ACTOR', of: ({ actor, os_user: account }) => (account === null ? actor : `${actor} (${account})`) },
  { title: 'FROM', of: ({ address, channel }) => address ?? channel },
  { title: 'ACTION', of: ({ action }) => action },
  { title: 'SUBJECT', of: ({ subject_id: subject }) => subject },
  { title: 'FIELDS', of: ({ before, after }) => Object.keys(after ?? before ?? {}) },
]

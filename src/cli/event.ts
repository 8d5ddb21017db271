import { setTimeout as delay } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import type { Knex } from 'knex'
import { eventTypes } from '../events/catalogue.ts'
import { isId } from '../lib/ids.ts'
import { cell, harmless, table, type Column } from './answer.ts'
import { answering, verb, wholeNumber, type CommonOptions } from './command.ts'
import { withSession } from './session.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface EventRow {
  id: number
  type: string
  at: Date
  actor: string | null
  subject: string | null
  user_id: string | null
  client_id: string | null
  data: Record<string, unknown>
}

interface FilterOptions extends CommonOptions {
  type?: string
  user?: string
  client?: string
  limit: number
}

const MOST = 10_000
const POLL_MS = 500
/** An event is numbered when it is written and seen when its transaction ends: so much later it may still turn up. */
const STRAGGLER_SECONDS = 60
const STRAGGLERS = 1000

export function eventCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('event').description('what happened')

  withFilter(verb(noun, 'list', 'the latest events, oldest first'), '50')
    .option('--after <id>', 'instead: the first events after this one', wholeNumber)
    .action(
      answering(terminal, async ({ db }, options: FilterOptions & { after?: number }) => {
        const rows = await readEvents(db.knex, options, options.after)
        return table(rows, COLUMNS, rows.map(presentEvent))
      }),
    )

  withFilter(verb(noun, 'tail', 'the latest events, and then each as it happens; with --json one a line'), '10').action(
    async (options: FilterOptions) => {
      const work = ({ db, signal }: { db: { knex: Knex }; signal: AbortSignal }) => {
        return tail(db.knex, options, terminal, signal)
      }
      await withSession(terminal, work, { interruption: 'own' })
    },
  )
}

function withFilter(command: Command, limit: string): Command {
  return command
    .addOption(new Option('--type <type>', 'of this type only').choices(eventTypes))
    .option('--user <id>', 'of this user only')
    .option('--client <id>', 'of this client only')
    .addOption(new Option('--limit <number>', 'how many at most').argParser(wholeNumber).default(Number(limit), limit))
}

/** The latest in the order in which they happened, or the first after an id. */
async function readEvents(db: Knex, options: FilterOptions, after?: number): Promise<EventRow[]> {
  if (options.limit < 1 || options.limit > MOST) throw new UsageError(`--limit must be 1 to ${MOST}`)
  const query = filtered(db, options).limit(options.limit)
  if (after !== undefined) return query.where('id', '>', after).orderBy('id')
  return (await query.orderBy('id', 'desc')).reverse()
}

async function tail(db: Knex, options: FilterOptions, terminal: Terminal, signal: AbortSignal): Promise<void> {
  let newest = await latestId(db)
  const before = await readRecent(db, options, newest - STRAGGLERS)
  const first = await readEvents(db, options)
  let told = new Set([...before, ...first].map(({ id }) => id))
  write(first, options, terminal)
  for (;;) {
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    const latest = await latestId(db)
    const recent = await readRecent(db, options, newest - STRAGGLERS)
    const fresh = recent.filter(({ id }) => !told.has(id))
    write(fresh, options, terminal)
    newest = latest
    told = new Set(recent.map(({ id }) => id))
  }
}

async function latestId(db: Knex): Promise<number> {
  const row = await db('events').max<{ id: number | null }>({ id: 'id' }).first()
  return row?.id ?? 0
}

/** Whatever is young enough to have turned up just now. The numbers only keep the search short. */
async function readRecent(db: Knex, options: FilterOptions, floor: number): Promise<EventRow[]> {
  return filtered(db, options)
    .where('id', '>', floor)
    .whereRaw('at > now() - make_interval(secs => ?)', [STRAGGLER_SECONDS])
    .orderBy('id')
}

function filtered(db: Knex, { type, user, client }: FilterOptions): Knex.QueryBuilder<EventRow, EventRow[]> {
  if (user !== undefined && !isId('usr', user)) throw new UsageError('--user takes the id of a user')
  if (client !== undefined && !isId('cli', client)) throw new UsageError('--client takes the id of a client')
  const query = db<EventRow>('events').select('*')
  if (type !== undefined) query.where({ type })
  if (user !== undefined) query.where({ user_id: user })
  if (client !== undefined) query.where({ client_id: client })
  return query as unknown as Knex.QueryBuilder<EventRow, EventRow[]>
}

const COLUMNS: Column<EventRow>[] = [
  { title: 'ID', of: ({ id }) => id },
  { title: 'AT', of: ({ at }) => at.toISOString() },
  { title: 'TYPE', of: ({ type }) => type },
  { title: 'ACTOR', of: ({ actor }) => actor },
  { title: 'SUBJECT', of: ({ subject }) => subject },
  { title: 'DATA', of: ({ data }) => JSON.stringify(data) },
]

function presentEvent({ at, ...row }: EventRow): object {
  const { id, type, ...rest } = row
  return { id, type, at: at.toISOString(), ...rest }
}

function write(rows: readonly EventRow[], { json }: FilterOptions, terminal: Terminal): void {
  for (const row of rows) {
    const line = json ? JSON.stringify(presentEvent(row)) : COLUMNS.map(({ of }) => cell(of(row))).join('  ')
    terminal.stdout.write(`${json ? line : harmless(line)}\n`)
  }
}

import { InvalidArgumentError, Option, type Command } from 'commander'
import type { EventType } from '../events/catalogue.ts'
import { channels, typesOf, typesOfChannels, type Channel } from '../events/channels.ts'
import { listEvents, matches, type EventFilter, type ListedEvent } from '../events/event-queries.ts'
import { openEventFeed, type EventFeed } from '../events/feed.ts'
import { putInOrder, startOrdering } from '../events/order.ts'
import { eventId, presentEvent } from '../events/present.ts'
import { isId } from '../lib/ids.ts'
import { cell, harmless, table, type Column } from './answer.ts'
import { answering, verb, wholeNumber, type CommonOptions } from './command.ts'
import { cursor, placeError } from './event-cursor.ts'
import { replayCommand } from './event-replay.ts'
import { withSession, type Session } from './session.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface FilterOptions extends CommonOptions {
  type?: EventType[]
  channel?: Channel
  user?: string
  client?: string
  after?: number
  limit: number
}

const MOST = 10_000
const PAGE = 500
const WAIT_MS = 30_000

export function eventCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('event').description('what happened')

  withFilter(verb(noun, 'list', 'the latest events, oldest first'), '50')
    .option('--after <cursor>', 'instead: the first events after this cursor', cursor)
    .action(
      answering(terminal, async ({ db }, options: FilterOptions) => {
        const filter = filterOf(options)
        const events = await listEvents(db.knex, { ...filter, limit: limitOf(options), after: options.after })
        return table(events, COLUMNS, events.map(presentListed))
      }),
    )

  withFilter(verb(noun, 'tail', 'the latest events, and then each as it happens; with --json one a line'), '10')
    .option('--after <cursor>', 'instead of the latest: everything after this cursor', cursor)
    .action(async (options: FilterOptions) => {
      await withSession(terminal, (session) => tail(session, options), { interruption: 'own' })
    })

  replayCommand(noun, terminal)
}

function withFilter(command: Command, limit: string): Command {
  return command
    .option('--type <type>', 'of this type only: user.created, or user.* for all of a kind', typePattern)
    .addOption(new Option('--channel <channel>', 'of this channel only').choices(channels))
    .option('--user <id>', 'of this user only')
    .option('--client <id>', 'of this client only')
    .addOption(new Option('--limit <number>', 'how many at most').argParser(wholeNumber).default(Number(limit), limit))
}

/** Follows the feed as servers do. Where none runs, nobody else puts events in order, so this does it as well. */
async function tail({ db, log, signal, terminal }: Session, options: FilterOptions): Promise<void> {
  const filter = filterOf(options)
  const limit = limitOf(options)
  const ordering = await startOrdering({ db, log })
  try {
    await putInOrder(db.pool)
    const feed = await openEventFeed({ db, log })
    try {
      const from = options.after ?? feed.latest()
      if (options.after === undefined) write(await listEvents(db.knex, { ...filter, limit, upTo: from }))
      await follow(feed, from)
    } catch (error) {
      throw placeError(error)
    } finally {
      await feed.close()
    }
  } finally {
    await ordering.stop()
  }

  async function follow(feed: EventFeed, from: number): Promise<void> {
    for (let position = from; !signal.aborted;) {
      const { events, upTo } = await feed.read(position, { limit: PAGE })
      write(events.filter((event) => matches(event, filter)))
      position = upTo
      await feed.wait(position, { ms: WAIT_MS, signal })
    }
  }

  function write(events: readonly ListedEvent[]): void {
    for (const event of events) {
      const { json } = options
      const line = json ? JSON.stringify(presentListed(event)) : COLUMNS.map(({ of }) => cell(of(event))).join('  ')
      terminal.stdout.write(`${json ? line : harmless(line)}\n`)
    }
  }
}

function typePattern(value: string): EventType[] {
  const types = typesOf(value)
  if (!types) throw new InvalidArgumentError('There is no such type; user.created and user.* are.')
  return types
}

function limitOf({ limit }: FilterOptions): number {
  if (limit < 1 || limit > MOST) throw new UsageError(`--limit must be 1 to ${MOST}`)
  return limit
}

function filterOf({ type, channel, user, client }: FilterOptions): EventFilter {
  if (user !== undefined && !isId('usr', user)) throw new UsageError('--user takes the id of a user')
  if (client !== undefined && !isId('cli', client)) throw new UsageError('--client takes the id of a client')
  const ofChannel = channel && typesOfChannels([channel])
  const types = ofChannel && type ? new Set(type.filter((one) => ofChannel.has(one))) : (ofChannel ?? type)
  return { types: types && new Set(types), userId: user, clientId: client }
}

const COLUMNS: Column<ListedEvent>[] = [
  { title: 'CURSOR', of: ({ position }) => position },
  { title: 'ID', of: ({ id }) => eventId(id) },
  { title: 'AT', of: ({ at }) => at.toISOString() },
  { title: 'TYPE', of: ({ type }) => type },
  { title: 'ACTOR', of: ({ actor }) => actor },
  { title: 'SUBJECT', of: ({ subject }) => subject },
  { title: 'DATA', of: ({ data }) => JSON.stringify(data) },
]

function presentListed(event: ListedEvent): object {
  return { cursor: event.position === null ? null : String(event.position), ...presentEvent(event) }
}

/** Events in the management API: read by pages, by long poll, and as a stream. The socket is events/stream. */
import type { EventType } from '../../events/catalogue.ts'
import { channelOf, channels as allChannels, scopeOf, visibleTypes, type Channel } from '../../events/channels.ts'
import { HistoryGoneError, UnknownPositionError, type EventFeed, type FeedPage } from '../../events/feed.ts'
import { cursorOf } from '../../events/stream/follow.ts'
import { presentEvent } from '../../events/present.ts'
import type { RightsWatch } from '../../events/stream/rights-watch.ts'
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import type { ManagementAuthenticator, ManagementPrincipal } from '../principal.ts'
import { problem } from '../problems.ts'
import { streamEvents } from './event-stream.ts'
import { credentialsOf } from './follower.ts'
import { waitSeconds } from './prefer.ts'
import { EVENT, eventPageSchema, eventQuery } from './schemas.ts'

export interface EventDependencies {
  feed: EventFeed
  rights: RightsWatch
  authenticate: ManagementAuthenticator
  /** Aborted when the server stops: nothing is held open any longer. */
  stopping: AbortSignal
}

const DEFAULT_LIMIT = 100
export const EVENT_STREAM = 'text/event-stream'

const DESCRIPTION = `Everything that happens on this server, in one order, from a cursor on. The answer always has a cursor to
go on from, also when nothing came. Each caller sees the channels whose \`:read\` scope they have.

**Long poll.** With \`Prefer: wait=25\` an answer waits for the first event, 30 seconds at most.

**Stream.** With \`Accept: text/event-stream\` the answer does not end: events come as they happen, each with its cursor as
\`id\`. After a break, go on with \`Last-Event-ID\`, as browsers do by themselves.

**Socket.** \`/api/v1/stream\` tells the same on a WebSocket.`

export function eventOperations({ feed, rights, authenticate, stopping }: EventDependencies): Operation[] {
  const list = operation({
    id: 'listEvents',
    method: 'GET',
    path: '/events',
    tag: 'Events',
    summary: 'Read or follow events',
    description: DESCRIPTION,
    access: { scope: 'events:read' },
    query: eventQuery,
    headers: {
      Prefer: { description: '`wait=25`: hold the answer for so many seconds until there is an event.' },
      'Last-Event-ID': { description: 'Of a stream: the cursor after which to go on.' },
    },
    responses: {
      200: { description: 'Events, oldest first', schema: eventPageSchema, stream: EVENT_STREAM, example: EXAMPLE },
    },
    problems: ['cursor-invalid', 'history-gone'],
    async handle(call) {
      const wanted = wantedOf(call)
      refuseTwoStarts(call.query)
      const signal = AbortSignal.any([call.signal, stopping])
      if (call.mediaType === EVENT_STREAM) {
        const credentials = credentialsOf(call.ctx, call.principal as ManagementPrincipal, authenticate)
        const after = lastEventId(call) ?? (await startOf({ ...call.query, after: call.query.after ?? 'latest' }, feed))
        await readable(feed, after)
        return streamEvents(call.ctx, { feed, rights, credentials, wanted, after, signal })
      }
      return poll({ ...call, signal }, feed, wanted)
    },
  })
  return [list]
}

type EventCall = Call<
  unknown,
  {
    after?: string | undefined
    since?: string | undefined
    limit?: number | undefined
    channels?: Channel[] | undefined
    types?: EventType[] | undefined
  }
>

export interface Wanted {
  channels: ReadonlySet<Channel>
  types: ReadonlySet<EventType> | undefined
}

/** @throws Problem `insufficient-scope` for a channel that was asked for by name and is not the caller's to see */
function wantedOf(call: EventCall): Wanted {
  const { channels, types } = call.query
  const asked = [...(channels ?? []), ...(types ?? []).map(channelOf)]
  const forbidden = asked.find((channel) => !call.may(scopeOf(channel)))
  if (forbidden) {
    const scope = scopeOf(forbidden)
    throw problem('insufficient-scope', { detail: `the channel ${forbidden} needs ${scope}`, scope })
  }
  return { channels: new Set(channels ?? allChannels), types: types && new Set(types) }
}

async function poll(call: EventCall, feed: EventFeed, { channels, types }: Wanted) {
  const { limit = DEFAULT_LIMIT } = call.query
  const visible = visibleTypes(call.principal?.scopes ?? new Set())
  const mine = new Set([...visible].filter((type) => channels.has(channelOf(type)) && (!types || types.has(type))))
  const wait = waitSeconds(call.ctx.get('prefer'))
  if (wait > 0) call.ctx.set('Preference-Applied', `wait=${wait}`)
  call.ctx.vary('Prefer')
  const page = await readOrWait(feed, await startOf(call.query, feed), {
    limit,
    types: mine,
    until: Date.now() + wait * 1000,
    signal: call.signal,
  })
  return { body: pageOf(call, page, limit, feed), headers: { 'cache-control': 'no-store' } }
}

interface Waiting {
  limit: number
  types: ReadonlySet<EventType>
  until: number
  signal: AbortSignal
}

/** Reads, and while there is nothing and time is left, waits and reads again: an event between the two is not missed. */
async function readOrWait(feed: EventFeed, after: number, { until, signal, ...options }: Waiting): Promise<FeedPage> {
  let from = after
  for (;;) {
    const page = await readPage(feed, from, options)
    from = page.upTo
    if (page.events.length > 0 || signal.aborted) return page
    const isLive = from >= feed.latest()
    if (isLive && !(await feed.wait(from, { ms: Math.max(0, until - Date.now()), signal }))) return page
  }
}

/** @throws Problem `history-gone` or `cursor-invalid` */
async function readPage(feed: EventFeed, after: number, options: { limit: number; types?: ReadonlySet<EventType> }) {
  try {
    return await feed.read(after, options)
  } catch (error) {
    if (error instanceof HistoryGoneError) {
      const cursor = cursorOf(error.oldest - 1)
      const detail = `events up to the cursor ${cursor} have been swept; go on from there`
      throw problem('history-gone', { detail, members: { oldest_cursor: cursor } })
    }
    if (!(error instanceof UnknownPositionError)) throw error
    const detail = 'there is no event at this cursor yet'
    throw problem('cursor-invalid', { detail, errors: [{ parameter: 'after', detail, code: 'invalid' }] })
  }
}

async function readable(feed: EventFeed, after: number): Promise<void> {
  await readPage(feed, after, { limit: 1 })
}

/** Without a cursor or a time a reader begins with the oldest event that is kept. */
async function startOf({ after, since }: EventCall['query'], feed: EventFeed): Promise<number> {
  if (since !== undefined) return feed.before(new Date(since))
  if (after === 'latest') return feed.latest()
  return after === undefined ? (await feed.oldest()) - 1 : Number(after)
}

function refuseTwoStarts({ after, since }: EventCall['query']): void {
  if (after === undefined || since === undefined) return
  const detail = 'must not stand beside after'
  throw problem('invalid-request', { errors: [{ parameter: 'since', detail, code: 'invalid' }] })
}

function lastEventId({ ctx }: Pick<Call, 'ctx'>): number | undefined {
  const id = ctx.get('last-event-id')
  if (id === '') return undefined
  if (/^(?:0|[1-9]\d{0,14})$/.test(id)) return Number(id)
  throw problem('cursor-invalid', { detail: 'Last-Event-ID is no cursor of this stream' })
}

function pageOf(call: EventCall, { events, upTo }: FeedPage, limit: number, feed: EventFeed): object {
  const query = new URLSearchParams(call.ctx.querystring)
  query.delete('version')
  const self = query.size > 0 ? `/events?${query.toString()}` : '/events'
  query.delete('since')
  query.set('after', cursorOf(upTo))
  return {
    data: events.map((event) => ({ ...presentEvent(event), cursor: cursorOf(event.position) })),
    pagination: { next_cursor: cursorOf(upTo), has_more: upTo < feed.latest(), limit },
    links: { self: call.link(self), next: call.link(`/events?${query.toString()}`) },
  }
}

const URL_OF_EXAMPLE = 'https://auth.example.com/api/v1/events'
const EXAMPLE = {
  data: [{ ...EVENT, cursor: '4711' }],
  pagination: { next_cursor: '4711', has_more: false, limit: 100 },
  links: { self: URL_OF_EXAMPLE, next: `${URL_OF_EXAMPLE}?after=4711` },
}

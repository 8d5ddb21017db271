/** What happened to the account of whoever asks, as the authorization server told it: read, or followed as a stream. */
import { z } from 'zod'
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import type { AccountEvent } from '../events/event.ts'
import type { AccountEvents } from '../events/feed.ts'
import { openStream } from '../events/stream.ts'
import { problem } from '../problems.ts'
import { callerOf } from './access.ts'
import { accountEventsSchema } from './schemas.ts'

export interface AccountEventDependencies {
  events: AccountEvents
  /** Aborted when the demo stops: no stream holds it up. */
  stopping: AbortSignal
}

const STREAM = 'text/event-stream'
const SHOWN = 50

const params = z.object({ user_id: z.string().meta({ description: '`me`, or your own id' }) })

type Params = z.infer<typeof params>

const DESCRIPTION = `The newest ${SHOWN}, newest first, with the \`cursor\` after which to follow.

With \`Accept: text/event-stream\` the answer does not end before the access token does: events come as they happen, each with
its cursor as \`id\`. Send the last one as \`Last-Event-ID\` to go on; without it the stream begins now. The events are about
whom the token stands for; no role opens those of others.`

export function accountEventOperations({ events, stopping }: AccountEventDependencies): Operation[] {
  const list = operation<Params>({
    id: 'listAccountEvents',
    method: 'GET',
    path: '/users/{user_id}/events',
    tag: 'Account',
    summary: 'Read or follow what happens to your account',
    description: DESCRIPTION,
    access: { scope: 'orders:read' },
    params,
    headers: { 'Last-Event-ID': { description: 'Of a stream: the cursor after which to go on.' } },
    responses: { 200: { description: 'Events', schema: accountEventsSchema, stream: STREAM } },
    problems: ['not-your-events', 'cursor-invalid', 'too-many-requests'],
    async handle(call) {
      const userId = ownId(call)
      if (call.mediaType === STREAM) return follow(call, userId)
      const { events: found, position } = await events.newest(userId, SHOWN)
      const self = call.link(`/users/${encodeURIComponent(userId)}/events`)
      return {
        body: { data: found.map(present), cursor: String(position), links: { self } },
        headers: { 'cache-control': 'no-store' },
      }
    },
  })

  async function follow(call: Call<Params>, userId: string) {
    const { ctx } = call
    const latest = await events.latest()
    // A cursor from beyond the end belongs to a database that is gone: from now on is the best there is.
    const after = Math.min(lastEventId(call) ?? latest, latest)
    // However the answer ends: to HEAD nothing is ever written.
    const over = new AbortController()
    ctx.res.once('close', () => over.abort())
    const signal = AbortSignal.any([call.signal, over.signal, stopping])
    const stream = openStream({ events, userId, after, until: callerOf(call).expiresAt, present, signal })
    if (!stream) {
      throw problem('too-many-requests', { detail: 'Close another stream first', headers: { 'retry-after': '5' } })
    }
    ctx.status = 200
    ctx.set({
      'content-type': `${STREAM}; charset=utf-8`,
      'cache-control': 'no-store, no-transform',
      // For proxies that would keep it back until there is enough of it.
      'x-accel-buffering': 'no',
    })
    ctx.body = stream
    return { handled: true as const }
  }
  return [list]
}

/** Decided before anything is looked up. @throws Problem 403 */
function ownId(call: Call<Params>): string {
  const { id } = callerOf(call)
  if (call.params.user_id !== 'me' && call.params.user_id !== id) throw problem('not-your-events')
  return id
}

function lastEventId({ ctx }: Pick<Call, 'ctx'>): number | undefined {
  const id = ctx.get('last-event-id')
  if (id === '') return undefined
  if (/^(?:0|[1-9]\d{0,14})$/.test(id)) return Number(id)
  throw problem('cursor-invalid', { detail: 'Last-Event-ID is no cursor of this stream' })
}

function present({ id, type, at, subject, clientId, data }: AccountEvent) {
  return { id, type, at: at.toISOString(), subject, client_id: clientId, data }
}

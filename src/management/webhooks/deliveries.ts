/** Operations on what webhooks were and are told: the log of attempts, a test, and delivering again. */
import { HistoryGoneError, type EventFeed } from '../../events/feed.ts'
import { cursorOf } from '../../events/stream/follow.ts'
import type { RightsOf } from '../../events/webhooks/fan-out.ts'
import { replay, sendTest, type ReplayRange } from '../../events/webhooks/replay.ts'
import { operation, type Operation } from '../../http/api/operation.ts'
import { findDelivery, listDeliveries } from '../../registry/webhooks/deliveries.ts'
import type { Webhook } from '../../registry/webhooks/webhook.ts'
import { problem } from '../problems.ts'
import { found } from './operations.ts'
import {
  deliveryDetailsSchema,
  deliveryFilters,
  deliveryIdParams,
  deliverySchema,
  replayedSchema,
  replaySchema,
  webhookIdParams,
} from './schemas.ts'
import { viewAttempt, viewDelivery } from './view.ts'

const tag = 'Webhooks'
const READ = { scope: 'webhooks:read' }
const WRITE = { scope: 'webhooks:write' }

export interface DeliveryDependencies {
  feed: EventFeed
  rightsOf: RightsOf
}

export function deliveryOperations({ feed, rightsOf }: DeliveryDependencies): Operation[] {
  const list = operation({
    id: 'listWebhookDeliveries',
    method: 'GET',
    path: '/webhooks/{webhook_id}/deliveries',
    tag,
    summary: 'List the deliveries of a webhook',
    description: 'Finished ones are kept for thirty days.',
    access: READ,
    params: webhookIdParams,
    query: deliveryFilters,
    list: {
      sort: ['created_at'],
      defaultSort: '-created_at',
      paging: ['cursor'],
      csv: ['id', 'event_id', 'event_type', 'state', 'attempts', 'next_attempt_at', 'created_at', 'finished_at'],
    },
    responses: { 200: { description: 'Deliveries', schema: deliverySchema } },
    async handle(call) {
      const { id } = await found(call)
      const { state, event_type: eventType } = call.query
      const { deliveries, next, total } = await listDeliveries(call.db, id, {
        ...call.page,
        filter: { state, eventType },
      })
      return { list: { items: deliveries.map((delivery) => viewDelivery(call, id, delivery)), next, total } }
    },
  })

  const read = operation({
    id: 'readWebhookDelivery',
    method: 'GET',
    path: '/webhooks/{webhook_id}/deliveries/{delivery_id}',
    tag,
    summary: 'Read a delivery with its attempts',
    access: READ,
    params: deliveryIdParams,
    responses: { 200: { description: 'The delivery', schema: deliveryDetailsSchema } },
    async handle(call) {
      const { webhook_id: webhookId, delivery_id: id } = call.params
      const known = await findDelivery(call.db, webhookId, id)
      if (!known) throw problem('not-found', { detail: 'there is no such delivery' })
      return {
        body: { ...viewDelivery(call, webhookId, known.delivery), attempt_log: known.attempts.map(viewAttempt) },
      }
    },
  })

  const again = operation({
    id: 'replayWebhookDeliveries',
    method: 'POST',
    path: '/webhooks/{webhook_id}/deliveries',
    tag,
    summary: 'Deliver events again',
    description:
      'One event, or all from a cursor on, as far as it is subscribed to them now. They keep their ids, so a receiver knows which it has had.',
    access: WRITE,
    idempotent: true,
    params: webhookIdParams,
    body: { schema: replaySchema, examples: { range: { from: '1' } } },
    responses: { 202: { description: 'They are in the queue', schema: replayedSchema } },
    problems: ['webhook-inactive', 'history-gone'],
    async handle(call) {
      const webhook = await active(found(call))
      const range: ReplayRange =
        'event_id' in call.body
          ? { eventId: Number(call.body.event_id.slice('evt_'.length)) }
          : { from: Number(call.body.from), to: Number(call.body.to ?? feed.latest()) }
      const { made, next } = await replay({ db: call.db, feed, rightsOf }, webhook, range).catch(tellGone)
      return { body: { deliveries: made, next_from: next === undefined ? null : cursorOf(next) } }
    },
  })

  const test = operation({
    id: 'testWebhook',
    method: 'POST',
    path: '/webhooks/{webhook_id}/tests',
    tag,
    summary: 'Have a test event delivered',
    description: 'An event `webhook.test`, to this webhook alone. The delivery in the answer tells what came of it.',
    access: WRITE,
    idempotent: true,
    params: webhookIdParams,
    responses: { 202: { description: 'It is in the queue', schema: deliverySchema } },
    problems: ['webhook-inactive'],
    async handle(call) {
      const webhook = await active(found(call))
      const id = await sendTest(call.db, webhook, call.actor.actor)
      const made = await findDelivery(call.db, webhook.id, id)
      if (!made) throw new Error('a delivery vanished while it was made')
      return {
        body: viewDelivery(call, webhook.id, made.delivery),
        location: `/webhooks/${webhook.id}/deliveries/${id}`,
      }
    },
  })

  return [list, read, again, test]
}

/** @throws Problem `webhook-inactive` */
async function active(finding: Promise<Webhook>): Promise<Webhook> {
  const webhook = await finding
  if (webhook.state === 'active') return webhook
  throw problem('webhook-inactive', { detail: webhook.stateReason ?? webhook.state })
}

/** @throws Problem `history-gone` */
function tellGone(error: unknown): never {
  if (!(error instanceof HistoryGoneError)) throw error
  throw problem('history-gone', { detail: 'these events are no longer kept' })
}

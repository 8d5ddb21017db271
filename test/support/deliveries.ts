/** Deliveries of webhooks as the authorization server makes them, signed by an implementation that is not ours. */
import { Webhook } from 'standardwebhooks'
import type { DemoFixture } from './demo.ts'

export const webhookSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

export interface Delivery {
  /** The `webhook-id`. */
  id?: string
  type?: string
  userId?: string | null
  data?: Record<string, unknown>
  /** Instead of the body that the rest would make. */
  body?: string
  secret?: string
  sentAt?: Date
  headers?: Record<string, string>
}

let deliveries = 0

/** Delivers one event to the demo. */
export function deliver({ demo }: Pick<DemoFixture, 'demo'>, delivery: Delivery = {}): Promise<Response> {
  const { id = `evt_${++deliveries}`, type = 'session.ended', userId = null, data = {} } = delivery
  const { secret = webhookSecret, sentAt = new Date(), headers } = delivery
  const event = { id, type, at: sentAt.toISOString(), actor: 'cli', subject: 'ses_x', user_id: userId, client_id: null }
  const body = delivery.body ?? JSON.stringify({ type, timestamp: sentAt.toISOString(), data: { ...event, data } })
  return fetch(`${demo.url}/webhooks/grantry`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, sentAt, body),
      ...headers,
    },
  })
}

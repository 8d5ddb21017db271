import { channelOf, FOLLOW_SCOPE, scopeOf, typesOf } from '../../events/channels.ts'
import type { Call } from '../../http/api/operation.ts'
import type { Attempt, Delivery } from '../../registry/webhooks/deliveries.ts'
import { presentWebhook } from '../../registry/webhooks/present.ts'
import type { Webhook } from '../../registry/webhooks/webhook.ts'
import { covers } from '../covers.ts'
import { linkTo, type Links } from '../links.ts'

type LinkingCall = Pick<Call, 'may' | 'link' | 'principal'>

/**
 * The scopes by which a webhook sees what it is subscribed to. Whoever points it elsewhere, or holds its secret, sees the
 * same, so they need them too.
 * @param rights what its owner has: `*` is no more than that
 */
export function scopesOfWebhook({ events }: Pick<Webhook, 'events'>, rights?: ReadonlySet<string>): string[] {
  const types = events.flatMap((pattern) => typesOf(pattern) ?? [])
  const needed = new Set([FOLLOW_SCOPE, ...types.map((type) => scopeOf(channelOf(type)))])
  return [...needed].filter((scope) => !rights || rights.has(scope))
}

/** A webhook as this caller sees it. */
export function viewWebhook(call: LinkingCall, webhook: Webhook): object {
  return { ...presentWebhook(webhook), links: linksOf(call, webhook) }
}

function linksOf(call: LinkingCall, webhook: Webhook): Links {
  const path = `/webhooks/${webhook.id}`
  const links: Links = { self: linkTo(call, path), deliveries: linkTo(call, `${path}/deliveries`) }
  const isOwn = call.principal?.id === webhook.owner
  if (!call.may('webhooks:write') || !(isOwn || covers(call.principal, scopesOfWebhook(webhook)))) return links
  const isActive = webhook.state === 'active'
  return {
    ...links,
    rotate_secret: linkTo(call, `${path}/secrets`, 'POST'),
    ...(isActive && {
      test: linkTo(call, `${path}/tests`, 'POST'),
      replay: linkTo(call, `${path}/deliveries`, 'POST'),
    }),
    replace: linkTo(call, path, 'PUT'),
    update: linkTo(call, path, 'PATCH'),
    [isActive ? 'pause' : 'resume']: linkTo(call, path, 'PATCH'),
    delete: linkTo(call, path, 'DELETE'),
  }
}

export function viewDelivery(call: LinkingCall, webhookId: string, delivery: Delivery): object {
  const path = `/webhooks/${webhookId}`
  return {
    id: delivery.id,
    event_id: delivery.eventId,
    event_type: delivery.eventType,
    state: delivery.state,
    attempts: delivery.attempts,
    next_attempt_at: delivery.nextAttemptAt?.toISOString() ?? null,
    created_at: delivery.createdAt.toISOString(),
    finished_at: delivery.finishedAt?.toISOString() ?? null,
    links: { self: linkTo(call, `${path}/deliveries/${delivery.id}`), webhook: linkTo(call, path) },
  }
}

export function viewAttempt({ at, ...attempt }: Attempt): object {
  return { ...attempt, at: at.toISOString() }
}

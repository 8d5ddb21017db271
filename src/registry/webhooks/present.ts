import type { Webhook } from './webhook.ts'

/** A webhook as it may leave the server; its secret leaves in the answer that made it only. */
export function presentWebhook(webhook: Webhook) {
  return {
    id: webhook.id,
    url: webhook.url,
    description: webhook.description,
    events: webhook.events,
    legacy_headers: webhook.legacyHeaders,
    state: webhook.state,
    state_reason: webhook.stateReason,
    owner: webhook.owner,
    previous_secret_until: webhook.previousSecretUntil?.toISOString() ?? null,
    failures: webhook.failures,
    failing_since: webhook.failingSince?.toISOString() ?? null,
    last_delivered_at: webhook.lastDeliveredAt?.toISOString() ?? null,
    version: webhook.version,
    created_at: webhook.createdAt.toISOString(),
    updated_at: webhook.updatedAt.toISOString(),
  }
}

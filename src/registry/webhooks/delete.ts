import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { presentWebhook } from './present.ts'
import { lockWebhook, requireVersion } from './queries.ts'

/**
 * Deletes a webhook with its deliveries; what is on its way may still arrive.
 * @throws RegistryError `not_found`, `conflict` when the version moved on
 */
export async function deleteWebhook(
  db: Knex,
  { webhookId, ifVersion, actor }: { webhookId: string; ifVersion?: number | undefined; actor: Actor },
): Promise<void> {
  await db.transaction(async (trx) => {
    const webhook = await lockWebhook(trx, webhookId)
    requireVersion(webhook, ifVersion)
    await trx('webhooks').where({ id: webhookId }).delete()
    await appendEvent(trx, { type: 'webhook.deleted', subject: webhookId, actor })
    await recordChange(trx, actor, { action: 'webhook.delete', subject: webhookId, before: presentWebhook(webhook) })
  })
}

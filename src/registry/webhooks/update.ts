import { isDeepStrictEqual } from 'node:util'
import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import type { WebhookDependencies } from './create.ts'
import { presentWebhook } from './present.ts'
import { changeWebhook, lockWebhook, requireVersion, type WebhookChanges } from './queries.ts'
import { checkedSettings, type Webhook, type WebhookSettings } from './webhook.ts'

export interface WebhookUpdate {
  webhookId: string
  /** What is left out, or undefined, stays. `active` also forgets failures; `paused` keeps events until it is active again. */
  changes: { [Name in keyof WebhookSettings]?: WebhookSettings[Name] | undefined } & {
    state?: 'active' | 'paused' | undefined
  }
  ifVersion?: number | undefined
  actor: Actor
}

/**
 * Changes a webhook. When nothing differs, nothing is written.
 * @throws RegistryError `not_found`, `invalid` with the field, `conflict` when the version moved on
 */
export async function updateWebhook(
  db: Knex,
  { allowPrivate }: Pick<WebhookDependencies, 'allowPrivate'>,
  { webhookId, changes, ifVersion, actor }: WebhookUpdate,
): Promise<Webhook> {
  return db.transaction(async (trx) => {
    const before = await lockWebhook(trx, webhookId)
    requireVersion(before, ifVersion)
    const settings = checkedSettings(
      {
        url: changes.url ?? before.url,
        description: changes.description ?? before.description,
        events: changes.events ?? before.events,
        legacyHeaders: changes.legacyHeaders ?? before.legacyHeaders,
      },
      { allowPrivate },
    )
    const wanted: WebhookChanges = {
      url: settings.url,
      description: settings.description,
      events: settings.events,
      legacy_headers: settings.legacyHeaders,
      ...stateChange(before, changes.state),
    }
    const presented = presentWebhook(before)
    const fields = Object.keys(wanted).filter(
      (name) => !isDeepStrictEqual(wanted[name as keyof WebhookChanges], presented[name as keyof typeof presented]),
    )
    if (fields.length === 0) return before
    const after = await changeWebhook(trx, webhookId, wanted)
    await appendEvent(trx, { type: 'webhook.updated', subject: webhookId, actor, data: { fields } })
    await recordChange(trx, actor, {
      action: 'webhook.update',
      subject: webhookId,
      before: presented,
      after: presentWebhook(after),
    })
    return after
  })
}

function stateChange(before: Webhook, state: 'active' | 'paused' | undefined): WebhookChanges {
  if (state === undefined || state === before.state) return {}
  if (state === 'paused') return { state, state_reason: 'paused by its owner' }
  return { state, state_reason: null, failures: 0, failing_since: null }
}

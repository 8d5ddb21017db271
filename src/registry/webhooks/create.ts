import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import { actorId, type Actor } from '../../lib/actor.ts'
import { newId } from '../../lib/ids.ts'
import { seal, type MasterKeys } from '../../lib/master-key.ts'
import { RegistryError } from '../registry-error.ts'
import { presentWebhook } from './present.ts'
import { insertWebhook } from './queries.ts'
import { checkedSettings, newWebhookSecret, SECRET_PURPOSE, type Webhook } from './webhook.ts'

export interface WebhookDependencies {
  masterKeys: MasterKeys
  /** Whether URLs may lead inside (development). */
  allowPrivate: boolean
}

export interface NewWebhook {
  url: string
  events: readonly string[]
  description?: string | undefined
  legacyHeaders?: boolean | undefined
  /** By whose rights it sees events; whoever makes it unless given. */
  owner?: string | undefined
  actor: Actor
}

/** Every webhook is looked at for every event: there is a bound. */
const MOST_WEBHOOKS = 500

/**
 * Makes a webhook that is told of what happens from now on. The secret is in this answer and nowhere else.
 * @throws RegistryError `invalid` with the field, `conflict` when there are too many
 */
export async function createWebhook(
  db: Knex,
  { masterKeys, allowPrivate }: WebhookDependencies,
  { actor, owner = actorId(actor), url, events, description = '', legacyHeaders = false }: NewWebhook,
): Promise<{ webhook: Webhook; secret: string }> {
  const settings = checkedSettings({ url, events: [...events], description, legacyHeaders }, { allowPrivate })
  const secret = newWebhookSecret()
  return db.transaction(async (trx) => {
    const [row] = await trx('webhooks').count<{ count: number }[]>({ count: '*' })
    if ((row?.count ?? 0) >= MOST_WEBHOOKS) {
      throw new RegistryError('conflict', `there are ${MOST_WEBHOOKS} webhooks already: delete one first`)
    }
    const webhook = await insertWebhook(trx, {
      id: newId('whk'),
      url: settings.url,
      description: settings.description,
      events: settings.events,
      legacy_headers: settings.legacyHeaders,
      owner,
      secret_sealed: seal(masterKeys, SECRET_PURPOSE, secret),
    })
    await appendEvent(trx, { type: 'webhook.created', subject: webhook.id, actor, data: { events: webhook.events } })
    await recordChange(trx, actor, {
      action: 'webhook.create',
      subject: webhook.id,
      after: presentWebhook(webhook),
    })
    return { webhook, secret }
  })
}

import type { Knex } from 'knex'
import { typesOf } from '../events/channels.ts'
import { open, type MasterKeys } from '../lib/master-key.ts'
import { createWebhook } from '../registry/webhooks/create.ts'
import { findWebhook, listWebhooks } from '../registry/webhooks/queries.ts'
import { updateWebhook } from '../registry/webhooks/update.ts'
import { SECRET_PURPOSE, type Webhook } from '../registry/webhooks/webhook.ts'

export interface DemoWebhook {
  id: string
  /** What the demo checks signatures with; for its process only. */
  secret: string
}

export interface DemoWebhookOptions {
  /** Where the demo takes webhooks now. */
  url: string
  /** The webhook of an earlier start. */
  knownId: string | undefined
  masterKeys: MasterKeys
  allowPrivate: boolean
  actor: string
}

/** Not by the first API key: who revokes that one should not wonder why the playground falls silent. */
const OWNER = 'cli'

const DESCRIPTION = 'Tells the demo what happens to its users'

/** What may be about a person: the playground shows people what happened to themselves. */
const PATTERNS = [
  'user.*',
  'session.*',
  'login.*',
  'consent.*',
  'grant.*',
  'token.revoked',
  'refresh_token.*',
  'authorization_code.*',
].filter((pattern) => typesOf(pattern))

/**
 * The webhook by which the demo is told of events: made once, found again at the next start, led to where the demo is now,
 * and active even if the demo was away for so long that it was given up. Its secret is read back from where the server keeps
 * it sealed, so that there is one copy, and one that somebody rotated counts.
 * @throws RegistryError when there are too many webhooks
 */
export async function prepareDemoWebhook(db: Knex, options: DemoWebhookOptions): Promise<DemoWebhook> {
  const { url, masterKeys, allowPrivate, actor } = options
  const known = await findKnown(db, options)
  if (!known) {
    const wanted = { url, events: PATTERNS, description: DESCRIPTION, owner: OWNER, actor }
    const { webhook, secret } = await createWebhook(db, { masterKeys, allowPrivate }, wanted)
    return { id: webhook.id, secret }
  }
  const changes = { url, events: PATTERNS, state: 'active' as const }
  await updateWebhook(db, { allowPrivate }, { webhookId: known.id, changes, actor })
  return { id: known.id, secret: await readSecret(db, masterKeys, known.id) }
}

/** By its id, or, when the file that knew it is gone, by where it leads. */
async function findKnown(db: Knex, { knownId, url }: DemoWebhookOptions): Promise<Webhook | undefined> {
  const byId = knownId === undefined ? undefined : await findWebhook(db, knownId)
  if (byId) return byId
  const sorting = { by: 'created_at', descending: false }
  const { webhooks } = await listWebhooks(db, { limit: 500, sorting, wantsTotal: false, filter: { owner: OWNER } })
  return webhooks.find((webhook) => webhook.url === url)
}

async function readSecret(db: Knex, masterKeys: MasterKeys, id: string): Promise<string> {
  const row = await db('webhooks').where({ id }).first<{ secret_sealed: string }>('secret_sealed')
  return open(masterKeys, SECRET_PURPOSE, row.secret_sealed).toString()
}

/** Operations on webhooks: who is told of events at which URL. */
import type { z } from 'zod'
import type { RightsOf } from '../../events/webhooks/fan-out.ts'
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import { createWebhook, type WebhookDependencies } from '../../registry/webhooks/create.ts'
import { deleteWebhook } from '../../registry/webhooks/delete.ts'
import { findWebhook, listWebhooks } from '../../registry/webhooks/queries.ts'
import { rotateWebhookSecret } from '../../registry/webhooks/rotate-secret.ts'
import { updateWebhook, type WebhookUpdate } from '../../registry/webhooks/update.ts'
import type { Webhook } from '../../registry/webhooks/webhook.ts'
import { requireCovers } from '../principal.ts'
import { problem } from '../problems.ts'
import {
  createdWebhookSchema,
  newWebhookSchema,
  WEBHOOK_EXAMPLES,
  webhookChangeSchema,
  webhookFilters,
  webhookIdParams,
  webhookReplacementSchema,
  webhookSchema,
  webhookSecretRotationSchema,
} from './schemas.ts'
import { scopesOfWebhook, viewWebhook } from './view.ts'

export interface WebhookOperationsDependencies extends WebhookDependencies {
  rightsOf: RightsOf
}

const tag = 'Webhooks'
const READ = { scope: 'webhooks:read' }
const WRITE = { scope: 'webhooks:write' }
const RIGHTS = 'Whoever makes or changes a webhook must be able to see the events themselves.'

export function webhookOperations({ rightsOf, ...deps }: WebhookOperationsDependencies): Operation[] {
  /** Refuses to lay hands on a webhook that sees more than the caller does. */
  async function guard({ principal }: Pick<Call, 'principal'>, webhook: Webhook): Promise<void> {
    if (principal?.id !== webhook.owner) {
      requireCovers(principal, scopesOfWebhook(webhook, (await rightsOf(webhook.owner)) ?? new Set()))
    }
  }

  const list = operation({
    id: 'listWebhooks',
    method: 'GET',
    path: '/webhooks',
    tag,
    summary: 'List webhooks',
    access: READ,
    query: webhookFilters,
    list: {
      sort: ['created_at', 'url'],
      defaultSort: '-created_at',
      paging: ['cursor', 'offset'],
      csv: ['id', 'url', 'description', 'events', 'state', 'owner', 'failures', 'last_delivered_at', 'created_at'],
    },
    responses: { 200: { description: 'Webhooks', schema: webhookSchema } },
    async handle(call) {
      const { webhooks, next, total } = await listWebhooks(call.db, { ...call.page, filter: call.query })
      return { list: { items: webhooks.map((webhook) => viewWebhook(call, webhook)), next, total } }
    },
  })

  const create = operation({
    id: 'createWebhook',
    method: 'POST',
    path: '/webhooks',
    tag,
    summary: 'Subscribe a URL to events',
    description: `It is told of what happens from now on, by the rights of whoever makes it, and ends with them. The secret is told in this answer and never again. ${RIGHTS}`,
    access: WRITE,
    idempotent: true,
    body: { schema: newWebhookSchema, examples: WEBHOOK_EXAMPLES },
    responses: { 201: { description: 'The webhook, and its secret', schema: createdWebhookSchema } },
    problems: ['privilege-raised'],
    async handle(call) {
      const { url, events, description, legacy_headers: legacyHeaders } = call.body
      requireCovers(call.principal, scopesOfWebhook({ events: events.filter((pattern) => pattern !== '*') }))
      const given = { url, events, description, legacyHeaders, actor: call.actor }
      const { webhook, secret } = await createWebhook(call.db, deps, given)
      return {
        body: { ...viewWebhook(call, webhook), secret },
        secrets: ['secret'],
        version: webhook.version,
        location: `/webhooks/${webhook.id}`,
      }
    },
  })

  const read = operation({
    id: 'readWebhook',
    method: 'GET',
    path: '/webhooks/{webhook_id}',
    tag,
    summary: 'Read a webhook',
    access: READ,
    params: webhookIdParams,
    responses: { 200: { description: 'The webhook', schema: webhookSchema } },
    async handle(call) {
      const webhook = await found(call)
      return { body: viewWebhook(call, webhook), version: webhook.version }
    },
  })

  const replace = operation({
    id: 'replaceWebhook',
    method: 'PUT',
    path: '/webhooks/{webhook_id}',
    tag,
    summary: 'Replace the settings of a webhook',
    description: `What is left out takes its default. ${RIGHTS}`,
    access: WRITE,
    params: webhookIdParams,
    body: { schema: webhookReplacementSchema, examples: WEBHOOK_EXAMPLES },
    precondition: versionOf,
    responses: { 200: { description: 'The webhook as it now is', schema: webhookSchema } },
    problems: ['privilege-raised'],
    handle: (call) => change(call, changesOf({ description: '', legacy_headers: false, ...call.body })),
  })

  const update = operation({
    id: 'updateWebhook',
    method: 'PATCH',
    path: '/webhooks/{webhook_id}',
    tag,
    summary: 'Change a webhook, pause or resume it',
    description: RIGHTS,
    access: WRITE,
    params: webhookIdParams,
    body: { schema: webhookChangeSchema, examples: { pause: { state: 'paused' }, resume: { state: 'active' } } },
    precondition: versionOf,
    responses: { 200: { description: 'The webhook as it now is', schema: webhookSchema } },
    problems: ['privilege-raised'],
    handle: (call) => change(call, { ...changesOf(call.body), state: call.body.state }),
  })

  async function change(call: Call<{ webhook_id: string }>, changes: WebhookUpdate['changes']) {
    const { webhook_id: webhookId } = call.params
    await guard(call, await found(call))
    const wanted = changes.events?.filter((pattern) => pattern !== '*') ?? []
    requireCovers(call.principal, wanted.length > 0 ? scopesOfWebhook({ events: wanted }) : [])
    const webhook = await updateWebhook(call.db, deps, { webhookId, changes, ...optionsOf(call) })
    return { body: viewWebhook(call, webhook), version: webhook.version }
  }

  const rotate = operation({
    id: 'rotateWebhookSecret',
    method: 'POST',
    path: '/webhooks/{webhook_id}/secrets',
    tag,
    summary: 'Give a webhook a new secret',
    description: `It is told in this answer and never again. For the time of the overlap deliveries carry a signature of each. ${RIGHTS}`,
    access: WRITE,
    idempotent: true,
    params: webhookIdParams,
    body: { schema: webhookSecretRotationSchema, optional: true, examples: { leaked: { overlap_seconds: 0 } } },
    responses: { 201: { description: 'The webhook, and its new secret', schema: createdWebhookSchema } },
    problems: ['privilege-raised', 'conflict'],
    async handle(call) {
      await guard(call, await found(call))
      const rotation = { webhookId: call.params.webhook_id, actor: call.actor }
      const overlapSeconds = call.body?.overlap_seconds
      const { webhook, secret } = await rotateWebhookSecret(call.db, deps, { ...rotation, overlapSeconds })
      return {
        body: { ...viewWebhook(call, webhook), secret },
        secrets: ['secret'],
        version: webhook.version,
        location: `/webhooks/${webhook.id}`,
      }
    },
  })

  const remove = operation({
    id: 'deleteWebhook',
    method: 'DELETE',
    path: '/webhooks/{webhook_id}',
    tag,
    summary: 'Delete a webhook',
    description: 'What is not yet delivered is not delivered any more.',
    access: WRITE,
    params: webhookIdParams,
    precondition: versionOf,
    responses: { 204: { description: 'It is gone' } },
    async handle(call) {
      await deleteWebhook(call.db, { webhookId: call.params.webhook_id, ...optionsOf(call) })
      return {}
    },
  })

  return [list, create, read, replace, update, rotate, remove]
}

type WebhookCall = Pick<Call<{ webhook_id: string }>, 'db' | 'params'>

/** @throws Problem `not-found` */
export async function found({ db, params }: WebhookCall): Promise<Webhook> {
  const webhook = await findWebhook(db, params.webhook_id)
  if (!webhook) throw problem('not-found', { detail: 'there is no such webhook' })
  return webhook
}

async function versionOf({ db, params }: WebhookCall): Promise<number | undefined> {
  return (await findWebhook(db, params.webhook_id))?.version
}

function optionsOf({ actor, ifVersion }: Pick<Call, 'actor' | 'ifVersion'>) {
  return { actor, ifVersion }
}

function changesOf({
  url,
  events,
  description,
  legacy_headers: legacyHeaders,
}: z.output<typeof webhookChangeSchema>): WebhookUpdate['changes'] {
  return { url, events, description, legacyHeaders }
}

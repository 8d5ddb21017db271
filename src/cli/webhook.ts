import type { Command } from 'commander'
import type { Position } from '../lib/keyset.ts'
import { createWebhook } from '../registry/webhooks/create.ts'
import { deleteWebhook } from '../registry/webhooks/delete.ts'
import { presentWebhook } from '../registry/webhooks/present.ts'
import { findWebhook, listWebhooks } from '../registry/webhooks/queries.ts'
import type { Webhook } from '../registry/webhooks/webhook.ts'
import { record, table } from './answer.ts'
import { ACTOR, answering, repeated, verb, type CommonOptions } from './command.ts'
import { masterKeysOf } from './master-keys.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface CreateOptions extends CommonOptions {
  url: string
  event: string[]
  description?: string
  legacyHeaders?: true
}

const PAGE = 500
const STORE_IT = 'Store the secret now: it is not shown again.'

export function webhookCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('webhook').description('URLs that are told of events')

  verb(noun, 'create', 'have a URL told of events from now on; its secret is shown once')
    .requiredOption('--url <url>', 'where to')
    .requiredOption('--event <type>', 'which events: user.created, user.* or * (repeatable)', repeated)
    .option('--description <text>', 'what it is for')
    .option('--legacy-headers', 'also send X-Webhook-* headers')
    .action(
      answering(terminal, async (session, { url, event, description, legacyHeaders }: CreateOptions) => {
        const { db, config } = session
        const dependencies = { masterKeys: await masterKeysOf(session), allowPrivate: config.webhooks.allowPrivate }
        const given = { url, events: event, description, legacyHeaders, actor: ACTOR }
        const { webhook, secret } = await createWebhook(db.knex, dependencies, given)
        return record({ ...presentWebhook(webhook), secret }, STORE_IT)
      }),
    )

  verb(noun, 'list', 'all webhooks, oldest first').action(
    answering(terminal, async ({ db }) => {
      const webhooks: Webhook[] = []
      const sorting = { by: 'created_at', descending: false }
      let after: Position | undefined
      do {
        const page = await listWebhooks(db.knex, { limit: PAGE, sorting, after })
        webhooks.push(...page.webhooks)
        after = page.next
      } while (after)
      return table(webhooks, COLUMNS, webhooks.map(presentWebhook))
    }),
  )

  verb(noun, 'show <webhook>', 'one webhook, by its id').action(
    answering(terminal, async ({ db }, _options: CommonOptions, id = '') => {
      const webhook = await findWebhook(db.knex, id)
      if (!webhook) throw new UsageError(`there is no webhook ${JSON.stringify(id)}`)
      return record(presentWebhook(webhook))
    }),
  )

  verb(noun, 'delete <webhook>', 'remove it with its deliveries').action(
    answering(terminal, async ({ db }, _options: CommonOptions, id = '') => {
      await deleteWebhook(db.knex, { webhookId: id, actor: ACTOR })
      return record({ id, deleted: true })
    }),
  )
}

const COLUMNS = [
  { title: 'ID', of: ({ id }: Webhook) => id },
  { title: 'STATE', of: ({ state }: Webhook) => state },
  { title: 'URL', of: ({ url }: Webhook) => url },
  { title: 'EVENTS', of: ({ events }: Webhook) => events },
  { title: 'FAILURES', of: ({ failures }: Webhook) => failures },
  { title: 'LAST DELIVERED AT', of: ({ lastDeliveredAt }: Webhook) => lastDeliveredAt?.toISOString() },
]

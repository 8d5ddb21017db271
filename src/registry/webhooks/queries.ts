import type { Knex } from 'knex'
import { isId } from '../../lib/ids.ts'
import { readPage, type PageOptions, type PageRules } from '../page.ts'
import { RegistryError } from '../registry-error.ts'
import type { Webhook, WebhookState } from './webhook.ts'

interface WebhookRow {
  id: string
  url: string
  description: string
  events: string[]
  legacy_headers: boolean
  state: WebhookState
  state_reason: string | null
  owner: string
  previous_secret_until: Date | null
  failures: number
  failing_since: Date | null
  last_delivered_at: Date | null
  version: number
  created_at: Date
  updated_at: Date
}

/** Everything but the secrets. */
const COLUMNS = [
  'id',
  'url',
  'description',
  'events',
  'legacy_headers',
  'state',
  'state_reason',
  'owner',
  'previous_secret_until',
  'failures',
  'failing_since',
  'last_delivered_at',
  'version',
  'created_at',
  'updated_at',
] as const satisfies readonly (keyof WebhookRow)[]

/** The columns that a write may set. */
export type WebhookChanges = Partial<Omit<WebhookRow, 'id' | 'version' | 'created_at' | 'updated_at'>> & {
  secret_sealed?: string
  previous_secret_sealed?: Knex.Raw | string | null
}

const LIST: PageRules = {
  sortColumns: { created_at: { column: 'created_at' }, url: { column: 'url' } },
  id: 'id',
}

export async function findWebhook(db: Knex, id: string): Promise<Webhook | undefined> {
  if (!isId('whk', id)) return undefined
  const row = await db('webhooks')
    .where({ id })
    .first<WebhookRow | undefined>(...COLUMNS)
  return row && webhook(row)
}

export interface WebhookFilter {
  state?: WebhookState | undefined
  owner?: string | undefined
}

export async function listWebhooks(db: Knex, { filter = {}, ...page }: PageOptions & { filter?: WebhookFilter }) {
  const query = db('webhooks').select(...COLUMNS)
  if (filter.state !== undefined) query.where({ state: filter.state })
  if (filter.owner !== undefined) query.where({ owner: filter.owner })
  const { rows, next, total } = await readPage<WebhookRow>(query, LIST, page)
  return { webhooks: rows.map(webhook), next, total }
}

/** A webhook is told of what happens from now on: its position is the newest there is. */
export async function insertWebhook(
  trx: Knex,
  row: Pick<WebhookRow, 'id' | 'url' | 'description' | 'events' | 'legacy_headers' | 'owner'> & {
    secret_sealed: string
  },
): Promise<Webhook> {
  const position = trx('event_order').select('last_position')
  const [made] = await trx('webhooks')
    .insert({ ...row, position })
    .returning<WebhookRow[]>([...COLUMNS])
  return webhook(made as WebhookRow)
}

/** The caller holds the row. */
export async function changeWebhook(trx: Knex, id: string, changes: WebhookChanges): Promise<Webhook> {
  const [changed] = await trx('webhooks')
    .where({ id })
    .update({ ...changes, version: trx.raw('version + 1'), updated_at: trx.raw('clock_timestamp()') })
    .returning<WebhookRow[]>([...COLUMNS])
  return webhook(changed as WebhookRow)
}

/** @throws RegistryError `not_found` */
export async function lockWebhook(trx: Knex, id: string): Promise<Webhook> {
  const row = isId('whk', id)
    ? await trx('webhooks')
        .where({ id })
        .forUpdate()
        .first<WebhookRow | undefined>(...COLUMNS)
    : undefined
  if (!row) throw new RegistryError('not_found', 'there is no such webhook')
  return webhook(row)
}

/** @throws RegistryError `conflict`, field `version` */
export function requireVersion(current: Webhook, ifVersion: number | undefined): void {
  if (ifVersion === undefined || ifVersion === current.version) return
  throw new RegistryError(
    'conflict',
    'the webhook was changed by someone else in the meantime: read it again',
    'version',
  )
}

function webhook(row: WebhookRow): Webhook {
  return {
    id: row.id,
    url: row.url,
    description: row.description,
    events: row.events,
    legacyHeaders: row.legacy_headers,
    state: row.state,
    stateReason: row.state_reason,
    owner: row.owner,
    previousSecretUntil: row.previous_secret_until,
    failures: row.failures,
    failingSince: row.failing_since,
    lastDeliveredAt: row.last_delivered_at,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

import type { Knex } from 'knex'
import type { Pool } from 'pg'
import { isId } from '../../lib/ids.ts'
import { RegistryError } from '../registry-error.ts'
import type {
  ActiveClient,
  Client,
  ClientDetails,
  ClientKind,
  ClientSecretHint,
  GrantType,
  OpenidScope,
  ResourceAccess,
  TokenEndpointAuthMethod,
} from './client.ts'

interface ClientRow {
  id: string
  kind: ClientKind
  name: string
  token_endpoint_auth_method: TokenEndpointAuthMethod
  grant_types: GrantType[]
  redirect_uris: string[]
  post_logout_redirect_uris: string[]
  allowed_origins: string[]
  openid_scopes: OpenidScope[]
  first_party: boolean
  built_in: boolean
  disabled_at: Date | null
  version: number
  created_at: Date
  updated_at: Date
}

interface ActiveClientRow extends ClientRow {
  secrets: { digest: string; expiresAt: string | null }[]
  access: ResourceAccess[]
}

const ACCESS = `
  select json_agg(json_build_object('resourceId', r.id, 'audience', r.audience, 'scopes', r.scopes) order by r.audience)
  from (
    select resources.id, resources.audience, array_agg(allowed.scope order by allowed.scope) as scopes
    from client_resource_scopes allowed join resources on resources.id = allowed.resource_id
    where allowed.client_id = c.id
    group by resources.id
  ) r`

const ACTIVE_CLIENT = {
  name: 'find_active_client',
  text: `
    select c.*,
      coalesce((
        select json_agg(json_build_object('digest', encode(s.digest, 'hex'), 'expiresAt', s.expires_at))
        from client_secrets s
        where s.client_id = c.id and (s.expires_at is null or s.expires_at > now())
      ), '[]') as secrets,
      coalesce((${ACCESS}), '[]') as access
    from clients c
    where c.id = $1 and c.disabled_at is null`,
}

/**
 * The token path: one statement for the client, its live secrets (by the database's clock) and what it may ask for.
 * @returns undefined for an unknown or disabled client, and for anything that is not a client id
 */
export async function findActiveClient(pool: Pool, id: string): Promise<ActiveClient | undefined> {
  if (!isId('cli', id)) return undefined
  const { rows } = await pool.query<ActiveClientRow>({ ...ACTIVE_CLIENT, values: [id] })
  const [row] = rows
  if (!row) return undefined
  const secrets = row.secrets.map(({ digest, expiresAt }) => ({
    digest: Buffer.from(digest, 'hex'),
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
  }))
  return { ...toClient(row), secrets, access: row.access }
}

/** A client, disabled or not, with its access and what may be told of its secrets. */
export async function findClient(db: Knex, id: string): Promise<ClientDetails | undefined> {
  if (!isId('cli', id)) return undefined
  const row = await db<ClientRow>('clients').where({ id }).first()
  if (!row) return undefined
  const [access, secrets] = [await findAccess(db, id), await findSecretHints(db, id)]
  return { ...toClient(row), access, secrets }
}

/**
 * A page of clients in the order of their ids.
 * @param page.afterId the last id of the page before
 * @throws RegistryError `invalid` when that is no id
 */
export async function listClients(db: Knex, page: { limit: number; afterId?: string | undefined }): Promise<Client[]> {
  const { limit, afterId } = page
  const query = db<ClientRow>('clients').orderBy('id').limit(limit)
  if (afterId !== undefined) {
    if (!isId('cli', afterId))
      throw new RegistryError('invalid', 'the page must begin after the id of a client', 'after')
    query.where('id', '>', afterId)
  }
  return (await query).map(toClient)
}

/**
 * Takes the client's row for this transaction. Whoever changes a client takes it first: changes come one after the other,
 * and no grant can be made for the client meanwhile (its foreign key waits).
 * @throws RegistryError `not_found`
 */
export async function lockClient(trx: Knex, id: string): Promise<Client> {
  const row = isId('cli', id) ? await trx<ClientRow>('clients').where({ id }).forUpdate().first() : undefined
  if (!row) throw new RegistryError('not_found', 'no such client')
  return toClient(row)
}

/** The client as this transaction has left it. The caller holds its row. */
export async function lockedDetails(trx: Knex, id: string): Promise<ClientDetails> {
  const client = await findClient(trx, id)
  if (!client) throw new Error('a client vanished under its lock')
  return client
}

export async function findAccess(db: Knex, clientId: string): Promise<ResourceAccess[]> {
  const { rows } = await db.raw<{ rows: { access: ResourceAccess[] | null }[] }>(
    `select (${ACCESS}) as access from clients c where c.id = ?`,
    [clientId],
  )
  return rows[0]?.access ?? []
}

async function findSecretHints(db: Knex, clientId: string): Promise<ClientSecretHint[]> {
  const rows = await db('client_secrets')
    .where({ client_id: clientId })
    .whereRaw('(expires_at is null or expires_at > now())')
    .orderBy('created_at')
    .select<{ id: string; hint: string; created_at: Date; expires_at: Date | null }[]>(
      'id',
      'hint',
      'created_at',
      'expires_at',
    )
  return rows.map((row) => ({ id: row.id, hint: row.hint, createdAt: row.created_at, expiresAt: row.expires_at }))
}

function toClient(row: ClientRow): Client {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    tokenEndpointAuthMethod: row.token_endpoint_auth_method,
    grantTypes: row.grant_types,
    redirectUris: row.redirect_uris,
    postLogoutRedirectUris: row.post_logout_redirect_uris,
    allowedOrigins: row.allowed_origins,
    openidScopes: row.openid_scopes,
    firstParty: row.first_party,
    builtIn: row.built_in,
    disabledAt: row.disabled_at,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

import type { Knex } from 'knex'
import { isId } from '../../lib/ids.ts'
import type { Position } from '../../lib/keyset.ts'
import { readPage, whereContains, whereTime, type PageOptions, type PageRules, type TimeRange } from '../page.ts'
import { RegistryError } from '../registry-error.ts'
import type {
  Client,
  ClientDetails,
  ClientKind,
  ClientProfile,
  GrantType,
  OpenidScope,
  ResourceAccess,
  TokenEndpointAuthMethod,
} from './client.ts'

export interface ClientRow {
  id: string
  kind: ClientKind
  name: string
  token_endpoint_auth_method: TokenEndpointAuthMethod
  grant_types: GrantType[]
  redirect_uris: string[]
  post_logout_redirect_uris: string[]
  backchannel_logout_uri: string | null
  backchannel_logout_session_required: boolean
  allowed_origins: string[]
  openid_scopes: OpenidScope[]
  first_party: boolean
  profile: ClientProfile
  dpop_bound_access_tokens: boolean
  require_par: boolean
  jwks: Client['jwks']
  exchange_from: string[]
  built_in: boolean
  self_registered: boolean
  metadata_url: string | null
  disabled_at: Date | null
  version: number
  created_at: Date
  updated_at: Date
}

interface DetailsRow extends ClientRow {
  secrets: { id: string; hint: string; createdAt: string; expiresAt: string | null }[]
  access: ResourceAccess[]
}

/**
 * What operators opened to every client that registered itself.
 * @param columns of `resources`, named as the answer names them
 */
export const openAccess = (columns: string) => `
  select ${columns}, array_agg(offered.name order by offered.name) as scopes
  from resources join resource_scopes offered
    on offered.resource_id = resources.id and offered.name = any (resources.self_registered_scopes)
  where not resources.built_in
  group by resources.id`

/**
 * A client that registered itself has no access of its own: what is open is looked up, and closes for all of them at once.
 * @param columns as for `openAccess`, the audience among them
 */
export const accessOf = (columns: string) => `
  select json_agg(r order by r.audience)
  from (
    select ${columns}, array_agg(allowed.scope order by allowed.scope) as scopes
    from client_resource_scopes allowed join resources on resources.id = allowed.resource_id
    where allowed.client_id = c.id and not c.self_registered
    group by resources.id
    union all
    select * from (${openAccess(columns)}) open where c.self_registered
  ) r`

const ACCESS = accessOf('resources.id as "resourceId", resources.audience')

const SECRET_HINTS = `
  select json_agg(
    json_build_object('id', s.id, 'hint', s.hint, 'createdAt', s.created_at, 'expiresAt', s.expires_at)
    order by s.created_at, s.id
  )
  from client_secrets s
  where s.client_id = c.id and (s.expires_at is null or s.expires_at > now())`

/** Clients with all that hangs on them, in one statement however many there are. */
function selectDetails(db: Knex): Knex.QueryBuilder {
  return db('clients as c').select(
    'c.*',
    db.raw(`coalesce((${ACCESS}), '[]') as access`),
    db.raw(`coalesce((${SECRET_HINTS}), '[]') as secrets`),
  )
}

/** A client, disabled or not, with its access and what may be told of its secrets. */
export async function findClient(db: Knex, id: string): Promise<ClientDetails | undefined> {
  if (!isId('cli', id)) return undefined
  const row = (await selectDetails(db).where('c.id', id).first()) as DetailsRow | undefined
  return row && toDetails(row)
}

const PAGES = {
  sortColumns: {
    created_at: { column: 'c.created_at' },
    updated_at: { column: 'c.updated_at' },
    name: { column: 'c.name' },
  },
  id: 'c.id',
} as const satisfies PageRules

export interface ClientFilter {
  kind?: ClientKind | undefined
  disabled?: boolean | undefined
  firstParty?: boolean | undefined
  /** Part of the name or of the id, in any case. */
  q?: string | undefined
  created?: TimeRange | undefined
}

/** A page of clients with their details, sorted by `created_at`, `updated_at` or `name`. */
export async function listClients(
  db: Knex,
  { filter = {}, ...page }: PageOptions & { filter?: ClientFilter | undefined },
): Promise<{ clients: ClientDetails[]; next: Position | undefined; total: number | undefined }> {
  const query = selectDetails(db)
  if (filter.kind !== undefined) query.where('c.kind', filter.kind)
  if (filter.firstParty !== undefined) query.where('c.first_party', filter.firstParty)
  if (filter.disabled !== undefined) query.whereRaw(`c.disabled_at is ${filter.disabled ? 'not ' : ''}null`)
  if (filter.q !== undefined) whereContains(query, ['c.name', 'c.id'], filter.q)
  whereTime(query, 'c.created_at', filter.created)
  const { rows, next, total } = await readPage<DetailsRow>(query, PAGES, page)
  return { clients: rows.map(toDetails), next, total }
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

/** Every change of what a client shows counts, that of its secrets too. The caller holds its row. */
export async function countVersion(trx: Knex, id: string): Promise<void> {
  await trx('clients')
    .where({ id })
    .update({ version: trx.raw('version + 1'), updated_at: trx.raw('clock_timestamp()') })
}

function toDetails(row: DetailsRow): ClientDetails {
  const secrets = row.secrets.map(({ id, hint, createdAt, expiresAt }) => ({
    id,
    hint,
    createdAt: new Date(createdAt),
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
  }))
  return { ...toClient(row), access: row.access, secrets }
}

export function toClient(row: ClientRow): Client {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    tokenEndpointAuthMethod: row.token_endpoint_auth_method,
    grantTypes: row.grant_types,
    redirectUris: row.redirect_uris,
    postLogoutRedirectUris: row.post_logout_redirect_uris,
    backchannelLogoutUri: row.backchannel_logout_uri,
    backchannelLogoutSessionRequired: row.backchannel_logout_session_required,
    allowedOrigins: row.allowed_origins,
    openidScopes: row.openid_scopes,
    firstParty: row.first_party,
    profile: row.profile,
    dpopBoundAccessTokens: row.dpop_bound_access_tokens,
    requirePar: row.require_par,
    jwks: row.jwks,
    exchangeFrom: row.exchange_from,
    builtIn: row.built_in,
    selfRegistered: row.self_registered,
    metadataUrl: row.metadata_url,
    disabledAt: row.disabled_at,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

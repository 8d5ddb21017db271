import type { Knex } from 'knex'
import type pg from 'pg'
import { isId, newId } from '../../lib/ids.ts'
import { RegistryError } from '../registry-error.ts'
import type { ConnectedApp, ConnectedResource, Consent, ConsentedScopes } from './consent.ts'

const CONSENTED = {
  name: 'find-consented-scopes',
  text: `select resources.audience, consents.scopes
    from consents left join resources on resources.id = consents.resource_id
    where consents.user_id = $1 and consents.client_id = $2
      and (consents.expires_at is null or consents.expires_at > now())`,
}

/** What a person allowed a client and has not expired, in one prepared statement. Nothing allowed is an empty answer. */
export async function consentedScopes(pool: pg.Pool, userId: string, clientId: string): Promise<ConsentedScopes> {
  if (!isId('usr', userId) || !isId('cli', clientId)) return { openid: [], resources: {} }
  const { rows } = await pool.query<ScopesRow>({ ...CONSENTED, values: [userId, clientId] })
  return byAudience(rows)
}

interface ScopesRow {
  /** Null for the OpenID scopes. */
  audience: string | null
  scopes: string[]
}

function byAudience(rows: ScopesRow[]): ConsentedScopes {
  return {
    openid: rows.find(({ audience }) => audience === null)?.scopes ?? [],
    resources: Object.fromEntries(
      rows.flatMap(({ audience, scopes }) => (audience === null ? [] : [[audience, scopes]])),
    ),
  }
}

/** What is kept of a person's yes to a client, expired or not. Undefined when there is none. */
export async function findConsent(db: Knex, userId: string, clientId: string): Promise<Consent | undefined> {
  const rows = await db('consents')
    .leftJoin('resources', 'resources.id', 'consents.resource_id')
    .where({ user_id: userId, client_id: clientId })
    .orderBy('audience')
    .select<(ScopesRow & { granted_at: Date; expires_at: Date | null })[]>(
      'audience',
      'scopes',
      'granted_at',
      'expires_at',
    )
  if (rows.length === 0) return undefined
  const ends = rows.flatMap(({ expires_at }) => expires_at?.getTime() ?? [])
  return {
    ...byAudience(rows),
    grantedAt: new Date(Math.max(...rows.map(({ granted_at }) => granted_at.getTime()))),
    expiresAt: ends.length > 0 ? new Date(Math.min(...ends)) : null,
  }
}

/** The ids of resource servers by audience. @throws RegistryError `not_found` when one does not exist */
export async function resourceIds(db: Knex, audiences: string[]): Promise<Map<string, string>> {
  const rows = await db('resources')
    .whereIn('audience', audiences)
    .select<{ id: string; audience: string }[]>('id', 'audience')
  const ids = new Map(rows.map(({ id, audience }) => [audience, id]))
  if (ids.size < new Set(audiences).size) throw new RegistryError('not_found', 'there is no such resource', 'resources')
  return ids
}

export interface ConsentRow {
  /** Null for the OpenID scopes. */
  resourceId: string | null
  scopes: string[]
}

/**
 * Adds to what was allowed. Scopes of a consent that has expired are not carried on; where old scopes live on beside new
 * ones, the earlier end counts for all, so that a yes to one thing never prolongs another.
 * @throws RegistryError `not_found` when the user or client is gone
 */
export async function addConsents(
  trx: Knex,
  { userId, clientId, expiresAt }: { userId: string; clientId: string; expiresAt: Date | null },
  rows: ConsentRow[],
): Promise<void> {
  if (rows.length === 0) return
  // In one order always, so that two of these at once can't wait for each other.
  const ordered = rows.toSorted((a, b) => ((a.resourceId ?? '') < (b.resourceId ?? '') ? -1 : 1))
  const values = ordered.flatMap(({ resourceId, scopes }) => [
    newId('con'),
    userId,
    clientId,
    resourceId,
    [...new Set(scopes)].sort(),
    expiresAt,
  ])
  try {
    await trx.raw(
      `insert into consents as held (id, user_id, client_id, resource_id, scopes, expires_at)
       values ${ordered.map(() => '(?, ?, ?, ?, ?::text[], ?)').join(', ')}
       on conflict on constraint one_consent_per_user_client_resource do update set
         (scopes, granted_at, expires_at) = (
           select array(select distinct unnest(kept || excluded.scopes) order by 1), now(),
             case when kept <@ excluded.scopes then excluded.expires_at
               else least(held.expires_at, excluded.expires_at) end
           from (select case when held.expires_at <= now() then '{}' else held.scopes end as kept) as before
         )`,
      values,
    )
  } catch (error) {
    if ((error as { code?: string }).code !== '23503') throw error
    throw new RegistryError('not_found', 'the user, the client or the resource is gone')
  }
}

/** @returns how many rows went */
export async function removeConsents(trx: Knex, userId: string, clientId: string): Promise<number> {
  return trx('consents').where({ user_id: userId, client_id: clientId }).delete()
}

interface AppRow {
  id: string
  name: string
  first_party: boolean
  redirect_uris: string[]
  openid: string[] | null
  resources: { audience: string; name: string; scopes: ScopeRow[] }[] | null
  consented_at: Date | null
  expires_at: Date | null
  live_families: number
  last_used_at: Date | null
}

interface ScopeRow {
  name: string
  description: string
  description_de: string | null
}

const CONNECTED = `
  with held as (
    select * from consents where user_id = :userId and (expires_at is null or expires_at > now())
  ), said as (
    select client_id, max(granted_at) as consented_at, min(expires_at) as expires_at from held group by client_id
  ), families as (
    select client_id, count(*) as live,
      max(greatest(grants.created_at, (select max(issued_at) from refresh_tokens where grant_id = grants.id))) as used_at
    from grants where user_id = :userId and expires_at > now() group by client_id
  ), allowed as (
    select held.client_id, jsonb_agg(
      jsonb_build_object('audience', resources.audience, 'name', resources.name, 'scopes', scopes.described)
      order by resources.name, resources.audience
    ) as resources
    from held
    join resources on resources.id = held.resource_id
    cross join lateral (
      select jsonb_agg(jsonb_build_object(
        'name', name, 'description', description, 'description_de', description_de) order by name) as described
      from resource_scopes where resource_id = held.resource_id and name = any (held.scopes)
    ) as scopes
    where scopes.described is not null
    group by held.client_id
  )
  select clients.id, clients.name, clients.first_party, clients.redirect_uris,
    (select scopes from held where client_id = clients.id and resource_id is null) as openid,
    allowed.resources, said.consented_at, said.expires_at,
    coalesce(families.live, 0)::int as live_families, families.used_at as last_used_at
  from clients
  left join said on said.client_id = clients.id
  left join families on families.client_id = clients.id
  left join allowed on allowed.client_id = clients.id
  where said.client_id is not null or families.client_id is not null
  order by lower(clients.name), clients.id`

/** Apps that a person allowed something, and apps that hold a live token for them without having had to ask. */
export async function listConnectedApps(db: Knex, userId: string): Promise<ConnectedApp[]> {
  if (!isId('usr', userId)) return []
  const { rows } = await db.raw<{ rows: AppRow[] }>(CONNECTED, { userId })
  return rows.map((row) => ({
    clientId: row.id,
    name: row.name,
    firstParty: row.first_party,
    openid: row.openid ?? [],
    resources: (row.resources ?? []).map(connectedResource),
    consentedAt: row.consented_at,
    expiresAt: row.expires_at,
    liveFamilies: row.live_families,
    lastUsedAt: row.last_used_at,
    redirectHosts: [...new Set(row.redirect_uris.flatMap(redirectHost))],
  }))
}

function connectedResource({ audience, name, scopes }: NonNullable<AppRow['resources']>[number]): ConnectedResource {
  return {
    audience,
    name,
    scopes: scopes.map((scope) => ({
      name: scope.name,
      description: scope.description,
      descriptionDe: scope.description_de,
    })),
  }
}

/** The host of a web address; the scheme of one that opens an app on the device (RFC 8252 §7.1). */
function redirectHost(uri: string): string[] {
  const url = URL.parse(uri)
  if (!url) return []
  return [/^https?:$/.test(url.protocol) ? url.host : url.protocol]
}

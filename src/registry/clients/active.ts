/** Clients as the token path needs them: read often, changed seldom, and never out of date. */
import type { Pool } from 'pg'
import { isId } from '../../lib/ids.ts'
import type { ActiveClient, TokenAccess } from './client.ts'
import { accessOf, openAccess, toClient, type ClientRow } from './queries.ts'

/** The stamp changes with every change of the row. */
interface StampedAccess extends TokenAccess {
  stamp: string
}

interface ActiveClientRow extends ClientRow {
  secrets: { digest: string; expiresAt: string | null }[]
  access: StampedAccess[]
  stamp: string
  /** Milliseconds since the epoch, by the database's clock. */
  read_at: number
}

const ACCESS = `
  resources.id as "resourceId", resources.audience, resources.token_format as "tokenFormat",
  resources.signing_alg as "signingAlg", resources.access_token_ttl as "accessTokenTtl",
  resources.token_claims as "tokenClaims", resources.xmin::text as stamp`

const ACTIVE_CLIENT = {
  name: 'find_active_client',
  text: `
    select c.*, c.xmin::text as stamp, extract(epoch from now())::float8 * 1000 as read_at,
      coalesce((
        select json_agg(json_build_object('digest', encode(s.digest, 'hex'), 'expiresAt', s.expires_at))
        from client_secrets s
        where s.client_id = c.id and (s.expires_at is null or s.expires_at > now())
      ), '[]') as secrets,
      coalesce((${accessOf(ACCESS)}), '[]') as access
    from clients c
    where c.id = $1 and c.disabled_at is null`,
}

export interface StampedClient {
  client: ActiveClient
  /** By the ids of the client and of the resources that it may ask for: each changes with every change of that row. */
  stamps: ReadonlyMap<string, string>
  /** When it was so, by the database's clock: milliseconds since the epoch. */
  readAt: number
}

/**
 * One statement for the client, its live secrets (by the database's clock) and what it may ask for.
 * @returns undefined for an unknown or disabled client, and for anything that is not a client id
 */
export async function readActiveClient(pool: Pool, id: string): Promise<StampedClient | undefined> {
  if (!isId('cli', id)) return undefined
  const { rows } = await pool.query<ActiveClientRow>({ ...ACTIVE_CLIENT, values: [id] })
  const [row] = rows
  if (!row) return undefined
  const ofResources = row.access.map(({ resourceId, stamp }) => [resourceId, stamp] as const)
  return { client: toActiveClient(row), stamps: new Map([[row.id, row.stamp], ...ofResources]), readAt: row.read_at }
}

/** The same without what a memory needs. */
export async function findActiveClient(pool: Pool, id: string): Promise<ActiveClient | undefined> {
  return (await readActiveClient(pool, id))?.client
}

function toActiveClient(row: ActiveClientRow): ActiveClient {
  const secrets = row.secrets.map(({ digest, expiresAt }) => ({
    digest: Buffer.from(digest, 'hex'),
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
  }))
  return { ...toClient(row), secrets, access: row.access.map(({ stamp: _stamp, ...access }) => access) }
}

const FIND_OPEN_ACCESS = {
  name: 'find_open_access',
  text: `select * from (${openAccess(ACCESS)}) open order by audience`,
}

/** What any client may ask for that registered itself, or that nobody registered at all. */
export async function findOpenAccess(pool: Pool): Promise<TokenAccess[]> {
  const { rows } = await pool.query<StampedAccess>(FIND_OPEN_ACCESS)
  return rows.map(({ stamp: _stamp, ...access }) => access)
}

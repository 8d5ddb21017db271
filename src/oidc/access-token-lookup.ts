/**
 * What the management API asks of us: whose access token this is, while everything that it hangs on is alive. Tokens for it
 * are opaque, so the answer is one look into the table, and a token is dead for the next request after its grant, session,
 * user or client has ended. Tokens of other audiences are nobody's here.
 */
import type { AdapterPayload } from 'oidc-provider'
import type pg from 'pg'
import { run, statement } from '../database/statement.ts'
import { digestSecret } from '../lib/secret.ts'
import { MANAGEMENT_RESOURCE_ID, managementAudience } from '../registry/management-scopes.ts'

/** A live access token for the management API. */
export interface LiveAccessToken {
  clientId: string
  /** Whom it acts for; undefined for a service that acts for itself. */
  user: { id: string; roles: string[] } | undefined
  /** What it was issued with and its client may still ask for. The roles of the user are for the caller to apply. */
  scopes: string[]
  expiresAt: Date
}

export type FindAccessToken = (value: string) => Promise<LiveAccessToken | undefined>

// A token of the browser's session asks for the session in which its grant was made. Sessions are looked up by the grant's
// column and not inside the payload: reading json there would fail on the NUL that a stranger's nonce may hold.
const FIND = statement(`
  select a.model, a.payload, a.expires_at, c.id as client_id, u.id as user_id, u.roles, s.uid as session_uid,
    array(
      select scope from client_resource_scopes where client_id = c.id and resource_id = '${MANAGEMENT_RESOURCE_ID}'
    ) as registered
  from artifacts a
  join clients c on c.id = a.client_id and c.disabled_at is null and not c.self_registered
  left join grants g on g.id = a.grant_id and g.client_id = c.id and g.expires_at > now()
  left join users u on u.id = g.user_id and u.disabled_at is null
  left join sessions s on s.uid = g.session_uid and s.user_id = u.id and s.ended_at is null and s.expires_at > now()
  where a.id_digest = $1 and a.expires_at > now()
    and ((a.model = 'AccessToken' and u.id is not null)
      or (a.model = 'ClientCredentials' and a.grant_id is null and c.kind = 'service'))`)

interface Row {
  model: 'AccessToken' | 'ClientCredentials'
  payload: AdapterPayload
  expires_at: Date
  client_id: string
  user_id: string | null
  roles: string[] | null
  session_uid: string | null
  registered: string[]
}

export function createAccessTokenLookup({ pool, issuer }: { pool: pg.Pool; issuer: string }): FindAccessToken {
  const audience = managementAudience(issuer)
  return async (value) => {
    const [row] = await run<Row>(pool, FIND, [digestSecret(value)])
    if (!row || row.payload.aud !== audience || !isBound(row)) return undefined
    const issued = typeof row.payload.scope === 'string' ? row.payload.scope.split(' ') : []
    return {
      clientId: row.client_id,
      user: row.user_id === null ? undefined : { id: row.user_id, roles: row.roles ?? [] },
      scopes: issued.filter((scope) => row.registered.includes(scope)),
      expiresAt: row.expires_at,
    }
  }
}

/** Whether the token is still held by what the library bound it to. The management API takes bearers' tokens only. */
function isBound({ payload, user_id, session_uid }: Row): boolean {
  // RFC 9449 §7.2: whoever presents a bound token as a bearer may have stolen it.
  if (payload.jkt !== undefined) return false
  if (user_id !== null && payload.accountId !== user_id) return false
  return !payload.expiresWithSession || (session_uid !== null && payload.sessionUid === session_uid)
}

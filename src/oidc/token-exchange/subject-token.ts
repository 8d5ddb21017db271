import type { AdapterPayload } from 'oidc-provider'
import type pg from 'pg'
import { run, statement } from '../../database/statement.ts'
import { digestSecret } from '../../lib/secret.ts'
import { grantOf, SESSION_CLAIM, type JwtAccessTokens } from '../introspection/jwt-access-token.ts'
import { actorOf, type Actor } from './delegation.ts'

/** A live access token of a person, whatever it looks like. */
export interface SubjectToken {
  audience: string
  scopes: string[]
  userId: string
  /** The family that it belongs to. */
  grantId: string
  /** The browser session with which it ends, if it does. */
  sessionUid: string | undefined
  /** In seconds since 1970. */
  expiresAt: number
  /** The key that it is bound to (RFC 9449 §6.1). */
  keyThumbprint: string | undefined
  act: Actor | undefined
  authTime: unknown
  acr: unknown
}

export type ReadSubjectToken = (value: string) => Promise<SubjectToken | undefined>

// The session is asked for as the library asks, and by the grant's column: reading json there would fail on the NUL that a
// stranger's nonce may hold.
const FIND = statement(`
  select a.payload, a.grant_id, u.id as user_id, extract(epoch from a.expires_at)::integer as expires_at, s.uid as session_uid
  from artifacts a
  join clients c on c.id = a.client_id and c.disabled_at is null
  join grants g on g.id = a.grant_id and g.expires_at > now()
  join users u on u.id = g.user_id and u.disabled_at is null
  left join sessions s on s.uid = g.session_uid and s.user_id = u.id and s.ended_at is null and s.expires_at > now()
  where a.id_digest = $1 and a.model = 'AccessToken' and a.expires_at > now()`)

interface Row {
  payload: AdapterPayload
  grant_id: string
  user_id: string
  expires_at: number
  session_uid: string | null
}

/**
 * Reads subject tokens: ours, alive, and a person's. What a service got for itself is none: who holds that could only become
 * somebody that it is not.
 */
export function createSubjectTokens({ pool, jwts }: { pool: pg.Pool; jwts: JwtAccessTokens }): ReadSubjectToken {
  async function readJwt(value: string): Promise<SubjectToken | undefined> {
    const claims = await jwts.read(value)
    const grantId = claims && grantOf(claims)
    if (!claims || grantId === undefined || !(await jwts.isAlive(claims))) return undefined
    const session = claims[SESSION_CLAIM]
    return {
      audience: claims.aud,
      scopes: words(claims.scope),
      userId: claims.sub,
      grantId,
      sessionUid: typeof session === 'string' ? session : undefined,
      expiresAt: claims.exp,
      keyThumbprint: claims.cnf?.jkt,
      act: actorOf(claims.act),
      authTime: claims.auth_time,
      acr: claims.acr,
    }
  }

  async function readOpaque(value: string): Promise<SubjectToken | undefined> {
    const [row] = await run<Row>(pool, FIND, [digestSecret(value)])
    if (!row) return undefined
    const { payload, session_uid } = row
    const { expiresWithSession, sessionUid, aud, jkt, extra = {} } = payload
    if (typeof aud !== 'string' || payload.accountId !== row.user_id) return undefined
    if (expiresWithSession && (session_uid === null || session_uid !== sessionUid)) return undefined
    return {
      audience: aud,
      scopes: words(payload.scope),
      userId: row.user_id,
      grantId: row.grant_id,
      sessionUid: expiresWithSession ? sessionUid : undefined,
      expiresAt: row.expires_at,
      keyThumbprint: jkt,
      act: actorOf(extra.act),
      authTime: extra.auth_time,
      acr: extra.acr,
    }
  }

  return (value) => (value.includes('.') ? readJwt(value) : readOpaque(value))
}

function words(text: unknown): string[] {
  return typeof text === 'string' ? text.split(' ').filter(Boolean) : []
}

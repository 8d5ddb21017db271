/**
 * Access tokens that are JWTs (RFC 9068) stand in no table. Whether one is still good is answered by its signature and by
 * what it hangs on: the grant that it names, the grant's user and session, its client. Nothing is cached: an instance
 * answers by what the database says at this moment.
 */
import { createLocalJWKSet, errors, jwtVerify, type JWTPayload } from 'jose'
import type pg from 'pg'
import { run, statement } from '../../database/statement.ts'
import type { KeySet } from '../../keys/ring.ts'
import { digestSecret } from '../../lib/secret.ts'
import { registryId } from '../../registry/clients/metadata-url.ts'

/**
 * Names the token family of a person's token, and the browser session with which it ends, if it does. They open nothing; an
 * API that follows events finds by them what has ended.
 */
export const GRANT_CLAIM = 'grant_id'
export const SESSION_CLAIM = 'session_id'

/** What ours always hold. */
export interface AccessTokenClaims extends JWTPayload {
  iss: string
  sub: string
  aud: string
  jti: string
  iat: number
  exp: number
  client_id: string
  cnf?: { jkt?: string }
}

export interface JwtAccessTokens {
  /** The claims of a token that we have signed and that is not expired; undefined for everything else. Asks no database. */
  read(token: string): Promise<AccessTokenClaims | undefined>
  /** Whether everything that the token hangs on is alive. */
  isAlive(claims: AccessTokenClaims): Promise<boolean>
  /** Remembers until its end that this one is revoked, and tells so, once. @returns whether it was not revoked before */
  revoke(claims: AccessTokenClaims): Promise<boolean>
}

const LONGEST = 8192
const ALGORITHMS = ['RS256', 'ES256', 'Ed25519']
const REQUIRED = ['sub', 'aud', 'jti', 'iat', 'exp', 'client_id']

// What a client got for itself ends when it is disabled, and enabling it revives nothing: the second in which both happen
// counts as before. So does what it got by exchange ($7), which hangs on the grant of another client.
const FIND = statement(`
  select u.id as user_id, s.uid as session_uid,
    coalesce(to_timestamp($5) >= c.own_tokens_ended_at, true) as is_after_end
  from clients c
  left join grants g on g.id = $2 and (g.client_id = c.id or $7) and g.user_id = $3 and g.expires_at > now()
  left join users u on u.id = g.user_id and u.disabled_at is null
  left join sessions s on s.uid = $6 and s.uid = g.session_uid and s.user_id = u.id and s.ended_at is null and s.expires_at > now()
  where (c.id = $1 or c.metadata_url = $1) and c.disabled_at is null
    and not exists (select 1 from artifacts where id_digest = $4 and model = 'RevokedAccessToken')`)

const REVOKE = statement(`
  with client as (
    select id from clients where id = $2 or metadata_url = $2 for key share
  ), told as (
    insert into artifacts (id_digest, model, client_id, payload, expires_at)
    select $1, 'RevokedAccessToken', client.id, '{}', to_timestamp($3) from client
    on conflict (id_digest) do nothing
    returning client_id
  )
  insert into events (type, actor, subject, user_id, client_id, data)
  select 'token.revoked', client_id, coalesce($4::text, client_id), $5, client_id,
    jsonb_build_object('token_type', 'access_token', 'grant_id', $4::text, 'token_id', $6::text)
  from told
  returning 1`)

interface Row {
  user_id: string | null
  session_uid: string | null
  is_after_end: boolean
}

export function createJwtAccessTokens(
  { pool, issuer }: { pool: pg.Pool; issuer: string },
  { publicJwks }: KeySet,
): JwtAccessTokens {
  const keys = createLocalJWKSet({ keys: [...publicJwks.keys] })
  const options = { issuer, typ: 'at+jwt', algorithms: ALGORITHMS, requiredClaims: REQUIRED }

  return {
    async read(token) {
      if (token.length > LONGEST) return undefined
      try {
        const { payload } = await jwtVerify(token, keys, options)
        return isComplete(payload) ? payload : undefined
      } catch (error) {
        if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
        throw error
      }
    },

    async isAlive(claims) {
      const { client_id, sub, jti, iat } = claims
      const grantId = grantOf(claims)
      const sessionUid = textOf(claims[SESSION_CLAIM])
      const isExchanged = claims.act !== undefined
      const [row] = await run<Row>(pool, FIND, [
        registryId(client_id),
        grantId ?? null,
        sub,
        digestOf(jti),
        iat,
        sessionUid ?? null,
        isExchanged,
      ])
      if (!row) return false
      if (grantId === undefined) return sub === client_id && row.is_after_end
      if (row.user_id === null || (isExchanged && !row.is_after_end)) return false
      return sessionUid === undefined || row.session_uid !== null
    },

    async revoke({ jti, client_id, exp, sub, ...claims }) {
      const grantId = grantOf(claims)
      const userId = grantId === undefined ? null : sub
      return (
        (await run(pool, REVOKE, [digestOf(jti), registryId(client_id), exp, grantId ?? null, userId, jti])).length > 0
      )
    },
  }
}

export function grantOf(claims: JWTPayload): string | undefined {
  return textOf(claims[GRANT_CLAIM])
}

function textOf(claim: unknown): string | undefined {
  return typeof claim === 'string' ? claim : undefined
}

function isComplete(payload: JWTPayload): payload is AccessTokenClaims {
  const texts = [payload.sub, payload.aud, payload.jti, payload.client_id]
  return texts.every((value) => typeof value === 'string') && typeof payload.iat === 'number'
}

/** Beside digests of tokens in one table: a token can't be chosen so that it meets this. */
function digestOf(jti: string): Buffer {
  return digestSecret(`revoked access token ${jti}`)
}

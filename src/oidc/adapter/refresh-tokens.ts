/**
 * Refresh rotation (RFC 9700 §4.14.2), idempotent inside a short window.
 *
 *   fresh ──first use──▶ consumed ──window passes──▶ any use revokes the family
 *                           │
 *                           └─ the same request again, before the successor is used: the same successor
 *
 * The successor's value is an HMAC of the old token, so that every instance answers a duplicate alike without storing a
 * token. The window counts from the first use on the database's clock and never slides. Claim of the old token, insert of
 * the new one and the grant's lock are one statement: there is no moment at which a crash loses the client's token.
 */
import { errors, Provider, type Adapter, type AdapterPayload, type KoaContextWithOIDC } from 'oidc-provider'
import { digestSecret as digest } from '../../lib/secret.ts'
import { withoutId, type AdapterDependencies } from './model.ts'
import { revokedMeanwhile } from './artifacts.ts'
import type { Families } from './families.ts'
import { requestDigest } from './refresh-request.ts'
import { isForeignKeyViolation, run, statement } from './statement.ts'

const INSERT = statement(`
  insert into refresh_tokens (id_digest, grant_id, payload, expires_at) values ($1, $2, $3, to_timestamp($4))`)

const FIND = statement(`
  select payload, extract(epoch from consumed_at)::integer as consumed,
    coalesce(consumed_at > now() - make_interval(secs => $2), false) as in_window
  from refresh_tokens where id_digest = $1`)

// The grant's row is locked first, as a revocation does, so that the two can't deadlock and neither slips past the other.
const ROTATE = statement(`
  with family as (
    select id from grants where id = $3 for key share
  ), claimed as (
    update refresh_tokens old
    set consumed_at = coalesce(old.consumed_at, now()), request_digest = $4, successor_digest = $2
    from family
    where old.id_digest = $1 and old.grant_id = family.id and (
      old.consumed_at is null
      or (old.consumed_at > now() - make_interval(secs => $7)
        and old.successor_digest = $2 and old.request_digest = $4 and old.successor_used_at is null))
    returning old.id_digest, old.grant_id
  ), closed as (
    update refresh_tokens predecessor set successor_used_at = now()
    from claimed
    where predecessor.successor_digest = claimed.id_digest and predecessor.successor_used_at is null
  ), successor as (
    insert into refresh_tokens (id_digest, grant_id, payload, expires_at)
    select $2, claimed.grant_id, $5, to_timestamp($6) from claimed
    on conflict (id_digest) do nothing
  )
  select 1 from claimed`)

const FAMILY_OF = statement('select grant_id from refresh_tokens where id_digest = $1')

/** The token that this request presented and is about to exchange. */
const presented = new WeakMap<KoaContextWithOIDC, string>()

export function createRefreshTokens({ pool, refreshReuseSeconds }: AdapterDependencies, families: Families): Adapter {
  async function rotate(ctx: KoaContextWithOIDC, old: string, id: string, payload: AdapterPayload): Promise<void> {
    const values = [digest(old), digest(id), payload.grantId, requestDigest(ctx), withoutId(payload), payload.exp]
    const claimed = await run(pool, ROTATE, [...values, refreshReuseSeconds])
    if (claimed.length === 0) throw new errors.InvalidGrant('refresh token already used, or revoked meanwhile')
  }

  return {
    async upsert(id, payload) {
      const { ctx } = Provider
      const old = ctx && presented.get(ctx)
      if (ctx && old) return rotate(ctx, old, id, payload)
      // Fails closed should the library ever save a successor before it consumes the old token.
      if (ctx?.oidc.params?.grant_type === 'refresh_token')
        throw new Error('a successor without a consumed predecessor')
      try {
        await run(pool, INSERT, [digest(id), payload.grantId, withoutId(payload), payload.exp])
      } catch (error) {
        throw isForeignKeyViolation(error) ? revokedMeanwhile() : error
      }
    },

    async find(id) {
      type Row = { payload: AdapterPayload; consumed: number | null; in_window: boolean }
      const [row] = await run<Row>(pool, FIND, [digest(id), refreshReuseSeconds])
      if (!row) return undefined
      // Inside the window the token endpoint must not take a duplicate for theft; the claim in ROTATE judges it. Everywhere
      // else a consumed token is consumed from its first use on.
      const forgiven = row.in_window && Provider.ctx?.oidc.route === 'token'
      return { ...row.payload, jti: id, ...(row.consumed && !forgiven ? { consumed: row.consumed } : {}) }
    },

    /** Only remembers: the claim happens in one statement with the insert of the successor. */
    consume(id) {
      if (!Provider.ctx) throw new Error('a refresh token can be consumed only inside a request')
      presented.set(Provider.ctx, id)
      return Promise.resolve()
    },

    /** A refresh token never dies alone (RFC 7009 §2.1): its family goes with it. */
    async destroy(id) {
      const [row] = await run<{ grant_id: string }>(pool, FAMILY_OF, [digest(id)])
      await families.revoke(row?.grant_id)
    },

    revokeByGrantId: (grantId) => families.revoke(grantId),
    findByUid: () => Promise.resolve(undefined),
    findByUserCode: () => Promise.resolve(undefined),
  }
}

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
import { manyValues, run, statement } from '../../database/statement.ts'
import { digestSecret as digest } from '../../lib/secret.ts'
import { createBatch } from '../../database/batch.ts'
import { withoutId, type AdapterDependencies } from './model.ts'
import { revokedMeanwhile } from './artifacts.ts'
import { CIRCUMSTANCES, CIRCUMSTANCES_JOIN, keepCircumstances, type CircumstancesRow } from './circumstances.ts'
import type { Families } from './families.ts'
import { requestDigest } from './refresh-request.ts'
import { inPlaces, isForeignKeyViolation, toldOf } from './rows.ts'
import { together } from './together.ts'

const INSERT = statement(`
  insert into refresh_tokens (id_digest, grant_id, payload, expires_at) values ($1, $2, $3, to_timestamp($4))
  returning 1`)

const INSERT_TOGETHER = statement(`
  with asked as (
    select *
    from unnest(
      ${manyValues('$1::bytea[]')}, ${manyValues('$2::text[]')}, ${manyValues('$3::text[]')}, ${manyValues('$4::float8[]')}
    ) as asked (id_digest, grant_id, payload, expires_at)
  ), families as (
    select id from grants where id = any (${manyValues('$2::text[]')}::text[]) for key share skip locked
  )
  insert into refresh_tokens (id_digest, grant_id, payload, expires_at)
  select asked.id_digest, families.id, asked.payload::json, to_timestamp(asked.expires_at)
  from asked join families on families.id = asked.grant_id
  returning id_digest`)

const STATE = `
  t.payload, extract(epoch from t.consumed_at)::integer as consumed,
  coalesce(t.consumed_at > now() - make_interval(secs => $2), false) as in_window`

const FIND = statement(`select ${STATE} from refresh_tokens t where id_digest = $1`)

const FIND_PRESENTED = statement(`
  select asked.place::integer, ${STATE}, ${CIRCUMSTANCES}
  from unnest(${manyValues('$1::bytea[]')}) with ordinality as asked (id_digest, place) join refresh_tokens t using (id_digest)
  ${CIRCUMSTANCES_JOIN}`)

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

// The same for many, of which it takes those whose rows are free.
const ROTATE_TOGETHER = statement(`
  with asked as (
    select *
    from unnest(
      ${manyValues('$1::bytea[]')}, ${manyValues('$2::bytea[]')}, ${manyValues('$3::text[]')}, ${manyValues('$4::bytea[]')},
      ${manyValues('$5::text[]')}, ${manyValues('$6::float8[]')}
    ) with ordinality as asked (old_digest, new_digest, grant_id, request_digest, payload, expires_at, place)
  ), families as (
    select id from grants where id = any (${manyValues('$3::text[]')}::text[]) for key share skip locked
  ), held as (
    select id_digest from refresh_tokens where id_digest = any (${manyValues('$1::bytea[]')}::bytea[]) for no key update skip locked
  ), claimed as (
    update refresh_tokens old
    set consumed_at = coalesce(old.consumed_at, now()), request_digest = asked.request_digest,
      successor_digest = asked.new_digest
    from asked join families on families.id = asked.grant_id join held on held.id_digest = asked.old_digest
    where old.id_digest = held.id_digest and old.grant_id = families.id and (
      old.consumed_at is null
      or (old.consumed_at > now() - make_interval(secs => $7)
        and old.successor_digest = asked.new_digest and old.request_digest = asked.request_digest
        and old.successor_used_at is null))
    returning old.id_digest, asked.new_digest, old.grant_id, asked.payload, asked.expires_at, asked.place
  ), closed as (
    update refresh_tokens predecessor set successor_used_at = now()
    from claimed
    where predecessor.successor_digest = claimed.id_digest and predecessor.successor_used_at is null
  ), successor as (
    insert into refresh_tokens (id_digest, grant_id, payload, expires_at)
    select new_digest, grant_id, payload::json, to_timestamp(expires_at) from claimed
    on conflict (id_digest) do nothing
  )
  select place::integer from claimed`)

const FAMILY_OF = statement('select grant_id from refresh_tokens where id_digest = $1')

/** The token that this request presented and is about to exchange. */
const presented = new WeakMap<KoaContextWithOIDC, string>()

interface Rotation {
  old: Buffer
  successor: NewToken
  request: Buffer
}

interface NewToken {
  digest: Buffer
  grantId: string
  payload: string
  expiresAt: number
}

type TokenRow = { payload: AdapterPayload; consumed: number | null; in_window: boolean }
type PresentedRow = TokenRow & CircumstancesRow & { place: number }

export function createRefreshTokens({ pool, refreshReuseSeconds }: AdapterDependencies, families: Families): Adapter {
  const findPresented = createBatch<Buffer, PresentedRow | undefined>({
    async ask(digests) {
      const rows = await run<PresentedRow>(pool, FIND_PRESENTED, [digests, refreshReuseSeconds])
      return inPlaces(rows, digests.length)
    },
  })

  // Of one family one at a time: two of its tokens touch the same rows.
  const rotate = together<Rotation, true>({
    keyOf: ({ successor }) => successor.grantId,
    async together(all) {
      const successors = all.map(({ successor }) => successor)
      const { digests, grantIds, payloads, expiries } = columnsOf(successors)
      const olds = all.map(({ old }) => old)
      const requests = all.map(({ request }) => request)
      const values = [olds, digests, grantIds, requests, payloads, expiries, refreshReuseSeconds]
      const claimed = await run<{ place: number }>(pool, ROTATE_TOGETHER, values)
      return inPlaces(claimed, all.length).map((row) => (row ? true : undefined))
    },
    async alone({ old, successor: { digest: id, grantId, payload, expiresAt }, request }) {
      const claimed = await run(pool, ROTATE, [old, id, grantId, request, payload, expiresAt, refreshReuseSeconds])
      if (claimed.length === 0) throw new errors.InvalidGrant('refresh token already used, or revoked meanwhile')
      return true
    },
  })

  const insert = together<NewToken, true>({
    async together(all) {
      const { digests, grantIds, payloads, expiries } = columnsOf(all)
      const stored = await run<{ id_digest: Buffer }>(pool, INSERT_TOGETHER, [digests, grantIds, payloads, expiries])
      return toldOf(digests, stored)
    },
    async alone({ digest: id, grantId, payload, expiresAt }) {
      await run(pool, INSERT, [id, grantId, payload, expiresAt]).catch((error: unknown) => {
        throw isForeignKeyViolation(error) ? revokedMeanwhile() : error
      })
      return true
    },
  })

  return {
    async upsert(id, payload) {
      const { ctx } = Provider
      const token = toNewToken(id, payload)
      const old = ctx && presented.get(ctx)
      if (ctx && old) {
        await rotate({ old: digest(old), successor: token, request: requestDigest(ctx) })
        return
      }
      // Fails closed should the library ever save a successor before it consumes the old token.
      if (ctx?.oidc.params?.grant_type === 'refresh_token')
        throw new Error('a successor without a consumed predecessor')
      await insert(token)
    },

    async find(id) {
      const { ctx } = Provider
      const isPresented = ctx?.oidc.route === 'token'
      const row = isPresented
        ? await findPresented(digest(id))
        : (await run<TokenRow>(pool, FIND, [digest(id), refreshReuseSeconds]))[0]
      if (!row) return undefined
      if (isPresented) keepCircumstances(ctx, row as PresentedRow)
      // Inside the window the token endpoint must not take a duplicate for theft; the claim in ROTATE judges it. Everywhere
      // else a consumed token is consumed from its first use on.
      const forgiven = row.in_window && isPresented
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

function toNewToken(id: string, payload: AdapterPayload): NewToken {
  const { grantId = '', exp = 0 } = payload
  return { digest: digest(id), grantId, payload: withoutId(payload), expiresAt: exp }
}

function columnsOf(tokens: readonly NewToken[]) {
  return {
    digests: tokens.map((token) => token.digest),
    grantIds: tokens.map(({ grantId }) => grantId),
    payloads: tokens.map(({ payload }) => payload),
    expiries: tokens.map(({ expiresAt }) => expiresAt),
  }
}

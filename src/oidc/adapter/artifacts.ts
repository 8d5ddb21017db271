import { errors, Provider, type Adapter, type AdapterPayload } from 'oidc-provider'
import { manyValues, run, statement, type Statement } from '../../database/statement.ts'
import { digestSecret as digest } from '../../lib/secret.ts'
import { EXCHANGE_GRANT } from '../../registry/clients/client.ts'
import { registryId } from '../../registry/clients/metadata-url.ts'
import { createBatch } from '../../database/batch.ts'
import { CIRCUMSTANCES, CIRCUMSTANCES_JOIN, keepCircumstances, type CircumstancesRow } from './circumstances.ts'
import { withoutId, type AdapterDependencies } from './model.ts'
import type { Families } from './families.ts'
import { inPlaces, isForeignKeyViolation, toldOf } from './rows.ts'
import { together } from './together.ts'

/**
 * After this time a redemption counts as answered, even if the process that answered it was killed. Longer than whoever was
 * told 503 takes to come back: the database may have claimed the code after nobody waited for it any more (3 s), the client
 * waits as `Retry-After` says (5 s), and its second attempt may stall as well (3 s).
 */
export const LONGEST_ANSWER_SECONDS = 15

// The client is locked before the grant, as by whoever disables or deletes it: the foreign keys would lock them the other
// way round, and one of the two would end in a deadlock.
const INSERT = statement(`
  with client as (select id from clients where id = $4 for key share)
  insert into artifacts (id_digest, model, grant_id, client_id, payload, expires_at)
  select $1, $2, $3, client.id, $5, to_timestamp($6) from client
  returning model`)

const STATE = `
  t.payload, case when t.consumed_at <= now() then extract(epoch from t.consumed_at)::integer end as consumed`

const FIND = statement(`select ${STATE} from artifacts t where id_digest = $1 and model = $2`)

const FIND_PRESENTED = statement(`
  select asked.place::integer, ${STATE}, ${CIRCUMSTANCES}
  from unnest(${manyValues('$1::bytea[]')}) with ordinality as asked (id_digest, place)
  join artifacts t on t.id_digest = asked.id_digest and t.model = $2
  ${CIRCUMSTANCES_JOIN}`)

// RFC 6749 §4.1.2: a code MUST NOT be used more than once. The library ignores what consume() returns, so two parallel
// redemptions can be told apart only here, by the row count. `consumed_at` is when a second use begins to count as a replay,
// which revokes what was issued: a duplicate that comes while the first is being answered finds nothing issued yet, and
// must not tear the answer apart. It is refused all the same, because the claim is taken.
const CONSUME = statement(`
  update artifacts set consumed_at = now() + make_interval(secs => ${LONGEST_ANSWER_SECONDS})
  where id_digest = $1 and model = $2 and consumed_at is null
  returning model`)

const ANSWERED = statement(`
  update artifacts set consumed_at = now() where id_digest = $1 and model = $2 and consumed_at > now() returning model`)

// The same for many, of which it takes those whose rows are free.
const setTogether = (condition: string, value: string) =>
  statement(`
    with free as (
      select id_digest from artifacts
      where id_digest = any (${manyValues('$1::bytea[]')}::bytea[]) and model = (select $2) and ${condition} for no key update skip locked
    )
    update artifacts t set consumed_at = ${value}
    from free where t.id_digest = free.id_digest and t.${condition}
    returning t.id_digest`)
const CONSUME_TOGETHER = setTogether('consumed_at is null', `now() + make_interval(secs => ${LONGEST_ANSWER_SECONDS})`)
const ANSWERED_TOGETHER = setTogether('consumed_at > now()', 'now()')

const DESTROY = statement('delete from artifacts where id_digest = $1 and model = $2')

// Whoever follows events with a token learns from this event that it ends. It names no token: the client and the family do.
const REVOKE = statement(`
  with gone as (
    delete from artifacts where id_digest = $1 and model = $2 returning client_id, grant_id
  )
  insert into events (type, actor, subject, user_id, client_id, data)
  select 'token.revoked', coalesce($3, 'system'), coalesce(gone.grant_id, gone.client_id), grants.user_id, gone.client_id,
    jsonb_build_object('token_type', 'access_token', 'grant_id', gone.grant_id)
  from gone left join grants on grants.id = gone.grant_id`)

const ACCESS_TOKENS = new Set(['AccessToken', 'ClientCredentials'])

export interface Artifacts extends Adapter {
  /** The tokens for this code are stored: from now on its use is a replay. */
  answered(id: string): Promise<void>
}

type ArtifactRow = { payload: AdapterPayload; consumed: number | null }
type PresentedRow = ArtifactRow & CircumstancesRow & { place: number }

/** Authorization codes and opaque access tokens. */
export function createArtifacts(model: string, { pool }: AdapterDependencies, families: Families): Artifacts {
  const findPresented = createBatch<Buffer, PresentedRow | undefined>({
    ask: async (digests) => inPlaces(await run<PresentedRow>(pool, FIND_PRESENTED, [digests, model]), digests.length),
  })

  /** @returns whether this was the one that changed it */
  function change(many: Statement, one: Statement): (digest: Buffer) => Promise<boolean> {
    return together<Buffer, boolean>({
      keyOf: (id) => id.toString('latin1'),
      async together(digests) {
        return toldOf(digests, await run<{ id_digest: Buffer }>(pool, many, [digests, model]))
      },
      alone: async (id) => (await run(pool, one, [id, model])).length > 0,
    })
  }
  const consume = change(CONSUME_TOGETHER, CONSUME)
  const answered = change(ANSWERED_TOGETHER, ANSWERED)

  return {
    async upsert(id, payload) {
      const { grantId = null, clientId = '', exp } = payload
      const values = [digest(id), model, grantId, registryId(clientId), withoutId(kept(payload)), exp]
      const stored = await run(pool, INSERT, values).catch((error: unknown) => {
        if (!isForeignKeyViolation(error)) throw error
        return []
      })
      if (stored.length === 0) throw revokedMeanwhile()
    },
    async find(id) {
      const { ctx } = Provider
      const isPresented = ctx?.oidc.route === 'token' && model === 'AuthorizationCode'
      const row = isPresented
        ? await findPresented(digest(id))
        : (await run<ArtifactRow>(pool, FIND, [digest(id), model]))[0]
      if (!row) return undefined
      if (isPresented) keepCircumstances(ctx, row as PresentedRow)
      return { ...row.payload, jti: id, ...(row.consumed ? { consumed: row.consumed } : {}) }
    },
    async consume(id) {
      if (!(await consume(digest(id)))) throw new errors.InvalidGrant('already used')
    },
    async answered(id) {
      await answered(digest(id))
    },
    async destroy(id) {
      if (!ACCESS_TOKENS.has(model)) await run(pool, DESTROY, [digest(id), model])
      else await run(pool, REVOKE, [digest(id), model, actor()])
    },
    revokeByGrantId: (grantId) => families.revoke(grantId),
    findByUid: () => Promise.resolve(undefined),
    findByUserCode: () => Promise.resolve(undefined),
  }
}

/**
 * An exchanged token hangs on the grant of the app in front, and ends with it by the column. The library, which would find
 * the grant of another client in it, is not told.
 */
function kept(payload: AdapterPayload): AdapterPayload {
  return payload.gty === EXCHANGE_GRANT ? { ...payload, grantId: undefined } : payload
}

/** The client that asks, by its id in the registry. */
function actor(): string | null {
  const { client } = Provider.ctx?.oidc ?? {}
  return client ? registryId(client.clientId) : null
}

/** The error for a token whose family ended while it was being written, in the language of the endpoint. */
export function revokedMeanwhile(): Error {
  const detail = 'the grant was revoked meanwhile'
  return Provider.ctx?.oidc.route === 'token'
    ? new errors.InvalidGrant(detail)
    : new errors.AccessDenied(undefined, detail)
}

/**
 * A code is claimed while it is looked up, in one statement and one commit with all others of that moment, by the request that
 * proves it may have it: from the client that the code was issued to, with its redirect URI and its verifier (RFC 6749 §4.1.3,
 * RFC 7636 §4.6). The library asks the same questions of the code right afterwards, and says what is wrong; what proves
 * nothing claims nothing, so that nobody who merely has a code can spoil it.
 */
import { hash } from 'node:crypto'
import type { AdapterPayload, Client, KoaContextWithOIDC } from 'oidc-provider'
import type pg from 'pg'
import { manyValues, run, statement } from '../../database/statement.ts'
import { policyOf } from '../configuration/client-metadata.ts'
import { CIRCUMSTANCES, CIRCUMSTANCES_JOIN, type CircumstancesRow } from './circumstances.ts'
import { inPlaces } from './rows.ts'
import { together } from './together.ts'

/** After this time a redemption counts as answered, even if the process that answered it was killed. */
export const LONGEST_ANSWER_SECONDS = 5

/** To be selected from a table `t` of codes. */
export const STATE = `
  t.payload, case when t.consumed_at <= now() then extract(epoch from t.consumed_at)::integer end as consumed`

const FIND = `
  select asked.place::integer, ${STATE}, ${CIRCUMSTANCES}`

const CLAIM_TOGETHER = statement(`
  with asked as (
    select *
    from unnest(
      ${manyValues('$1::bytea[]')}, ${manyValues('$2::text[]')}, ${manyValues('$3::text[]')}, ${manyValues('$4::text[]')}
    ) with ordinality as asked (id_digest, client_id, redirect_uri, code_challenge, place)
  ), free as (
    select asked.place, t.id_digest
    from asked join artifacts t using (id_digest)
    where t.model = 'AuthorizationCode' and t.consumed_at is null and t.expires_at > now()
      and t.payload ->> 'clientId' = asked.client_id and t.payload ->> 'redirectUri' = asked.redirect_uri
      and t.payload ->> 'codeChallenge' = asked.code_challenge and t.payload ->> 'codeChallengeMethod' = 'S256'
    for no key update of t skip locked
  ), claimed as (
    update artifacts t set consumed_at = now() + make_interval(secs => ${LONGEST_ANSWER_SECONDS})
    from free
    where t.id_digest = free.id_digest and t.consumed_at is null
    returning free.place
  )
  ${FIND}, claimed.place is not null as claimed
  from asked join artifacts t on t.id_digest = asked.id_digest and t.model = 'AuthorizationCode'
  left join claimed on claimed.place = asked.place
  ${CIRCUMSTANCES_JOIN}`)

const FIND_ALONE = statement(`
  ${FIND}, false as claimed
  from unnest(array[$1::bytea]) with ordinality as asked (id_digest, place)
  join artifacts t on t.id_digest = asked.id_digest and t.model = 'AuthorizationCode'
  ${CIRCUMSTANCES_JOIN}`)

export type PresentedCode = CircumstancesRow & {
  place: number
  payload: AdapterPayload
  consumed: number | null
  /** By this request: nobody else may redeem it any more. */
  claimed: boolean
}

/** What a request at the token endpoint presents. Null for what it lacks, which fits no code. */
interface Redemption {
  digest: Buffer
  clientId: string | null
  redirectUri: string | null
  codeChallenge: string | null
}

/** @returns what is stored for the code of this request, and whether it was claimed; undefined where there is none */
export type Redeem = (ctx: KoaContextWithOIDC, digest: Buffer) => Promise<PresentedCode | undefined>

export function createRedeem(pool: pg.Pool): Redeem {
  const find = together<Redemption, { code: PresentedCode | undefined }>({
    // One code may be here twice. PostgreSQL updates a row once in a statement, so that one of the two has claimed it; the
    // other was there at the same moment, and is refused without its being a replay.
    async together(all) {
      const values = [
        all.map(({ digest }) => digest),
        all.map(({ clientId }) => clientId),
        all.map(({ redirectUri }) => redirectUri),
        all.map(({ codeChallenge }) => codeChallenge),
      ]
      const codes = await run<PresentedCode>(pool, CLAIM_TOGETHER, values)
      return inPlaces(codes, all.length).map((code) => ({ code }))
    },
    // Claimed by the statement that waits for locks, when the library consumes it.
    alone: async ({ digest }) => ({ code: (await run<PresentedCode>(pool, FIND_ALONE, [digest]))[0] }),
  })
  return async (ctx, digest) => (await find({ digest, ...proofOf(ctx) })).code
}

function proofOf(ctx: KoaContextWithOIDC): Omit<Redemption, 'digest'> {
  const { client, params } = ctx.oidc
  const { redirect_uri: redirectUri, code_verifier: verifier } = params ?? {}
  return {
    clientId: client && !isAskedForMore(client) ? client.clientId : null,
    redirectUri: typeof redirectUri === 'string' ? redirectUri : null,
    codeChallenge: typeof verifier === 'string' ? hash('sha256', verifier, 'base64url') : null,
  }
}

/**
 * Where more than this is asked before a code is used up (a proof of possession, what a profile demands), a refusal must use
 * nothing up: the client comes again with the same code. Its codes are claimed when the library consumes them.
 */
function isAskedForMore(client: Client): boolean {
  return client.dpopBoundAccessTokens === true || policyOf(client).profile !== 'baseline'
}

import { Provider, type Adapter, type AdapterPayload, type KoaContextWithOIDC } from 'oidc-provider'
import { run, statement } from '../../database/statement.ts'
import { registryId } from '../../registry/clients/metadata-url.ts'
import { claimedPlace, GrantChangedError, GrantPlaceTaken, type GrantPlace } from '../grant-place.ts'
import { PASSWORD_SET_AT, passwordOfSignIn } from '../sign-in.ts'
import { takeGrant } from './circumstances.ts'
import { refuse, type AdapterDependencies } from './model.ts'
import { revokedMeanwhile } from './artifacts.ts'
import type { Families } from './families.ts'

// The shared locks order this insert before or after whatever disables the user or client, ends the session, changes the
// password or withdraws the consent: no family is born from what has just ended, and re-enabling finds nothing to revive.
// Users, clients, sessions, consents, grants: everybody locks in this order. A request either signs in by the password that
// is the person's now ($7), or goes on in a session of theirs that nothing has ended; and the person still allows what it is
// granted ($8), for this request read the consent some time ago. A grant for a place in the session ($10) is made only if the
// one that the request saw there ($11) still stands there, and stands there from then on: the session's row is read again
// once its lock is ours. Where the session is still another person's, it is theirs until it is saved.
const INSERT = statement(`
  with living as (
    select u.id as user_id, c.id as client_id, ${PASSWORD_SET_AT} as password_set_at, c.first_party
    from users u, clients c
    where u.id = $2 and u.disabled_at is null and c.id = $3 and c.disabled_at is null
    for share
  ), session as (
    select s.user_id, s.ended_at, s.authorizations -> $3::text as held
    from sessions s, living where s.uid = $4 for no key update of s
  ), allowed as (
    select coalesce(r.audience, '') as audience, to_jsonb(a.scopes) as scopes
    from living
    join consents a on a.user_id = living.user_id and a.client_id = living.client_id
    left join resources r on r.id = a.resource_id
    where a.expires_at is null or a.expires_at > now()
    for share of a
  ),
  made as (
    insert into grants (id, user_id, client_id, session_uid, payload, expires_at)
    select $1, living.user_id, living.client_id, case when $9 then $4 end, $5, to_timestamp($6)
    from living left join session on true
    where session.ended_at is null and (living.password_set_at = $7 or session.user_id = living.user_id)
      and (living.first_party or not exists (
        select 1 from jsonb_each($8) as wanted (audience, scopes)
        where not wanted.scopes <@ coalesce((select a.scopes from allowed a where a.audience = wanted.audience), '[]')))
      and ($10::jsonb is null or session.user_id <> living.user_id
        or coalesce(session.held ->> 'grantId', $11::text, '') = coalesce($11::text, ''))
    returning id
  ), placed as (
    update sessions s set authorizations = s.authorizations || jsonb_build_object($3::text, $10::jsonb)
    from made, session
    where s.uid = $4 and $10 is not null and (session.user_id is null or session.user_id = $2)
  )
  select made.id, session.held from living left join session on true left join made on true`)

// Two tabs may widen one grant at once, each by something else: whoever is second has read what is no longer so.
const UPDATE = statement(`
  with held as (select id, payload::text = $3 as is_unchanged from grants where id = $1 for no key update),
  widened as (update grants set payload = $2 from held where grants.id = held.id and held.is_unchanged returning grants.id)
  select held.is_unchanged from held left join widened using (id)`)
const FIND = statement('select payload::text as text from grants where id = $1')

/**
 * Grants read in this request, as they were then. Saving one of them again may widen it, but must never bring a revoked one
 * back.
 */
const loaded = new WeakMap<KoaContextWithOIDC, Map<string, string>>()

export function createGrants({ pool }: AdapterDependencies, families: Families): Adapter {
  /** @throws GrantPlaceTaken */
  async function insert(id: string, payload: AdapterPayload): Promise<unknown[]> {
    const { ctx } = Provider
    const place = claimedPlace(ctx)
    const sessionUid = ctx?.oidc.session?.uid ?? null
    const { accountId, clientId, exp } = payload
    const values = [id, accountId, registryId(clientId ?? ''), sessionUid, JSON.stringify(payload), exp]
    // A device is elsewhere: what it gets is not of the browser in which somebody approved it.
    const isOfSession = ctx?.oidc.deviceCode === undefined
    const [row] = await run<{ id: string | null; held: GrantPlace | null }>(pool, INSERT, [
      ...values,
      passwordOfSignIn(ctx),
      JSON.stringify(scopesByAudience(payload)),
      isOfSession,
      place ? JSON.stringify({ ...place, grantId: id }) : null,
      place?.grantId ?? null,
    ])
    if (row?.id) return [row]
    if (place && row?.held?.grantId && row.held.grantId !== place.grantId) throw new GrantPlaceTaken(row.held)
    return []
  }

  /** @throws GrantChangedError */
  async function update(id: string, payload: AdapterPayload, known: string): Promise<unknown[]> {
    const text = JSON.stringify(payload)
    const rows = await run<{ is_unchanged: boolean }>(pool, UPDATE, [id, text, known])
    if (rows[0]?.is_unchanged === false)
      throw new GrantChangedError('another request of this session widened the grant')
    if (Provider.ctx) remember(Provider.ctx, id, text)
    return rows
  }

  return {
    ...refuse('Grant'),
    async upsert(id, payload) {
      const known = Provider.ctx && loaded.get(Provider.ctx)?.get(id)
      const rows = known === undefined ? await insert(id, payload) : await update(id, payload, known)
      if (rows.length === 0) throw revokedMeanwhile()
    },
    async find(id) {
      const { ctx } = Provider
      const found = takeGrant(ctx, id)
      const row = found === undefined ? (await run<{ text: string }>(pool, FIND, [id]))[0] : found
      if (!row) return undefined
      if (ctx) remember(ctx, id, row.text)
      return JSON.parse(row.text) as AdapterPayload
    },
    destroy: (id) => families.revoke(id),
  }
}

/** What a grant holds; the OpenID scopes stand under the empty audience. */
function scopesByAudience({ openid, resources = {} }: AdapterPayload): Record<string, string[]> {
  const { scope } = (openid ?? {}) as { scope?: string }
  const granted = { '': scope ?? '', ...(resources as Record<string, string>) }
  return Object.fromEntries(
    Object.entries(granted).map(([audience, scopes]) => [audience, scopes.split(' ').filter(Boolean)]),
  )
}

function remember(ctx: KoaContextWithOIDC, id: string, text: string): void {
  const grants = loaded.get(ctx) ?? new Map<string, string>()
  loaded.set(ctx, grants.set(id, text))
}

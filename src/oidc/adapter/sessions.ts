/**
 * Browser sessions, keyed by `uid`; the cookie's value is kept as a digest and changes at every sign-in and consent, which
 * defeats session fixation (ASVS 5.0 §7.2.4). An ended session keeps its row until it would have expired: a request in
 * flight that still holds it in memory can't write it back to life.
 */
import { Provider, type Adapter, type AdapterPayload, type KoaContextWithOIDC } from 'oidc-provider'
import { run, statement } from '../../database/statement.ts'
import { digestSecret as digest } from '../../lib/secret.ts'
import { noticesFrom, participantsOf } from '../../registry/logout-notices.ts'
import { requestedBy } from '../origin.ts'
import { PASSWORD_SET_AT, passwordOfSignIn } from '../sign-in.ts'
import { takeSession } from './circumstances.ts'
import { refuse, type AdapterDependencies } from './model.ts'
import { createNextSessionId, type NextSessionId } from './session-id.ts'

export interface Sessions extends Adapter {
  /** Ends a session for good, with its event and its entry in the audit log. */
  end(uid: string): Promise<void>
  /** The id that a session gets when its id changes. */
  nextId: NextSessionId
}

// $3 is the id before the change, or null. The previous id stays good for a minute, and only when the same person was
// signed in under it: an id from before the sign-in, which somebody may have planted, never opens the session. Two tabs that
// change the same id at once arrive at the same new one ($2): the second finds it there, or already one further. The row is
// locked as for an update from the start, or two that share it would wait for each other. Somebody is signed in here either
// by the password that is theirs ($11) or because they were and nothing has ended that.
const SAVE = `
  with living as (
    select id, ${PASSWORD_SET_AT} as password_set_at from users where id = $4 and disabled_at is null for share
  ), known as (
    select s.user_id from sessions s, living where s.uid = $1 and s.ended_at is null for no key update of s
  ), person as (
    select 1 from living left join known on true
    where living.password_set_at = $11 or known.user_id = living.id
  )
  insert into sessions as s
    (uid, id_digest, user_id, payload, authorizations, signed_in_at, expires_at, user_agent, address)
  select $1, $2, $4::text, $5, $6::jsonb, to_timestamp($7), to_timestamp($8), $9, $10
  where $4::text is null or exists (select 1 from person)
  on conflict (uid) do update set
    id_digest = case when s.id_digest = $3 then excluded.id_digest else s.id_digest end,
    previous_id_digest = case
      when s.id_digest is distinct from $3 then s.previous_id_digest
      when s.user_id = excluded.user_id then s.id_digest
    end,
    previous_until = case when s.id_digest = $3 then now() + interval '1 minute' else s.previous_until end,
    user_id = excluded.user_id,
    payload = excluded.payload,
    authorizations = case
      when s.user_id = excluded.user_id then s.authorizations || excluded.authorizations
      else excluded.authorizations
    end,
    signed_in_at = excluded.signed_in_at,
    expires_at = excluded.expires_at,
    user_agent = excluded.user_agent,
    address = excluded.address,
    last_seen_at = now()
  where s.ended_at is null
    and (s.id_digest in ($2, $3::bytea) or (s.previous_id_digest in ($2, $3) and s.previous_until > now()))`

const SAVED = statement(SAVE)

// Of a request that signs somebody in. Elsewhere nothing is told, and a statement that only might tell would wake all readers.
const SIGNED_IN = statement(
  SAVE.replace('insert into sessions', ', saved as (insert into sessions').concat(`
    returning s.uid, s.user_id
  )
  insert into events (type, actor, subject, user_id)
  select 'session.started', user_id, uid, user_id from saved
  where user_id is not null and user_id not in (select known.user_id from known where known.user_id is not null)`),
)

const FIND = statement(`
  select uid, payload, authorizations, id_digest, user_id from sessions
  where (id_digest = $1 or (previous_id_digest = $1 and previous_until > now())) and ended_at is null and expires_at > now()`)

const FIND_BY_UID = statement(`
  select uid, payload, authorizations from sessions where uid = $1 and ended_at is null and expires_at > now()`)

const iso = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

// Whom to tell is read from the sessions as they were before this statement.
const END = statement(`
  with closed as (
    update sessions
    set ended_at = now(), id_digest = null, previous_id_digest = null, payload = '{}', authorizations = '{}'
    where uid = $1 and ended_at is null
    returning uid, user_id, user_agent, address, signed_in_at, last_seen_at, expires_at
  ), told as (
    insert into events (type, actor, subject, user_id)
    select 'session.ended', user_id, uid, user_id from closed where user_id is not null
  ), noticed as (${noticesFrom(participantsOf('select uid from closed'))}
  )
  insert into audit_log
    (action, actor, channel, address, user_agent, trace_id, subject_kind, subject_id, user_id, before)
  select 'session.end', user_id, 'page', $2, $3, $4, 'session', uid, user_id, jsonb_build_object(
    'user_agent', user_agent, 'address', address, 'signed_in_at', ${iso('signed_in_at')},
    'last_seen_at', ${iso('last_seen_at')}, 'expires_at', ${iso('expires_at')})
  from closed where user_id is not null`)

/** The id that the session had before this request gave it a new one. */
const replaced = new WeakMap<KoaContextWithOIDC, string>()

interface SessionRow {
  uid: string
  payload: AdapterPayload
  authorizations: Record<string, unknown>
}

interface FoundRow extends SessionRow {
  id_digest: Buffer
  user_id: string | null
}

export function createSessions({ pool, masterKeys }: AdapterDependencies): Sessions {
  const nextId = createNextSessionId(masterKeys)

  /** A browser that a late answer left with the previous id gets the present one. Where the id changes it gets that anyway. */
  function presentId({ id_digest, user_id }: FoundRow, id: string): string {
    if (Provider.ctx?.oidc.route === 'resume' || id_digest.equals(digest(id))) return id
    const next = nextId(id, user_id ?? undefined)
    return id_digest.equals(digest(next)) ? next : id
  }

  return {
    ...refuse('Session'),
    nextId,
    async upsert(id, { jti: _jti, authorizations = {}, ...payload }) {
      const { ctx } = Provider
      const old = ctx && replaced.get(ctx)
      const passwordSetAt = passwordOfSignIn(ctx)
      await run(pool, passwordSetAt === null ? SAVED : SIGNED_IN, [
        payload.uid,
        digest(id),
        old && old !== id ? digest(old) : null,
        payload.accountId ?? null,
        JSON.stringify(payload),
        JSON.stringify(authorizations),
        payload.loginTs ?? null,
        payload.exp,
        ctx?.get('user-agent').slice(0, 500) || null,
        ctx?.ip ?? null,
        passwordSetAt,
      ])
    },
    async find(id) {
      const [row] = await run<FoundRow>(pool, FIND, [digest(id)])
      return row && toPayload(row, presentId(row, id))
    },
    async findByUid(uid) {
      const found = takeSession(Provider.ctx, uid)
      const row = found === undefined ? (await run<SessionRow>(pool, FIND_BY_UID, [uid]))[0] : found
      return row ? toPayload(row) : undefined
    },
    /** The library calls this when it changes the id, and saves right after; the change itself is one statement there. */
    destroy(id) {
      if (Provider.ctx) replaced.set(Provider.ctx, id)
      return Promise.resolve()
    },
    async end(uid) {
      const { ctx } = Provider
      const { address, userAgent, traceId } = requestedBy(ctx, ctx?.oidc.session?.accountId ?? 'system', 'page')
      await run(pool, END, [uid, address ?? null, userAgent ?? null, traceId ?? null])
    },
  }
}

function toPayload({ uid, payload, authorizations }: SessionRow, id?: string): AdapterPayload {
  const known = Object.keys(authorizations).length > 0 ? { authorizations } : {}
  return { ...payload, ...known, uid, ...(id ? { jti: id } : {}) } as AdapterPayload
}

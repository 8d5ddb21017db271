import type { Knex } from 'knex'

/**
 * What the protocol leaves behind: sessions, grants, and the artifacts issued under them. Every bearer value is a SHA-256
 * digest. Whatever belongs to a grant refers to it: deleting the grant is revoking the family, in one statement, and the
 * foreign key's own lock makes an insert that races the revocation fail. Payloads are json, not jsonb: a nonce may hold a
 * NUL, which jsonb refuses, and nothing searches inside them.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table sessions (
      uid text primary key,
      id_digest bytea unique check (length(id_digest) = 32),
      -- The id before the last change, honoured for moments: two tabs that sign in at once must not log each other out.
      previous_id_digest bytea check (length(previous_id_digest) = 32),
      previous_until timestamptz,
      user_id text references users (id) on delete cascade,
      payload json not null,
      authorizations jsonb not null default '{}',
      user_agent text,
      address text,
      signed_in_at timestamptz,
      last_seen_at timestamptz not null default now(),
      created_at timestamptz not null default now(),
      expires_at timestamptz not null,
      -- An ended session stays until it would have expired, so that a request in flight can't write it back to life.
      ended_at timestamptz
    );
    create index sessions_by_previous_id on sessions (previous_id_digest) where previous_id_digest is not null;
    create index sessions_by_user on sessions (user_id);
    create index sessions_by_expiry on sessions (expires_at);

    create table grants (
      id text primary key,
      user_id text not null references users (id) on delete cascade,
      client_id text not null references clients (id) on delete cascade,
      session_uid text,
      payload json not null,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null
    );
    create index grants_by_user on grants (user_id, client_id);
    create index grants_by_client on grants (client_id);
    create index grants_by_session on grants (session_uid);
    create index grants_by_expiry on grants (expires_at);

    create table refresh_tokens (
      id_digest bytea primary key check (length(id_digest) = 32),
      grant_id text not null references grants (id) on delete cascade,
      payload json not null,
      issued_at timestamptz not null default now(),
      expires_at timestamptz not null,
      -- Set at the first use and never moved: the window in which a duplicate gets the same successor does not slide.
      consumed_at timestamptz,
      -- What the first use asked for, and the successor that it got. A duplicate must agree in both.
      request_digest bytea,
      successor_digest bytea,
      -- Set when the successor is used: from then on a duplicate gets nothing.
      successor_used_at timestamptz
    );
    create index refresh_tokens_by_grant on refresh_tokens (grant_id);
    create index refresh_tokens_by_successor on refresh_tokens (successor_digest) where successor_digest is not null;
    create index refresh_tokens_by_expiry on refresh_tokens (expires_at);

    create table artifacts (
      id_digest bytea primary key check (length(id_digest) = 32),
      model text not null,
      grant_id text references grants (id) on delete cascade,
      client_id text references clients (id) on delete cascade,
      payload json not null,
      expires_at timestamptz not null,
      consumed_at timestamptz
    );
    create index artifacts_by_grant on artifacts (grant_id) where grant_id is not null;
    create index artifacts_by_client on artifacts (client_id) where client_id is not null;
    create index artifacts_by_expiry on artifacts (expires_at);

    -- Failed sign-ins by account and by address. Losing it in a crash only forgets some slowness.
    create unlogged table login_throttles (
      key bytea primary key,
      failures integer not null,
      last_failure_at timestamptz not null,
      blocked_until timestamptz not null
    );
    create index login_throttles_by_age on login_throttles (last_failure_at);
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table login_throttles, artifacts, refresh_tokens, grants, sessions;')
}

import type { Knex } from 'knex'

/**
 * Apps that want to be told when a session ends (OpenID Connect Back-Channel Logout 1.0), and what they still have to be told.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table clients
      add column backchannel_logout_uri text check (length(backchannel_logout_uri) <= 2000),
      add column backchannel_logout_session_required boolean not null default false,
      add constraint sessions_are_told_of_somewhere
        check (backchannel_logout_uri is not null or not backchannel_logout_session_required);

    -- No reference to users: a deleted person's apps are told too. None to clients either: whoever shuts a client holds its
    -- row and then waits for grants, and whoever ends grants must not wait for the client's row in turn.
    create table logout_notices (
      id bigint primary key generated always as identity,
      session_uid text not null,
      client_id text not null,
      -- The subject of the logout token; taken out as soon as it is not needed any more.
      user_id text,
      state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
      attempts integer not null default 0,
      next_attempt_at timestamptz not null default now(),
      leased_until timestamptz,
      -- What came of the last attempt.
      status integer,
      problem text,
      created_at timestamptz not null default now(),
      finished_at timestamptz,
      constraint nobody_is_named_for_longer check ((state = 'pending') = (user_id is not null)),
      constraint finished_once check ((state = 'pending') = (finished_at is null))
    );
    create unique index logout_notices_once on logout_notices (session_uid, client_id, user_id) where state = 'pending';
    create index logout_notices_by_session on logout_notices (session_uid);
    create index logout_notices_due on logout_notices (next_attempt_at) where state = 'pending';
    create index logout_notices_finished on logout_notices (finished_at) where state <> 'pending';

    create function tell_of_logout_notices() returns trigger language plpgsql as $$
    begin
      perform pg_notify('grantry_logouts', '');
      return null;
    end $$;
    create trigger logout_notices_told after insert on logout_notices
      for each row execute function tell_of_logout_notices();
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table logout_notices;
    drop function tell_of_logout_notices;
    alter table clients drop column backchannel_logout_uri, drop column backchannel_logout_session_required;
  `)
}

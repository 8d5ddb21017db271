import type { Knex } from 'knex'

/**
 * Clients that register themselves: what they may ask of resources, the tokens that let them register, when they were last
 * given tokens; and the profile that a client keeps to.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- What any client that registered itself may ask for. Nothing, unless an operator says so.
    alter table resources add column self_registered_scopes text[] not null default '{}';
    alter table resources add constraint management_is_not_for_self_registered_clients
      check (not built_in or self_registered_scopes = '{}');

    alter table clients
      add column profile text not null default 'baseline' check (profile in ('baseline', 'mcp', 'fapi2')),
      -- Kept for self-registered clients alone, and not to the second: see the sweep of those that nobody uses.
      add column last_used_at timestamptz,
      add constraint self_registered_clients_ask_for_consent check (not (self_registered and (first_party or built_in)));
    create index self_registered_clients on clients (coalesce(last_used_at, created_at)) where self_registered;

    create table registration_tokens (
      id text primary key check (id ~ '^rgt_[a-z2-7]{26}$'),
      name text not null check (length(name) between 1 and 200),
      digest bytea not null unique check (length(digest) = 32),
      hint text not null,
      -- null: as many as the server has room for
      most_uses integer check (most_uses > 0),
      uses integer not null default 0,
      created_by text not null,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null,
      revoked_at timestamptz,
      constraint no_more_uses_than_allowed check (uses <= most_uses)
    );
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table registration_tokens;
    drop index self_registered_clients;
    alter table clients drop constraint self_registered_clients_ask_for_consent,
      drop column last_used_at, drop column profile;
    alter table resources drop constraint management_is_not_for_self_registered_clients,
      drop column self_registered_scopes;
  `)
}

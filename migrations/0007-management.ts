import type { Knex } from 'knex'

/** The management API as a resource server of Grantry itself, and API keys that are changed and rotated. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table resources add column built_in boolean not null default false;
    create unique index one_built_in_resource on resources (built_in) where built_in;

    -- Whether the client registered itself. Such a client never gets tokens for the management API.
    alter table clients add column self_registered boolean not null default false;

    alter table api_keys
      add column version integer not null default 1,
      add column updated_at timestamptz not null default now(),
      -- A user id, an API key id, a client id, 'cli'. No foreign key: keys outlive those who made them.
      add column created_by text,
      -- The value before the last rotation, which is good until the overlap ends.
      add column previous_digest bytea unique check (length(previous_digest) = 32),
      add column previous_hint text,
      add column previous_until timestamptz,
      add constraint previous_value_is_whole check (
        (previous_digest is null) = (previous_until is null) and (previous_digest is null) = (previous_hint is null));
    update api_keys set updated_at = coalesce(revoked_at, created_at);
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table api_keys drop constraint previous_value_is_whole, drop column previous_until, drop column previous_hint,
      drop column previous_digest, drop column created_by, drop column updated_at, drop column version;
    alter table clients drop column self_registered;
    drop index one_built_in_resource;
    alter table resources drop column built_in;
  `)
}

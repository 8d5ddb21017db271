import type { Knex } from 'knex'

/**
 * Devices that sign in without a browser of their own (RFC 8628): their codes, both as digests only, and clients that may
 * use them. The id of a row is no secret: it stands for the device code wherever the browser's side needs one.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table device_codes (
      id uuid primary key default gen_random_uuid(),
      code_digest bytea not null unique check (length(code_digest) = 32),
      -- Keyed: a user code is short enough to be found by trying all of them.
      user_code_digest bytea not null unique check (length(user_code_digest) = 32),
      client_id text not null references clients (id) on delete cascade,
      grant_id text references grants (id) on delete cascade,
      payload json not null,
      -- Set once, by the first person who decides.
      decision text check (decision in ('approved', 'refused')),
      interval_seconds integer not null,
      polled_at timestamptz,
      polled_too_fast boolean not null default false,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null,
      consumed_at timestamptz
    );
    create index device_codes_by_grant on device_codes (grant_id) where grant_id is not null;
    create index device_codes_by_client on device_codes (client_id);
    create index device_codes_by_expiry on device_codes (expires_at);

    alter table clients
      drop constraint clients_grant_types_check,
      add constraint clients_grant_types_check check (grant_types <@ array['authorization_code', 'refresh_token',
        'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code']),
      add constraint device_codes_are_for_native_clients
        check (kind = 'native' or not 'urn:ietf:params:oauth:grant-type:device_code' = any (grant_types));
  `)
}

/** A client that has nothing but this grant keeps an empty list: it can ask for nothing. */
export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table device_codes;
    alter table clients
      drop constraint clients_grant_types_check, drop constraint device_codes_are_for_native_clients;
    update clients set grant_types = array_remove(grant_types, 'urn:ietf:params:oauth:grant-type:device_code');
    alter table clients add constraint clients_grant_types_check
      check (grant_types <@ array['authorization_code', 'refresh_token', 'client_credentials']);
  `)
}

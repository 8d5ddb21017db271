import type { Knex } from 'knex'

/** Services that exchange the tokens that people's apps send them for tokens of further APIs (RFC 8693), and which tokens. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table clients
      -- Audiences. No reference to resources: one that is gone has no live tokens, and made again it has the same audience.
      add column exchange_from text[] not null default '{}',
      drop constraint clients_grant_types_check,
      add constraint clients_grant_types_check check (grant_types <@ array['authorization_code', 'refresh_token',
        'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code',
        'urn:ietf:params:oauth:grant-type:token-exchange']),
      add constraint token_exchange_is_for_services
        check (kind = 'service' or not 'urn:ietf:params:oauth:grant-type:token-exchange' = any (grant_types)),
      add constraint token_exchange_names_its_sources
        check (('urn:ietf:params:oauth:grant-type:token-exchange' = any (grant_types)) = (exchange_from <> '{}'));
  `)
}

/** A service that has nothing but this grant keeps an empty list: it can ask for nothing. */
export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table clients
      drop constraint clients_grant_types_check, drop constraint token_exchange_is_for_services,
      drop constraint token_exchange_names_its_sources, drop column exchange_from;
    update clients set grant_types = array_remove(grant_types, 'urn:ietf:params:oauth:grant-type:token-exchange');
    alter table clients add constraint clients_grant_types_check check (grant_types <@ array['authorization_code',
      'refresh_token', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code']);
  `)
}

import type { Knex } from 'knex'

/**
 * Who may introspect the tokens of a resource, clients that prove themselves with a key or must push their requests, and
 * since when what a client got for itself is over: a JWT is in no table from which it could be deleted.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- No foreign key: an operator may name a client of the same declaration that is made a moment later. Ids are never given
    -- out twice.
    alter table resources add column introspection_clients text[] not null default '{}';

    alter table clients
      add column require_par boolean not null default false,
      add column jwks jsonb,
      add column own_tokens_ended_at timestamptz,
      drop constraint clients_token_endpoint_auth_method_check,
      add constraint clients_token_endpoint_auth_method_check check (
        token_endpoint_auth_method in ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
      add constraint keys_are_for_private_key_jwt
        check ((token_endpoint_auth_method = 'private_key_jwt') = (jwks is not null)),
      add constraint pushed_requests_need_the_code_grant
        check (not require_par or 'authorization_code' = any (grant_types));
  `)
}

/** Clients with keys would be left without a way to prove themselves: they get a method, and no secret that would fit it. */
export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table resources drop column introspection_clients;
    alter table clients drop constraint keys_are_for_private_key_jwt, drop constraint pushed_requests_need_the_code_grant,
      drop constraint clients_token_endpoint_auth_method_check;
    update clients set token_endpoint_auth_method = 'client_secret_basic'
      where token_endpoint_auth_method = 'private_key_jwt';
    alter table clients
      drop column require_par, drop column jwks, drop column own_tokens_ended_at,
      add constraint clients_token_endpoint_auth_method_check check (
        token_endpoint_auth_method in ('none', 'client_secret_basic', 'client_secret_post'));
  `)
}

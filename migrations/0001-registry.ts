import type { Knex } from 'knex'

/** Users, clients, resource servers with their scopes, consents and API keys: what operators and people decide. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table users (
      id text primary key check (id ~ '^usr_[a-z2-7]{26}$'),
      username text not null unique check (username = lower(username) and length(username) between 1 and 64),
      email text unique check (email = lower(email) and length(email) <= 254),
      email_verified boolean not null default false,
      name text check (length(name) <= 200),
      roles text[] not null default '{}',
      password_hash text,
      password_changed_at timestamptz,
      disabled_at timestamptz,
      version integer not null default 1,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      -- Else one person's username could be another's address, and a login name mean two accounts.
      constraint username_with_at_is_the_email
        check (strpos(username, '@') = 0 or (email is not null and email = username))
    );
    create index users_by_creation on users (created_at, id);

    create table clients (
      id text primary key check (id ~ '^cli_[a-z2-7]{26}$'),
      kind text not null check (kind in ('web', 'spa', 'native', 'service')),
      name text not null check (length(name) between 1 and 200),
      token_endpoint_auth_method text not null
        check (token_endpoint_auth_method in ('none', 'client_secret_basic', 'client_secret_post')),
      grant_types text[] not null
        check (grant_types <@ array['authorization_code', 'refresh_token', 'client_credentials']),
      redirect_uris text[] not null default '{}',
      post_logout_redirect_uris text[] not null default '{}',
      allowed_origins text[] not null default '{}',
      openid_scopes text[] not null default '{}'
        check (openid_scopes <@ array['openid', 'profile', 'email', 'offline_access']),
      first_party boolean not null default false,
      built_in boolean not null default false,
      disabled_at timestamptz,
      version integer not null default 1,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint public_clients_have_no_secret
        check ((token_endpoint_auth_method = 'none') = (kind in ('spa', 'native'))),
      -- RFC 6749 §4.4: client credentials are for confidential clients only.
      constraint client_credentials_need_authentication
        check (not (token_endpoint_auth_method = 'none' and 'client_credentials' = any (grant_types))),
      constraint code_clients_have_redirect_uris
        check (built_in or ('authorization_code' = any (grant_types)) = (cardinality(redirect_uris) > 0))
    );

    -- The account page signs in like any app. Its redirect URI follows ISSUER, so none is stored.
    insert into clients (id, kind, name, token_endpoint_auth_method, grant_types, openid_scopes, first_party, built_in)
    values ('cli_grantryaccountpage22222222', 'spa', 'Account', 'none', '{authorization_code}', '{openid}', true, true);

    create table client_secrets (
      id text primary key check (id ~ '^sec_[a-z2-7]{26}$'),
      client_id text not null references clients (id) on delete cascade,
      digest bytea not null unique check (length(digest) = 32),
      hint text not null,
      created_at timestamptz not null default now(),
      expires_at timestamptz
    );
    create index client_secrets_by_client on client_secrets (client_id);

    create table resources (
      id text primary key check (id ~ '^res_[a-z2-7]{26}$'),
      audience text not null unique check (length(audience) <= 2000),
      name text not null check (length(name) between 1 and 200),
      token_format text not null default 'jwt' check (token_format in ('jwt', 'opaque')),
      signing_alg text not null default 'RS256' check (signing_alg in ('RS256', 'ES256', 'Ed25519')),
      access_token_ttl integer check (access_token_ttl between 30 and 86400),
      token_claims text[] not null default '{auth_time,acr}'
        check (token_claims <@ array['auth_time', 'acr', 'roles']),
      version integer not null default 1,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    );

    create table resource_scopes (
      resource_id text not null references resources (id) on delete cascade,
      name text not null check (name ~ '^[!#-\\[\\]-~]+$' and length(name) <= 100),
      description text not null,
      description_de text,
      primary key (resource_id, name)
    );

    create table client_resource_scopes (
      client_id text not null references clients (id) on delete cascade,
      resource_id text not null,
      scope text not null,
      primary key (client_id, resource_id, scope),
      foreign key (resource_id, scope) references resource_scopes (resource_id, name)
        on update cascade on delete cascade
    );
    create index client_resource_scopes_by_resource on client_resource_scopes (resource_id, scope);

    -- What a person allowed an app, kept across browsers. One row for the OpenID scopes (resource_id null) and one for
    -- each resource server.
    create table consents (
      id text primary key check (id ~ '^con_[a-z2-7]{26}$'),
      user_id text not null references users (id) on delete cascade,
      client_id text not null references clients (id) on delete cascade,
      resource_id text references resources (id) on delete cascade,
      scopes text[] not null,
      granted_at timestamptz not null default now(),
      expires_at timestamptz,
      constraint one_consent_per_user_client_resource unique nulls not distinct (user_id, client_id, resource_id)
    );
    create index consents_by_client on consents (client_id);
    create index consents_by_resource on consents (resource_id);

    create table api_keys (
      id text primary key check (id ~ '^apk_[a-z2-7]{26}$'),
      name text not null check (length(name) between 1 and 200),
      digest bytea not null unique check (length(digest) = 32),
      hint text not null,
      scopes text[] not null,
      created_at timestamptz not null default now(),
      expires_at timestamptz,
      last_used_at timestamptz,
      revoked_at timestamptz
    );
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table api_keys, consents, client_resource_scopes, resource_scopes, resources, client_secrets, clients, users;
  `)
}

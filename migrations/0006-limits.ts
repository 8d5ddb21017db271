import type { Knex } from 'knex'

/**
 * What protects the APIs from being called too often, or twice. The statements also stand beside the code that uses the
 * tables, for databases that are not migrated; they are repeated here because a migration never changes once it has run,
 * and that code may.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table idempotency_keys (
      principal text not null,
      operation text not null,
      key bytea not null check (length(key) = 32),
      fingerprint bytea not null,
      lease uuid not null,
      leased_until timestamptz not null,
      -- null: not answered yet.
      status smallint,
      headers jsonb,
      body text,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      primary key (principal, operation, key)
    );
    create index idempotency_keys_by_expiry on idempotency_keys (expires_at);

    -- Unlogged: counting must be cheap, and after a crash of the database everybody may start anew.
    create unlogged table rate_limits (
      policy text not null,
      key bytea not null check (length(key) = 32),
      since timestamptz not null,
      used double precision not null,
      used_before double precision not null default 0,
      allowed boolean not null,
      expires_at timestamptz not null,
      primary key (policy, key)
    ) with (fillfactor = 50);
    create index rate_limits_by_expiry on rate_limits (expires_at);
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table rate_limits, idempotency_keys')
}

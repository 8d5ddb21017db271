import type { Knex } from 'knex'

/** Signing keys, private halves sealed, and what the whole installation shares. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table signing_keys (
      kid text primary key,
      alg text not null check (alg in ('RS256', 'ES256', 'Ed25519')),
      state text not null check (state in ('next', 'current', 'previous')),
      public_jwk jsonb not null,
      private_sealed text not null,
      published_at timestamptz not null default now(),
      activated_at timestamptz,
      retired_at timestamptz,
      check ((state = 'next') = (activated_at is null)),
      check ((state = 'previous') = (retired_at is not null))
    );
    -- Two instances that turn keys over at once can't end with two signers or two successors.
    create unique index one_current_key on signing_keys (alg) where state = 'current';
    create unique index one_next_key on signing_keys (alg) where state = 'next';

    -- Facts of the installation, such as the canary that tells whether MASTER_KEY is the one this database was sealed with.
    create table installation (
      name text primary key,
      value text not null,
      created_at timestamptz not null default now()
    );
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table installation, signing_keys;')
}

import type { Knex } from 'knex'

/**
 * Sender-constrained tokens (RFC 9449). `replays` holds what may be presented once: the ids of proofs and assertions, as
 * digests. It is logged: a crash that emptied it would let everything be presented a second time.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table replays (
      digest bytea primary key check (length(digest) = 32),
      expires_at timestamptz not null
    );
    create index replays_by_expiry on replays (expires_at);

    -- Whether the client gets no token without a proof of its key (RFC 9449 §5.2).
    alter table clients add column dpop_bound_access_tokens boolean not null default false;
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table clients drop column dpop_bound_access_tokens;
    drop table replays;
  `)
}

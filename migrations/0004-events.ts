import type { Knex } from 'knex'

/** What happened, written in the transaction that made it true. No foreign keys: history outlives its subjects. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table events (
      id bigint generated always as identity primary key,
      type text not null,
      at timestamptz not null default now(),
      actor text,
      subject text,
      user_id text,
      client_id text,
      data jsonb not null default '{}'
    );
    create index events_by_type on events (type, id);
    create index events_by_user on events (user_id, id) where user_id is not null;
    create index events_by_client on events (client_id, id) where client_id is not null;
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table events;')
}

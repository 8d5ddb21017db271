import type { Knex } from 'knex'

/**
 * One order of events that a reader can trust. An id is taken when a row is written, and rows become visible when their
 * transactions end, in another order: whoever reads by id jumps over what was written early and committed late. So each
 * event gets its position afterwards, when it is visible, from one counter under one lock. Positions have no holes: a hole
 * below `swept_position` is history that was swept, and there is no other.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table events add column position bigint;
    create unique index events_by_position on events (position) where position is not null;
    create index events_without_position on events (id) where position is null;
    create index events_by_age on events (at);

    create table event_order (
      singleton boolean primary key default true check (singleton),
      last_position bigint not null default 0,
      swept_position bigint not null default 0
    );
    insert into event_order default values;

    create function tell_events() returns trigger language plpgsql as $$
      begin
        perform pg_notify('grantry_events', '');
        return null;
      end
    $$;
    create trigger tell_events after insert on events for each statement execute function tell_events();
    alter table events enable always trigger tell_events;
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop trigger tell_events on events;
    drop function tell_events();
    drop table event_order;
    alter table events drop column position;
    drop index if exists events_by_age;
  `)
}

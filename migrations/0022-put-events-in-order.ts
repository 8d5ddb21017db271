import type { Knex } from 'knex'

/**
 * Events get their positions by a function, so that PostgreSQL plans the statement once for each connection: it runs for almost
 * every event. Whoever comes waits for whoever is at it, and then sees everything that was committed by then: each statement of
 * a volatile function has a snapshot of its own. The lock is free after the commit is visible, so positions appear in their order.
 *
 * Versions before this send the same as text, under the same lock.
 */
const LOCK = '4740267'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create function put_events_in_order(most integer) returns bigint
    language plpgsql volatile as $$
    declare
      last bigint;
      how_many bigint;
    begin
      perform pg_advisory_xact_lock(${LOCK});
      with fresh as materialized (
        select id, row_number() over (order by id) as n
        from (select id from events where position is null order by id limit most) as without_position
      ), counter as (
        update event_order set last_position = last_position + (select count(*) from fresh)
        where exists (select from fresh)
        returning last_position - (select count(*) from fresh) as base
      ), placed as (
        update events set position = counter.base + fresh.n
        from fresh, counter where events.id = fresh.id
        returning position
      )
      select max(position), count(*) into last, how_many from placed;
      if how_many > 0 then
        perform pg_notify('grantry_feed', last::text);
      end if;
      return how_many;
    end $$`)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop function put_events_in_order')
}

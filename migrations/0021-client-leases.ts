import type { Knex } from 'knex'

/**
 * While an instance holds a lease, no change of a client or of an API is committed; so what it remembers of them is true without
 * being asked about. A lease lasts a moment, and is taken by those who issue many tokens. Whoever changes something waits, at the
 * commit, until no lease is left, and meanwhile none is given out.
 *
 * Both sides take one advisory lock: an instance shares it for the statement that takes the lease, and gives up if it cannot have
 * it at once; a change has it alone from its last moment on until it is committed.
 *
 * The table has one row. It may be lost in a crash: PostgreSQL is away for longer than any lease lasts.
 */
const LOCK = '4740270'
const LONGEST = "interval '1 second'"

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create unlogged table client_leases (
      id integer primary key check (id = 1),
      ends_at timestamptz not null
    ) with (fillfactor = 50);

    -- Each statement of a volatile function sees what was committed before it: what comes after the lock sees every change
    -- that was committed by those who had it.
    create function take_client_lease(lasting interval) returns boolean
    language plpgsql volatile set search_path from current as $$
    begin
      if not pg_try_advisory_xact_lock_shared(${LOCK}) then
        return false;
      end if;
      insert into client_leases values (1, clock_timestamp() + least(lasting, ${LONGEST}))
      on conflict (id) do update set ends_at = greatest(client_leases.ends_at, excluded.ends_at);
      return true;
    end $$;

    create function outwait_client_leases() returns trigger
    language plpgsql volatile set search_path from current as $$
    declare
      left_over double precision;
    begin
      perform pg_advisory_xact_lock(${LOCK});
      if current_setting('transaction_isolation') = 'read committed' then
        select extract(epoch from ends_at - clock_timestamp()) into left_over from client_leases;
      else
        -- What it would see is older than the lock.
        left_over := extract(epoch from ${LONGEST});
      end if;
      if left_over > 0 then
        perform pg_sleep(left_over);
      end if;
      return null;
    end $$;

    -- At the very end of the transaction: what it holds besides, nobody who has the lock waits for. Clients that registered
    -- themselves are never remembered.
    create constraint trigger clients_outwait_leases after update or delete on clients
      deferrable initially deferred for each row when (not old.self_registered) execute function outwait_client_leases();
    create constraint trigger resources_outwait_leases after update or delete on resources
      deferrable initially deferred for each row execute function outwait_client_leases();
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop trigger clients_outwait_leases on clients;
    drop trigger resources_outwait_leases on resources;
    drop function outwait_client_leases();
    drop function take_client_lease(interval);
    drop table client_leases;
  `)
}

import type { Knex } from 'knex'

/**
 * While an instance holds a lease, no change of a client or of an API is committed; so what it remembers of them is true without
 * being asked about. A lease lasts a moment, and is taken by those who issue many tokens. Whoever changes something waits, at the
 * commit, until no lease is left, and meanwhile none is given out.
 *
 * Both sides take one advisory lock: an instance shares it for the statement that takes the lease, and gives up if it cannot have
 * it at once; a change has it alone from its last moment on until it is committed.
 *
 * Each change also has a number, which comes with every lease: should a clock have misled either side, the next lease shows it.
 */
const LOCK = '4740270'
/** No lease lasts longer, and nobody waits longer, wherever a clock may be set. */
const LONGEST = "interval '1 second'"

export async function up(knex: Knex): Promise<void> {
  const { rows } = await knex.raw<{ rows: { schema: string }[] }>('select current_schema() as schema')
  // Whoever may change a client changes nothing here: the functions do, as their owner, wherever a temporary table lies.
  const asOwner = `security definer set search_path = "${rows[0]!.schema.replaceAll('"', '""')}", pg_temp`
  await knex.raw(`
    create sequence client_changes;
    create unlogged table client_leases (
      id integer primary key check (id = 1),
      ends_at timestamptz not null
    ) with (fillfactor = 50);
    insert into client_leases values (1, now());

    -- Each statement of a volatile function sees what was committed before it: what comes after the lock sees every change
    -- that was committed by those who had it.
    create function take_client_lease(lasting interval) returns bigint
    language plpgsql volatile ${asOwner} as $$
    begin
      if not pg_try_advisory_xact_lock_shared(${LOCK}) then
        return null;
      end if;
      insert into client_leases values (1, clock_timestamp() + least(lasting, ${LONGEST}))
      on conflict (id) do update set ends_at =
        -- A clock that was set back may have left an end that is far away.
        case when client_leases.ends_at > clock_timestamp() + ${LONGEST} then excluded.ends_at
        else greatest(client_leases.ends_at, excluded.ends_at) end;
      return (select last_value from client_changes);
    end $$;

    create function outwait_client_leases() returns trigger
    language plpgsql volatile ${asOwner} as $$
    declare
      remaining interval;
    begin
      -- Once in a transaction, however many rows it changes.
      if current_setting('grantry.outwaited', true) = 'yes' then
        return null;
      end if;
      perform pg_advisory_xact_lock(${LOCK});
      perform nextval('client_changes');
      select ends_at - clock_timestamp() into remaining from client_leases;
      if not found then
        -- It was lost in a crash, or was never on this server, and a lease may not be over.
        insert into client_leases values (1, clock_timestamp()) on conflict do nothing;
        remaining := ${LONGEST};
      elsif current_setting('transaction_isolation') <> 'read committed' then
        -- A transaction that sees an old state sees an old end.
        remaining := ${LONGEST};
      end if;
      if remaining > interval '0' then
        perform pg_sleep_for(least(remaining, ${LONGEST}));
      end if;
      perform set_config('grantry.outwaited', 'yes', true);
      return null;
    end $$;

    -- At the very end of the transaction: for what it holds besides, nobody who has the lock waits. Clients that registered
    -- themselves are never remembered. A migration that changes rows of these tables and then the tables themselves says
    -- "set constraints all immediate" in between.
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
    drop sequence client_changes;
  `)
}

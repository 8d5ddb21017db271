/** The demo's tables. A database of an older demo is brought up to date, and what stood in it stays. */
import { randomBytes } from 'node:crypto'
import type { Database } from '../../database/connect.ts'
import { FIRST_BALANCE_CENTS, MOST_ORDERS } from './order.ts'

type Pool = Pick<Database, 'pool'>

const TABLES = `
  create table if not exists order_owners (
    user_id text primary key,
    order_count integer not null
  );
  create table if not exists orders (
    id text primary key,
    user_id text not null references order_owners,
    item text not null check (item <> ''),
    quantity integer not null check (quantity > 0),
    amount_cents integer not null check (amount_cents >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    status text not null,
    created_at timestamptz not null default now()
  );
  create table if not exists demo_secrets (
    name text primary key,
    value bytea not null
  )`

/**
 * What came after the first demo; its last statement makes the index that tells that it is done. Not done again: it locks
 * whole tables, owners before orders, and requests that another instance is answering lock them the other way round.
 */
const CHANGES = `
  alter table order_owners
    add column if not exists balance_cents bigint not null default ${FIRST_BALANCE_CENTS} check (balance_cents >= 0);
  alter table orders
    add column if not exists version integer not null default 1,
    add column if not exists updated_at timestamptz,
    add column if not exists shipped_at timestamptz,
    add column if not exists cancelled_at timestamptz,
    add column if not exists items jsonb;
  do $$ begin
    if not exists (select from pg_constraint where conname = 'orders_status_known') then
      alter table orders drop constraint if exists orders_status_check;
      alter table orders add constraint orders_status_known check (status in ('placed', 'shipped', 'cancelled'));
    end if;
    if not exists (select from pg_constraint where conname = 'order_count_bounded') then
      alter table order_owners drop constraint if exists order_owners_order_count_check;
      alter table order_owners add constraint order_count_bounded check (order_count between 0 and ${MOST_ORDERS});
    end if;
  end $$;
  update orders set
    updated_at = coalesce(updated_at, created_at),
    shipped_at = case when status = 'shipped' then coalesce(shipped_at, created_at) end,
    items = coalesce(items, jsonb_build_array(jsonb_build_object(
      'id', 'itm_' || md5(id), 'item', item, 'quantity', quantity, 'amountCents', amount_cents)))
    where updated_at is null or items is null;
  alter table orders
    alter column updated_at set default now(),
    alter column updated_at set not null,
    alter column items set not null;
  drop index if exists orders_by_user;
  create index if not exists orders_by_owner on orders (user_id, created_at, id)`

/**
 * Makes the tables unless they are there. Instances that start together take turns.
 * @param more statements of others that keep something in this database
 */
export async function migrateOrders({ pool }: Pool, more: readonly string[] = []): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query(`select pg_advisory_xact_lock(hashtext('grantry-demo-orders'))`)
    await client.query(TABLES)
    const { rows } = await client.query<{ done: boolean }>(`select to_regclass('orders_by_owner') is not null as done`)
    if (!rows[0]?.done) await client.query(CHANGES)
    for (const statements of more) await client.query(statements)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

/** A secret that all instances share: whoever asks first makes it, and everybody gets that one. 32 bytes. */
export async function sharedSecret({ pool }: Pool, name: string): Promise<Buffer> {
  const { rows } = await pool.query<{ value: Buffer }>(
    `insert into demo_secrets as kept (name, value) values ($1, $2)
     on conflict (name) do update set value = kept.value
     returning value`,
    [name, randomBytes(32)],
  )
  return rows[0]!.value
}

/** Orders: what one is, and every statement that reads or writes one. */
import { randomBytes } from 'node:crypto'
import type { Database } from '../database/connect.ts'

type Pool = Pick<Database, 'pool'>

export interface Order {
  id: string
  userId: string
  item: string
  quantity: number
  amountCents: number
  currency: string
  status: 'placed' | 'shipped'
  createdAt: Date
}

export type NewOrder = Pick<Order, 'item' | 'quantity' | 'amountCents' | 'currency'>

/** So that one page always holds them all, and nobody can fill the demo's database. */
export const MOST_ORDERS = 100

/** Something to look at for a person who has just arrived. */
const SAMPLES: readonly (NewOrder & Pick<Order, 'status'>)[] = [
  { item: 'Espresso machine, second hand', quantity: 1, amountCents: 18_900, currency: 'EUR', status: 'shipped' },
  { item: 'Coffee beans, 1 kg', quantity: 2, amountCents: 3_980, currency: 'EUR', status: 'placed' },
]

const COLUMNS = `id, user_id as "userId", item, quantity, amount_cents as "amountCents", currency, status,
  created_at as "createdAt"`

/** Makes the tables unless they are there. Instances that start together take turns. */
export async function migrateOrders({ pool }: Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query(`select pg_advisory_xact_lock(hashtext('grantry-demo-orders'))`)
    await client.query(`
      create table if not exists order_owners (
        user_id text primary key,
        order_count integer not null check (order_count between 0 and ${MOST_ORDERS})
      );
      create table if not exists orders (
        id text primary key,
        user_id text not null references order_owners,
        item text not null check (item <> ''),
        quantity integer not null check (quantity > 0),
        amount_cents integer not null check (amount_cents >= 0),
        currency text not null check (currency ~ '^[A-Z]{3}$'),
        status text not null check (status in ('placed', 'shipped')),
        created_at timestamptz not null default now()
      );
      create index if not exists orders_by_user on orders (user_id, created_at desc, id);
    `)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

/** Newest first. */
export async function listOrders({ pool }: Pool, userId: string): Promise<Order[]> {
  const { rows } = await pool.query<Order>({
    name: 'list-orders',
    text: `select ${COLUMNS} from orders where user_id = $1 order by created_at desc, id limit ${MOST_ORDERS}`,
    values: [userId],
  })
  return rows
}

export async function findOrder({ pool }: Pool, userId: string, orderId: string): Promise<Order | undefined> {
  const { rows } = await pool.query<Order>({
    name: 'find-order',
    text: `select ${COLUMNS} from orders where user_id = $1 and id = $2`,
    values: [userId, orderId],
  })
  return rows[0]
}

/**
 * Places an order, if there is room for it: place and order are one statement, so that any number of requests at once stay
 * below the limit.
 * @returns undefined when there is no room
 */
export async function placeOrder({ pool }: Pool, userId: string, order: NewOrder): Promise<Order | undefined> {
  const { rows } = await pool.query<Order>({
    name: 'place-order',
    text: `
      with place as (
        insert into order_owners as owner (user_id, order_count) values ($1, 1)
        on conflict (user_id) do update set order_count = owner.order_count + 1 where owner.order_count < ${MOST_ORDERS}
        returning user_id
      )
      insert into orders (id, user_id, item, quantity, amount_cents, currency, status)
      select $2, user_id, $3, $4, $5, $6, 'placed' from place
      returning ${COLUMNS}`,
    values: [userId, newOrderId(), order.item, order.quantity, order.amountCents, order.currency],
  })
  return rows[0]
}

/** Gives a person who was never seen before two sample orders: whoever asks first, and once. */
export async function welcome({ pool }: Pool, userId: string): Promise<void> {
  const samples = SAMPLES.map((sample) => Object.assign({ id: newOrderId() }, sample))
  await pool.query({
    name: 'welcome',
    text: `
      with arrived as (
        insert into order_owners (user_id, order_count) values ($1, $2) on conflict do nothing returning user_id
      )
      insert into orders (id, user_id, item, quantity, amount_cents, currency, status)
      select sample.id, user_id, item, quantity, "amountCents", currency, status
      from arrived, jsonb_to_recordset($3::jsonb) as sample
        (id text, item text, quantity integer, "amountCents" integer, currency text, status text)`,
    values: [userId, SAMPLES.length, JSON.stringify(samples)],
  })
}

/** 128 random bits: `ord_…`, 36 characters. */
function newOrderId(): string {
  return `ord_${randomBytes(16).toString('hex')}`
}

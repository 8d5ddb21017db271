/** Orders and the balance that they are paid from, by the statements themselves. */
import test from 'ava'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { contentOf } from '../../src/demo/api/content.ts'
import { findAccount } from '../../src/demo/orders/balance.ts'
import { cancelOrder, changeOrder, deleteOrder, shipOrder } from '../../src/demo/orders/change.ts'
import { addItem, removeItem } from '../../src/demo/orders/items.ts'
import { MOST_ITEMS, MOST_ORDERS, type Order } from '../../src/demo/orders/order.ts'
import { placeOrder, welcome } from '../../src/demo/orders/place.ts'
import { findOrder, listItems, listOrders } from '../../src/demo/orders/queries.ts'
import { OrderRefusal, type RefusalCode } from '../../src/demo/orders/refusal.ts'
import { migrateOrders, sharedSecret } from '../../src/demo/orders/schema.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { emptyDatabaseUrl } from '../support/database.ts'
import { fileScope } from '../support/demo.ts'

const scope = fileScope()
let db: Database
test.before(async () => {
  const log = createLogger({ level: 'silent' })
  db = await connectDatabase({ url: await emptyDatabaseUrl(scope), dataDirectory: '', poolMax: 5, log })
  scope.teardown(() => db.close())
  await db.pool.query(OLD_DEMO)
  await Promise.all([migrateOrders(db), migrateOrders(db), migrateOrders(db)])
})
test.after.always(() => scope.end())

/** The tables of the first demo, with somebody in them. */
const OLD_DEMO = `
  create table order_owners (
    user_id text primary key, order_count integer not null check (order_count between 0 and 100)
  );
  create table orders (
    id text primary key, user_id text not null references order_owners, item text not null check (item <> ''),
    quantity integer not null check (quantity > 0), amount_cents integer not null check (amount_cents >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    status text not null check (status in ('placed', 'shipped')), created_at timestamptz not null default now()
  );
  create index orders_by_user on orders (user_id, created_at desc, id);
  insert into order_owners values ('usr_old', 2);
  insert into orders values
    ('ord_a', 'usr_old', 'Coffee', 3, 900, 'EUR', 'placed', '2026-01-01T00:00:00Z'),
    ('ord_b', 'usr_old', 'Tea', 1, 400, 'EUR', 'shipped', '2026-01-02T00:00:00Z')`

let people = 0
const newPerson = () => `usr_${++people}`
const coffee = (cents = 500, currency = 'EUR') => contentOf({ item: 'Coffee', amount_cents: cents, currency })
const balanceOf = async (userId: string) => (await findAccount(db.knex, userId)).balanceCents

async function refusal(work: Promise<unknown>): Promise<RefusalCode | undefined> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error !== undefined && !(error instanceof OrderRefusal)) throw error
  return error?.code
}

const page = { limit: 100, sorting: { by: 'created_at', descending: true }, wantsTotal: true }

test('what an older demo stored is still there, and can be changed', async (t) => {
  const { items, total } = await listOrders(db.knex, 'usr_old', {}, page)
  t.is(total, 2)
  const [tea, beans] = items as [Order, Order]
  t.like(tea, { id: 'ord_b', status: 'shipped', shippedAt: new Date('2026-01-02T00:00:00Z'), version: 1 })
  t.like(beans, { id: 'ord_a', item: 'Coffee', quantity: 3, amountCents: 900, status: 'placed', shippedAt: null })
  t.like(beans.items[0], { item: 'Coffee', quantity: 3, amountCents: 900 })
  await migrateOrders(db)
  t.deepEqual(await findOrder(db.knex, 'ord_a'), beans)
  t.is((await cancelOrder(db.knex, { orderId: 'ord_a' })).status, 'cancelled')
})

test('an instance that starts waits for no change that another is making', async (t) => {
  const ada = newPerson()
  const { id: orderId } = await placeOrder(db.knex, ada, coffee(1_000))
  await db.knex.transaction(async (trx) => {
    await shipOrder(trx, { orderId })
    await migrateOrders(db)
    await placeOrder(trx, ada, coffee(1_000))
  })
  t.is((await findOrder(db.knex, orderId))?.status, 'shipped')
})

test('the balance is never overdrawn, however many orders are placed at once', async (t) => {
  const ada = newPerson()
  const refusals = await Promise.all(
    Array.from({ length: 14 }, () => refusal(placeOrder(db.knex, ada, coffee(10_000)))),
  )
  t.is(refusals.filter((code) => code === undefined).length, 10)
  t.is(refusals.filter((code) => code === 'insufficient-funds').length, 4)
  t.deepEqual(await findAccount(db.knex, ada), { userId: ada, balanceCents: 0, orderCount: 10 })
})

test('an order that costs more than anybody has is refused with both numbers', async (t) => {
  const error = await t.throwsAsync(placeOrder(db.knex, newPerson(), coffee(150_050)), { instanceOf: OrderRefusal })
  t.is(error.code, 'insufficient-funds')
  t.deepEqual(error.facts, { balance: 1000, required: 1500.5, currency: 'EUR' })
  t.is(error.message, 'The balance is 1000.00 EUR but the order needs 1500.50 EUR')
  t.is(await refusal(placeOrder(db.knex, newPerson(), coffee(150_050, 'USD'))), undefined, 'others are on invoice')
})

test('at most 1,000 orders fit, however many are placed at once', async (t) => {
  const ada = newPerson()
  await placeOrder(db.knex, ada, coffee(0))
  await db.pool.query('update order_owners set order_count = $1 where user_id = $2', [MOST_ORDERS - 3, ada])
  const refusals = await Promise.all(Array.from({ length: 8 }, () => refusal(placeOrder(db.knex, ada, coffee(0)))))
  t.is(refusals.filter((code) => code === undefined).length, 3)
  t.is(refusals.filter((code) => code === 'too-many-orders').length, 5)
})

test('what is cancelled, deleted or made cheaper gives its money back, once', async (t) => {
  const ada = newPerson()
  const place = () => placeOrder(db.knex, ada, coffee(20_000))
  const [one, two, three] = [await place(), await place(), await place()]
  t.is(await balanceOf(ada), 40_000)
  const cancelled = await Promise.all([1, 2, 3].map(() => refusal(cancelOrder(db.knex, { orderId: one.id }))))
  t.is(cancelled.filter((code) => code === 'order-cancelled').length, 2)
  t.is(await balanceOf(ada), 60_000)
  await deleteOrder(db.knex, { orderId: one.id })
  t.is(await balanceOf(ada), 60_000, 'the money of a cancelled order came back before')
  await deleteOrder(db.knex, { orderId: two.id })
  t.deepEqual(await findAccount(db.knex, ada), { userId: ada, balanceCents: 80_000, orderCount: 1 })
  await changeOrder(db.knex, { orderId: three.id }, () => coffee(5_000))
  t.is(await balanceOf(ada), 95_000)
  t.is(
    await refusal(changeOrder(db.knex, { orderId: three.id }, () => coffee(100_001))),
    'insufficient-funds',
    'a change is paid too',
  )
  t.like(await findOrder(db.knex, three.id), { amountCents: 5_000, version: 2 })
  await changeOrder(db.knex, { orderId: three.id }, () => coffee(5_000, 'USD'))
  t.is(await balanceOf(ada), 100_000)
})

test('a shipped order can be neither changed nor cancelled, deleted or shipped again', async (t) => {
  const ada = newPerson()
  const { id: orderId } = await placeOrder(db.knex, ada, coffee())
  const shipped = await shipOrder(db.knex, { orderId })
  t.like(shipped, { status: 'shipped', version: 2 })
  t.deepEqual(shipped.shippedAt, shipped.updatedAt)
  for (const attempt of [
    changeOrder(db.knex, { orderId }, () => coffee()),
    cancelOrder(db.knex, { orderId }),
    deleteOrder(db.knex, { orderId }),
    shipOrder(db.knex, { orderId }),
    addItem(db.knex, { orderId }, { item: 'Tea', quantity: 1, amountCents: 1 }),
  ]) {
    t.is(await refusal(attempt), 'order-shipped')
  }
  t.deepEqual(await findOrder(db.knex, orderId), shipped)
})

test('of two changes of one version one is made', async (t) => {
  const { id: orderId } = await placeOrder(db.knex, newPerson(), coffee())
  const change = (cents: number) => refusal(changeOrder(db.knex, { orderId, ifVersion: 1 }, () => coffee(cents)))
  const refusals = await Promise.all([change(100), change(200), change(300)])
  t.is(refusals.filter((code) => code === 'version-mismatch').length, 2)
  t.is((await findOrder(db.knex, orderId))?.version, 2)
})

test('an order of somebody else is not there', async (t) => {
  const { id: orderId } = await placeOrder(db.knex, newPerson(), coffee())
  t.is(await refusal(cancelOrder(db.knex, { orderId, userId: 'usr_eve' })), 'order-not-found')
  t.is(await findOrder(db.knex, orderId, 'usr_eve'), undefined)
})

test('items change their order: its price, its count of pieces and its version', async (t) => {
  const ada = newPerson()
  const { id: orderId } = await placeOrder(db.knex, ada, coffee(1_000))
  const { order, item } = await addItem(db.knex, { orderId }, { item: 'Tea', quantity: 4, amountCents: 300 })
  t.like(order, { item: 'Coffee', quantity: 5, amountCents: 1_300, version: 2 })
  t.is(await balanceOf(ada), 98_700)
  const names = await listItems(db.knex, orderId, { ...page, sorting: { by: 'amount_cents', descending: false } })
  t.deepEqual(
    names.items.map(({ item: name }) => name),
    ['Tea', 'Coffee'],
  )
  t.is(names.total, 2)
  await removeItem(db.knex, { orderId, itemId: order.items[0]!.id })
  t.like(await findOrder(db.knex, orderId), { item: 'Tea', quantity: 4, amountCents: 300 })
  t.is(await refusal(removeItem(db.knex, { orderId, itemId: item.id })), 'last-item')
  t.is(await refusal(removeItem(db.knex, { orderId, itemId: 'itm_none' })), 'item-not-found')
})

test('items that are added at once are all kept, up to the most that fit', async (t) => {
  const { id: orderId } = await placeOrder(db.knex, newPerson(), coffee(0))
  const add = () => refusal(addItem(db.knex, { orderId }, { item: 'Tea', quantity: 1, amountCents: 0 }))
  const refusals = await Promise.all(Array.from({ length: MOST_ITEMS + 2 }, add))
  t.is(refusals.filter((code) => code === 'too-many-items').length, 3)
  t.is((await findOrder(db.knex, orderId))?.items.length, MOST_ITEMS)
})

test('somebody who deleted everything is not new', async (t) => {
  const ada = newPerson()
  t.true(await welcome(db.knex, ada))
  const { items } = await listOrders(db.knex, ada, { status: 'placed' }, page)
  await deleteOrder(db.knex, { orderId: items[0]!.id })
  t.false(await welcome(db.knex, ada))
  t.is((await findAccount(db.knex, ada)).orderCount, 1)
})

test('a shared secret is made once, whoever asks first', async (t) => {
  const secrets = await Promise.all(Array.from({ length: 6 }, () => sharedSecret(db, 'cursor')))
  t.is(new Set(secrets.map((secret) => secret.toString('hex'))).size, 1)
  t.is(secrets[0]?.length, 32)
})

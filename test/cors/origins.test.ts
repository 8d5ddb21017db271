import test from 'ava'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { disableClient } from '../../src/registry/clients/disable.ts'
import { createClientOrigins } from '../../src/registry/clients/origins.ts'
import { ensureManagementResource } from '../../src/registry/resources/built-in.ts'
import { testDatabase } from '../support/database.ts'

const actor = 'test'

test('origins are those of enabled clients, and a change shows within five seconds', async (t) => {
  const { knex, pool } = await testDatabase(t)
  await ensureManagementResource(knex, 'https://auth.example.com')
  let now = 0
  const origins = createClientOrigins({ pool, now: () => now })
  const spa = (name: string, resource?: string) =>
    createClient(knex, {
      kind: 'spa',
      name,
      redirectUris: [`https://${name}.example.com/callback`],
      ...(resource ? { access: [{ resource, scopes: ['users:read'] }] } : {}),
      actor,
    })
  t.false(await origins.isRegistered('https://shop.example.com'))
  const { client: shop } = await spa('shop')
  const { client: admin } = await spa('admin', 'https://auth.example.com/api')
  t.false(await origins.isRegistered('https://shop.example.com'), 'not looked for again in the same second')
  now += 1000
  t.true(await origins.isRegistered('https://shop.example.com'))
  t.deepEqual(
    [await origins.mayManage('https://shop.example.com'), await origins.mayManage('https://admin.example.com')],
    [false, true],
  )
  await disableClient(knex, admin.id, { actor })
  await deleteClient(knex, shop.id, { actor })
  now += 4999
  t.true(await origins.isRegistered('https://shop.example.com'))
  now += 1
  t.false(await origins.isRegistered('https://shop.example.com'))
  t.false(await origins.mayManage('https://admin.example.com'))
})

test('a flood of origins costs one statement a second', async (t) => {
  const { pool } = await testDatabase(t)
  let statements = 0
  let now = 0
  const counting = { query: (...given: Parameters<typeof pool.query>) => (statements += 1) && pool.query(...given) }
  const origins = createClientOrigins({ pool: counting as unknown as typeof pool, now: () => now })
  for (let second = 0; second < 3; second += 1) {
    const flood = Array.from({ length: 200 }, (_, n) => origins.isRegistered(`https://${second}-${n}.example.com`))
    t.true((await Promise.all(flood)).every((known) => !known))
    t.is(statements, second + 1)
    now += 1000
  }
})

test('an origin is looked for again after the database failed', async (t) => {
  const { pool } = await testDatabase(t)
  let fails = true
  const breaking = {
    query: (...given: Parameters<typeof pool.query>) =>
      fails ? Promise.reject(new Error('gone')) : pool.query(...given),
  }
  const origins = createClientOrigins({ pool: breaking as unknown as typeof pool })
  await t.throwsAsync(origins.isRegistered('https://a.example.com'), { message: 'gone' })
  fails = false
  t.false(await origins.isRegistered('https://a.example.com'))
})

/** What an instance remembers of clients is never out of date, whoever changed them. */
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import type pg from 'pg'
import { createActiveClients, type ActiveClients } from '../../src/registry/clients/active-clients.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { deleteSecret } from '../../src/registry/clients/delete-secret.ts'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { rotateSecret } from '../../src/registry/clients/rotate-secret.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { createResource } from '../../src/registry/resources/create.ts'
import { deleteResource } from '../../src/registry/resources/delete.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

interface Context {
  db: TestDatabase
  clients: ActiveClients
  /** Names of the statements that were sent, and whether what was asked for was remembered. */
  sent: string[]
  looks: boolean[]
  id: string
}
const test = anyTest as TestFn<Context>
const actor = 'cli'
const endings: (() => unknown)[] = []
let db: TestDatabase
let number = 0

test.before(async () => {
  db = await testDatabase({ teardown: (ending) => void endings.unshift(ending) })
})
test.after.always(async () => {
  for (const ending of endings) await ending()
})

const audienceOf = (n: number) => `https://orders-${n}.example.com`

test.beforeEach(async (t) => {
  const n = (number += 1)
  const scopes = ['read', 'write'].map((name) => ({ name, description: name, descriptionDe: null }))
  await createResource(db.knex, { audience: audienceOf(n), name: 'Orders', scopes, actor })
  const access = [{ resource: audienceOf(n), scopes: ['read', 'write'] }]
  const { client } = await createClient(db.knex, { kind: 'service', name: 'A service', access, actor })
  const sent: string[] = []
  const looks: boolean[] = []
  const pool = {
    query: (config: pg.QueryConfig & { name: string }) => {
      if (config.name !== 'take_client_lease') sent.push(config.name)
      return db.pool.query(config)
    },
  } as unknown as pg.Pool
  const clients = createActiveClients({ pool, onLook: (hit) => looks.push(hit) })
  t.context = { db, clients, sent, looks, id: client.id }
})

const audience = (t: ExecutionContext<Context>) =>
  t.context.clients.find(t.context.id).then((client) => client?.access[0]?.audience ?? '')

test('a client that has not changed is the same object, for one small statement', async (t) => {
  const { clients, sent, looks, id } = t.context
  const first = await clients.find(id)
  t.is(first?.id, id)
  t.deepEqual(sent, ['find_active_client'])
  t.is(await clients.find(id), first)
  t.deepEqual(sent, ['find_active_client', 'stamps-of-clients'])
  t.deepEqual(looks, [false, true])
})

test('requests of one moment share the statement', async (t) => {
  const { clients, sent, id } = t.context
  await clients.find(id)
  sent.length = 0
  const found = await Promise.all(Array.from({ length: 50 }, () => clients.find(id)))
  t.true(found.every((client) => client?.id === id))
  t.deepEqual(sent, ['stamps-of-clients'])
})

test('a client that was disabled or deleted is gone with the commit, and back when it is enabled', async (t) => {
  const { clients, id } = t.context
  const before = await clients.find(id)
  await disableClient(db.knex, id, { actor })
  t.is(await clients.find(id), undefined)
  await enableClient(db.knex, id, { actor })
  const after = await clients.find(id)
  t.is(after?.id, id)
  t.not(after, before)
  await deleteClient(db.knex, id, { actor })
  t.is(await clients.find(id), undefined)
})

test('a secret that was added or taken away counts with the commit', async (t) => {
  const { clients, id } = t.context
  t.is((await clients.find(id))?.secrets.length, 1)
  const { secretId } = await rotateSecret(db.knex, { clientId: id, overlapSeconds: 60, actor })
  t.is((await clients.find(id))?.secrets.length, 2)
  await deleteSecret(db.knex, { clientId: id, secretId, actor })
  t.is((await clients.find(id))?.secrets.length, 1)
})

test('a secret whose overlap ends is not remembered beyond it', async (t) => {
  const { id } = t.context
  let time = 0
  const clients = createActiveClients({ pool: db.pool, now: () => time })
  await rotateSecret(db.knex, { clientId: id, overlapSeconds: 30, actor })
  const both = await clients.find(id)
  t.is(both?.secrets.length, 2)
  time += 29_000
  t.is(await clients.find(id), both)
  await db
    .knex('client_secrets')
    .where({ client_id: id })
    .whereNotNull('expires_at')
    .update({ expires_at: new Date(0) })
  t.is(await clients.find(id), both, 'the clock of the database went on without a change of the row')
  time += 1_001
  t.is((await clients.find(id))?.secrets.length, 1)
})

test('what it may ask for, and how an API wants its tokens, counts with the commit', async (t) => {
  const { clients, id } = t.context
  const named = await audience(t)
  await updateResource(db.knex, named, { signingAlg: 'ES256', accessTokenTtl: 60 }, { actor })
  const [changed] = (await clients.find(id))?.access ?? []
  t.like(changed, { signingAlg: 'ES256', accessTokenTtl: 60, tokenFormat: 'jwt', scopes: ['read', 'write'] })
  await updateClient(db.knex, id, { access: [{ resource: named, scopes: ['read'] }] }, { actor })
  t.deepEqual((await clients.find(id))?.access[0]?.scopes, ['read'])
  await updateResource(
    db.knex,
    named,
    { scopes: [{ name: 'write', description: 'w', descriptionDe: null }] },
    { actor },
  )
  t.deepEqual((await clients.find(id))?.access, [])
  await updateClient(db.knex, id, { access: [{ resource: named, scopes: ['write'] }] }, { actor })
  t.is((await clients.find(id))?.access.length, 1)
  await deleteResource(db.knex, named, { actor })
  t.deepEqual((await clients.find(id))?.access, [])
})

test('changes under parallel look-ups: none that began after the commit sees what was before', async (t) => {
  const { clients, id } = t.context
  for (let round = 0; round < 20; round += 1) {
    const name = `Round ${round}`
    const during = Array.from({ length: 5 }, () => clients.find(id))
    await updateClient(db.knex, id, { name }, { actor })
    const after = await Promise.all(Array.from({ length: 5 }, () => clients.find(id)))
    t.true(after.every((client) => client?.name === name))
    await Promise.all(during)
  }
})

test('no more clients are remembered than said, and the database is asked when it comes back', async (t) => {
  const { id } = t.context
  const looks: boolean[] = []
  const clients = createActiveClients({ pool: db.pool, most: 1, onLook: (hit) => looks.push(hit) })
  const { client: other } = await createClient(db.knex, { kind: 'service', name: 'Another', actor })
  for (const next of [id, other.id, id, id]) t.is((await clients.find(next))?.id, next)
  t.deepEqual(looks, [false, false, false, true])
  t.is(await clients.find('cli_nobody'), undefined)
  t.is(await clients.find('x'.repeat(10_000)), undefined)
})

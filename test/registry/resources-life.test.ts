import anyTest, { type TestFn } from 'ava'
import type { Position } from '../../src/lib/keyset.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { findClient } from '../../src/registry/clients/queries.ts'
import { createResource, type NewResource } from '../../src/registry/resources/create.ts'
import { deleteResource } from '../../src/registry/resources/delete.ts'
import { presentResource } from '../../src/registry/resources/present.ts'
import {
  findResource,
  findResourceByAudience,
  findResourcesByIds,
  listResources,
} from '../../src/registry/resources/queries.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { RegistryError } from '../../src/registry/registry-error.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

const test = anyTest as TestFn<{ db: TestDatabase }>
const actor = 'cli'
const endings: (() => unknown)[] = []
let database: TestDatabase
let made = 0

test.before(async () => {
  database = await testDatabase({ teardown: (ending) => void endings.unshift(ending) })
})
test.beforeEach((t) => {
  t.context.db = database
})
test.after.always(async () => {
  for (const ending of endings) await ending()
})

function newResource(given: Partial<NewResource> = {}): NewResource {
  const scopes = [
    { name: 'orders:write', description: 'Change your orders', descriptionDe: null },
    { name: 'orders:read', description: 'Read your orders', descriptionDe: 'Ihre Bestellungen lesen' },
  ]
  return { audience: `https://api-${++made}.example.com`, name: 'Orders', scopes, actor, ...given }
}

test('a resource is found by its id and by any spelling of its audience', async (t) => {
  const { knex, pool } = t.context.db
  const resource = await createResource(knex, newResource({ audience: 'https://API.example.com:443/' }))
  t.is(resource.audience, 'https://api.example.com')
  for (const name of [resource.id, 'https://api.example.com', 'https://api.example.com/', 'HTTPS://API.EXAMPLE.COM']) {
    t.deepEqual(await findResource(knex, name), resource)
  }
  t.deepEqual(await findResourceByAudience(pool, 'https://api.example.com/'), resource)
  t.deepEqual(await findResourcesByIds(pool, [resource.id, 'res_junk']), [resource])
  t.deepEqual(
    presentResource(resource).scopes.map(({ name, description_de }) => [name, description_de]),
    [
      ['orders:read', 'Ihre Bestellungen lesen'],
      ['orders:write', null],
    ],
  )
  for (const junk of ['', '\0', 'https://api.example.com/#x', 'https://api.example.org', '\ud800']) {
    t.is(await findResource(knex, junk), undefined)
    t.is(await findResourceByAudience(pool, junk), undefined)
  }
})

test('of many that want one audience at once, one gets it', async (t) => {
  const { knex } = t.context.db
  const audience = 'https://wanted.example.com'
  const attempts = ['', '/', '', '/'].map((end) => createResource(knex, newResource({ audience: audience + end })))
  const results = await Promise.allSettled(attempts)
  const refused = results.filter((result) => result.status === 'rejected')
  t.is(refused.length, 3)
  for (const { reason } of refused) t.like(reason, { code: 'conflict', field: 'audience' })
  const events = await knex('events').where({ type: 'resource.created' }).whereRaw(`data->>'audience' = ?`, [audience])
  t.is(events.length, 1)
})

test('a scope that stays keeps its clients, a scope that goes is taken from them', async (t) => {
  const { knex } = t.context.db
  const resource = await createResource(knex, newResource())
  const access = [{ resource: resource.id, scopes: ['orders:read', 'orders:write'] }]
  const { client } = await createClient(knex, { kind: 'service', name: 'Machine', access, actor })

  const scopes = [
    { name: 'orders:read', description: 'See your orders', descriptionDe: null },
    { name: 'orders:cancel', description: 'Cancel orders', descriptionDe: null },
  ]
  const updated = await updateResource(knex, resource.audience, { scopes }, { actor })
  t.deepEqual(
    updated.scopes.map(({ name, description }) => [name, description]),
    [
      ['orders:cancel', 'Cancel orders'],
      ['orders:read', 'See your orders'],
    ],
  )
  t.deepEqual((await findClient(knex, client.id))?.access[0]?.scopes, ['orders:read'])
})

test('an update counts the version, says what changed, and writes nothing when nothing does', async (t) => {
  const { knex } = t.context.db
  const resource = await createResource(knex, newResource())
  const change = { accessTokenTtl: 60, signingAlg: 'ES256', tokenClaims: ['roles', 'acr'] } as const
  const updated = await updateResource(
    knex,
    resource.id,
    { ...change, tokenClaims: [...change.tokenClaims] },
    { actor },
  )
  t.like(updated, {
    accessTokenTtl: 60,
    signingAlg: 'ES256',
    tokenClaims: ['acr', 'roles'],
    version: 2,
    name: 'Orders',
  })
  t.is(
    (await updateResource(knex, resource.id, { name: ' Orders ', scopes: newResource().scopes }, { actor })).version,
    2,
  )
  const back = await updateResource(knex, resource.id, { accessTokenTtl: null }, { actor })
  t.is(back.accessTokenTtl, null)
  const events = await knex('events').where({ subject: resource.id, type: 'resource.updated' }).orderBy('id')
  t.deepEqual(
    events.map(({ data }: { data: { fields: string[] } }) => data.fields),
    [['signing_alg', 'access_token_ttl', 'token_claims'], ['access_token_ttl']],
  )
})

test('of two changes made to the same version one is refused', async (t) => {
  const { knex } = t.context.db
  const resource = await createResource(knex, newResource())
  const results = await Promise.allSettled(
    ['One', 'Two'].map((name) => updateResource(knex, resource.id, { name }, { actor, ifVersion: 1 })),
  )
  const refused = results.filter((result) => result.status === 'rejected')
  t.is(refused.length, 1)
  t.like(refused[0]?.reason, { code: 'conflict', field: 'version' })
})

test('deleting a resource takes the access of clients with it', async (t) => {
  const { knex } = t.context.db
  const resource = await createResource(knex, newResource())
  const access = [{ resource: resource.id, scopes: ['orders:read'] }]
  const { client } = await createClient(knex, { kind: 'service', name: 'Machine', access, actor })
  await deleteResource(knex, resource.audience, { actor })
  t.is(await findResource(knex, resource.id), undefined)
  t.deepEqual((await findClient(knex, client.id))?.access, [])
  await t.throwsAsync(deleteResource(knex, resource.id, { actor }), { instanceOf: RegistryError, message: /no such/ })
})

test('giving a client a scope while the resource goes ends in one of the two orders', async (t) => {
  const { knex } = t.context.db
  for (let round = 0; round < 5; round++) {
    const resource = await createResource(knex, newResource())
    const access = [{ resource: resource.id, scopes: ['orders:read'] }]
    const [creation] = await Promise.allSettled([
      createClient(knex, { kind: 'service', name: 'Machine', access, actor }),
      deleteResource(knex, resource.id, { actor }),
    ])
    if (creation.status === 'rejected') t.like(creation.reason, { code: 'invalid', field: 'access' })
    else t.deepEqual((await findClient(knex, creation.value.client.id))?.access, [])
  }
})

test('resources are listed page by page, each once, by what was asked for', async (t) => {
  const { knex } = t.context.db
  const resources = await Promise.all([1, 2, 3].map((n) => createResource(knex, newResource({ name: `Listed ${n}` }))))
  const filter = { q: 'lISTED' }
  for (const by of ['created_at', 'updated_at', 'name', 'audience']) {
    for (const descending of [true, false]) {
      const seen: string[] = []
      let after: Position | undefined
      do {
        const page = await listResources(knex, { limit: 2, sorting: { by, descending }, after, filter })
        seen.push(...page.resources.map(({ id }) => id))
        after = page.next
      } while (after)
      t.deepEqual(seen.toSorted(), resources.map(({ id }) => id).toSorted(), `${by} ${descending}`)
    }
  }
  const sorting = { by: 'name', descending: true }
  const second = await listResources(knex, { limit: 1, offset: 1, sorting, filter, wantsTotal: true })
  t.deepEqual([second.resources.map(({ name }) => name), second.total], [['Listed 2'], 3])
  const audience = `${resources[0]!.audience}/`
  t.is((await listResources(knex, { limit: 9, sorting, filter: { audience } })).resources.length, 1)
  t.is((await listResources(knex, { limit: 9, sorting, filter: { audience: 'nonsense' } })).resources.length, 0)
  t.is(
    (await listResources(knex, { limit: 9, sorting, filter: { ...filter, tokenFormat: 'opaque' } })).resources.length,
    0,
  )
  await t.throwsAsync(listResources(knex, { limit: 1, sorting: { by: 'id; drop', descending: true } }), {
    instanceOf: TypeError,
  })
})

test('a client whose scope goes with its resource shows another version, and no other client does', async (t) => {
  const { knex } = t.context.db
  const resource = await createResource(knex, newResource())
  const make = async (scopes: string[]) => {
    const access = scopes.length > 0 ? [{ resource: resource.id, scopes }] : []
    return (await createClient(knex, { kind: 'service', name: 'Machine', access, actor })).client.id
  }
  const [both, reader, none] = [
    await make(['orders:read', 'orders:write']),
    await make(['orders:read']),
    await make([]),
  ]
  const versions = async () =>
    Promise.all([both, reader, none].map(async (id) => (await findClient(knex, id))?.version))
  await updateResource(knex, resource.id, { name: 'Other' }, { actor })
  t.deepEqual(await versions(), [1, 1, 1])
  const scopes = [{ name: 'orders:read', description: 'Read', descriptionDe: null }]
  await updateResource(knex, resource.id, { scopes }, { actor })
  t.deepEqual(await versions(), [2, 1, 1])
  t.deepEqual((await findClient(knex, both))?.access[0]?.scopes, ['orders:read'])
  await deleteResource(knex, resource.id, { actor })
  t.deepEqual(await versions(), [3, 2, 1])
})

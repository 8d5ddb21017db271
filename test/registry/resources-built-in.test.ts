import test from 'ava'
import { managementScopes, MANAGEMENT_RESOURCE_ID } from '../../src/registry/management-scopes.ts'
import { RegistryError } from '../../src/registry/registry-error.ts'
import { ensureManagementResource } from '../../src/registry/resources/built-in.ts'
import { createResource } from '../../src/registry/resources/create.ts'
import { deleteResource } from '../../src/registry/resources/delete.ts'
import { presentResource } from '../../src/registry/resources/present.ts'
import { findResource, listResources } from '../../src/registry/resources/queries.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { findClient } from '../../src/registry/clients/queries.ts'
import { testDatabase } from '../support/database.ts'

const ISSUER = 'https://auth.example.com'
const options = { limit: 10, sorting: { by: 'created_at', descending: false } }

test('the management API is one resource, however many servers start at once', async (t) => {
  const { knex } = await testDatabase(t)
  await Promise.all(Array.from({ length: 5 }, () => ensureManagementResource(knex, ISSUER)))
  const { resources } = await listResources(knex, options)
  t.is(resources.length, 1)
  const [made] = resources
  if (!made) return
  t.like(presentResource(made), {
    id: MANAGEMENT_RESOURCE_ID,
    audience: `${ISSUER}/api`,
    token_format: 'opaque',
    built_in: true,
    version: 1,
  })
  t.deepEqual(made.scopes.map(({ name }) => name).toSorted(), [...managementScopes].toSorted())
  for (const { name, description, descriptionDe } of made.scopes) {
    t.truthy(description && descriptionDe && description !== descriptionDe, name)
  }
})

test('it follows the issuer, and clients keep their access', async (t) => {
  const { knex } = await testDatabase(t)
  await ensureManagementResource(knex, ISSUER)
  const access = [{ resource: `${ISSUER}/api`, scopes: ['users:read'] }]
  const { client } = await createClient(knex, { kind: 'service', name: 'CI', access, actor: 'test' })
  await ensureManagementResource(knex, 'https://login.example.com')
  t.like(await findResource(knex, MANAGEMENT_RESOURCE_ID), { audience: 'https://login.example.com/api', version: 2 })
  t.like((await findClient(knex, client.id))?.access[0], {
    audience: 'https://login.example.com/api',
    scopes: ['users:read'],
  })
})

test('nobody changes or deletes it', async (t) => {
  const { knex } = await testDatabase(t)
  await ensureManagementResource(knex, ISSUER)
  const before = await findResource(knex, MANAGEMENT_RESOURCE_ID)
  for (const name of [MANAGEMENT_RESOURCE_ID, `${ISSUER}/api`]) {
    const attempts = [
      () => updateResource(knex, name, { tokenFormat: 'jwt' }, { actor: 'test' }),
      () => updateResource(knex, name, { scopes: [] }, { actor: 'test' }),
      () => deleteResource(knex, name, { actor: 'test' }),
    ]
    for (const attempt of attempts) {
      t.is((await t.throwsAsync(attempt, { instanceOf: RegistryError }))?.code, 'forbidden')
    }
  }
  t.deepEqual(await findResource(knex, MANAGEMENT_RESOURCE_ID), before)
})

test('a resource that took its audience before is named, and stays', async (t) => {
  const { knex } = await testDatabase(t)
  const taken = await createResource(knex, { audience: `${ISSUER}/api`, name: 'Mine', actor: 'test' })
  const error = await t.throwsAsync(ensureManagementResource(knex, ISSUER), { instanceOf: RegistryError })
  t.is(error?.code, 'conflict')
  t.regex(error?.message ?? '', /https:\/\/auth\.example\.com\/api/)
  t.deepEqual(await findResource(knex, taken.id), taken)
  t.is(await findResource(knex, MANAGEMENT_RESOURCE_ID), undefined)
})

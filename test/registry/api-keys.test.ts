import test from 'ava'
import { digestSecret } from '../../src/lib/secret.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { presentApiKey } from '../../src/registry/api-keys/present.ts'
import type { Position } from '../../src/lib/keyset.ts'
import type { ApiKey } from '../../src/registry/api-keys/api-key.ts'
import { findApiKey, listApiKeys, type ApiKeyFilter } from '../../src/registry/api-keys/queries.ts'
import { revokeApiKey } from '../../src/registry/api-keys/revoke.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { RegistryError } from '../../src/registry/registry-error.ts'
import { testDatabase } from '../support/database.ts'
import { events } from './people.ts'

const ALL = { limit: 100, sorting: { by: 'created_at', descending: false } }

test('a key opens by its value, which is kept nowhere', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const { apiKey, value } = await createApiKey(knex, {
    name: ' CI ',
    scopes: ['users:write', 'users:read'],
    actor: 'cli',
  })
  t.regex(value, /^grk_/)
  t.is(apiKey.name, 'CI')
  t.deepEqual(apiKey.scopes, ['users:read', 'users:write'])
  t.is((await findApiKey(pool, value))?.id, apiKey.id)

  const [row] = await knex('api_keys').select()
  t.deepEqual(row.digest, digestSecret(value))
  const everything = JSON.stringify([row, await events(knex), presentApiKey(apiKey), await listApiKeys(knex, ALL)])
  t.false(everything.includes(value))
  t.is(presentApiKey(apiKey, value).value, value)
  t.like((await events(knex))[0], { type: 'api_key.created', actor: 'cli', subject: apiKey.id })
})

test('a wrong, altered, revoked or expired key opens nothing', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const make = (expiresAt?: Date) => createApiKey(knex, { name: 'x', scopes: ['users:read'], expiresAt, actor: 'cli' })
  const [good, revoked, expired] = [await make(), await make(), await make(new Date(Date.now() + 60_000))]
  t.truthy(await findApiKey(pool, expired.value))
  await revokeApiKey(knex, { apiKeyId: revoked.apiKey.id, actor: 'cli' })
  await knex('api_keys')
    .where({ id: expired.apiKey.id })
    .update({ expires_at: knex.raw(`now() - interval '1 second'`) })
  const bad = [
    '',
    '\0',
    'grk_',
    revoked.value,
    expired.value,
    `${good.value}0`,
    good.value.slice(0, -1),
    good.value.toUpperCase(),
    good.value.replace('grk', 'gcs'),
    ` ${good.value}`,
    'x'.repeat(1_000_000),
  ]
  for (const value of bad) t.is(await findApiKey(pool, value), undefined, value.slice(0, 80))
  t.truthy(await findApiKey(pool, good.value))
})

test('when a key was last used is written at most once a minute', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const { value } = await createApiKey(knex, { name: 'x', scopes: ['users:read'], actor: 'cli' })
  const used = async () => String((await knex('api_keys').first(knex.raw('last_used_at::text as used'))).used)
  await findApiKey(pool, value)
  const first = await used()
  t.not(first, 'null')
  await Promise.all([1, 2, 3].map(() => findApiKey(pool, value)))
  t.is(await used(), first)
  await knex('api_keys').update({ last_used_at: knex.raw(`now() - interval '61 seconds'`) })
  await findApiKey(pool, value)
  t.true((await used()) > first)
})

test('names, scopes and end are checked, and a refused key leaves nothing', async (t) => {
  const { knex } = await testDatabase(t)
  const fine = { name: 'x', scopes: ['users:read'], actor: 'cli' }
  const refused: [string, object][] = [
    ['name', { name: ' ' }],
    ['name', { name: 'a\0b' }],
    ['scopes', { scopes: [] }],
    ['scopes', { scopes: ['users:read', 'events:write'] }],
    ['scopes', { scopes: ['*'] }],
    ['expires_at', { expiresAt: new Date(Date.now() - 60_000) }],
    ['expires_at', { expiresAt: new Date('nonsense') }],
  ]
  for (const [field, odd] of refused) {
    const error = await t.throwsAsync(createApiKey(knex, { ...fine, ...odd }), { instanceOf: RegistryError })
    t.is(`${error?.code} ${error?.field}`, `invalid ${field}`)
  }
  t.deepEqual((await listApiKeys(knex, ALL)).apiKeys, [])
  t.deepEqual(await events(knex), [])
})

test('revoking happens once, however many do it', async (t) => {
  const { knex } = await testDatabase(t)
  const { apiKey } = await createApiKey(knex, { name: 'x', scopes: [...managementScopes], actor: 'cli' })
  const revoked = await Promise.all([1, 2, 3].map(() => revokeApiKey(knex, { apiKeyId: apiKey.id, actor: 'cli' })))
  for (const one of revoked) t.deepEqual(one.revokedAt, revoked[0]?.revokedAt)
  t.true(revoked[0]?.revokedAt instanceof Date)
  t.is((await events(knex, 'api_key.revoked')).length, 1)
  for (const apiKeyId of ['\0', `apk_${'a'.repeat(26)}`]) {
    const error = await t.throwsAsync(revokeApiKey(knex, { apiKeyId, actor: 'cli' }), { instanceOf: RegistryError })
    t.is(error?.code, 'not_found')
  }
})

test('keys are listed page by page in every order, each once', async (t) => {
  const { knex } = await testDatabase(t)
  for (let n = 0; n < 5; n += 1) {
    await createApiKey(knex, { name: `key ${n % 3}`, scopes: ['users:read'], actor: 'cli' })
  }
  await knex('api_keys').update({ created_at: knex.fn.now() })
  await knex('api_keys').where('name', 'key 1').update({ last_used_at: knex.fn.now() })
  for (const by of ['created_at', 'name', 'last_used_at'] as const) {
    for (const descending of [false, true]) {
      const seen: ApiKey[] = []
      let after: Position | undefined
      do {
        const page = await listApiKeys(knex, { limit: 2, sorting: { by, descending }, after, wantsTotal: true })
        t.true(page.apiKeys.length <= 2)
        t.is(page.total, 5)
        seen.push(...page.apiKeys)
        after = page.next
      } while (after)
      t.is(new Set(seen.map(({ id }) => id)).size, 5, by)
      t.is(seen.length, 5, by)
      const [first, last] = [seen[0], seen.at(-1)]
      if (by === 'name') t.deepEqual([first?.name, last?.name], descending ? ['key 2', 'key 0'] : ['key 0', 'key 2'])
      if (by === 'last_used_at') t.deepEqual([first?.name, last?.lastUsedAt], ['key 1', null], 'never used stands last')
    }
  }
})

test('lists of keys tell the revoked and the expired from the rest', async (t) => {
  const { knex } = await testDatabase(t)
  for (const name of ['good', 'revoked', 'expired', 'both', 'later']) {
    const expiresAt = name === 'later' ? new Date(Date.now() + 60_000) : null
    const { apiKey } = await createApiKey(knex, { name, scopes: ['users:read'], expiresAt, actor: 'cli' })
    if (['revoked', 'both'].includes(name)) await revokeApiKey(knex, { apiKeyId: apiKey.id, actor: 'cli' })
  }
  await knex('api_keys')
    .whereIn('name', ['expired', 'both'])
    .update({ expires_at: knex.raw(`now() - interval '1 second'`) })
  const names = async (filter: ApiKeyFilter) =>
    (await listApiKeys(knex, { ...ALL, filter })).apiKeys.map(({ name }) => name)
  t.deepEqual(await names({}), ['good', 'revoked', 'expired', 'both', 'later'])
  t.deepEqual(await names({ revoked: true }), ['revoked', 'both'])
  t.deepEqual(await names({ revoked: false }), ['good', 'expired', 'later'])
  t.deepEqual(await names({ expired: true }), ['expired', 'both'])
  t.deepEqual(await names({ revoked: false, expired: false }), ['good', 'later'])
})

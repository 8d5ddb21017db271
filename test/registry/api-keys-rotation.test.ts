import test, { type ExecutionContext } from 'ava'
import type { Knex } from 'knex'
import { digestSecret } from '../../src/lib/secret.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { presentApiKey } from '../../src/registry/api-keys/present.ts'
import { findApiKey, findApiKeyById } from '../../src/registry/api-keys/queries.ts'
import { revokeApiKey } from '../../src/registry/api-keys/revoke.ts'
import { rotateApiKey } from '../../src/registry/api-keys/rotate.ts'
import { updateApiKey } from '../../src/registry/api-keys/update.ts'
import { RegistryError } from '../../src/registry/registry-error.ts'
import { testDatabase } from '../support/database.ts'
import { events } from './people.ts'

const actor = 'cli'

async function made(knex: Knex, expiresAt: Date | null = null) {
  const { apiKey, value } = await createApiKey(knex, { name: 'CI', scopes: ['users:read'], expiresAt, actor })
  return { id: apiKey.id, value, apiKey }
}

async function refusal(t: ExecutionContext, work: Promise<unknown>): Promise<string> {
  const error = await t.throwsAsync(work, { instanceOf: RegistryError })
  return `${error?.code} ${error?.field}`
}

const ago = (knex: Knex, time: string) => knex.raw(`now() - interval '${time}'`)

test('a rotated key opens by its new value, and by the old one until the overlap ends', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const { id, value: old } = await made(knex)
  const before = Date.now()
  const { apiKey, value } = await rotateApiKey(knex, { apiKeyId: id, overlapSeconds: 600, actor: 'usr_test' })
  t.not(value, old)
  t.is(apiKey.hint, value.slice(-4))
  t.is(apiKey.version, 2)
  t.is(apiKey.previous?.hint, old.slice(-4))
  const left = (apiKey.previous?.expiresAt.getTime() ?? 0) - before
  t.true(left > 590_000 && left < 610_000, `${left} ms`)
  for (const good of [old, value]) t.is((await findApiKey(pool, good))?.id, id)

  const [row] = await knex('api_keys').select()
  t.deepEqual([row.digest, row.previous_digest], [digestSecret(value), digestSecret(old)])
  const everything = JSON.stringify([row, await events(knex), presentApiKey(apiKey)])
  t.false(everything.includes(value) || everything.includes(old))
  const [event] = await events(knex, 'api_key.rotated')
  t.like(event, { subject: id, actor: 'usr_test', data: { overlap_seconds: 600 } })

  await knex('api_keys').update({ previous_until: ago(knex, '1 second') })
  t.is(await findApiKey(pool, old), undefined)
  t.truthy(await findApiKey(pool, value))
  t.is((await findApiKeyById(knex, id))?.previous, null)
})

test('without an overlap the value in use ends at once', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const { id, value: old } = await made(knex)
  const { apiKey, value } = await rotateApiKey(knex, { apiKeyId: id, overlapSeconds: 0, actor })
  t.is(await findApiKey(pool, old), undefined)
  t.truthy(await findApiKey(pool, value))
  t.is(apiKey.previous, null)
  t.truthy((await rotateApiKey(knex, { apiKeyId: id, overlapSeconds: 0, actor })).value)
})

test('of rotations at once one wins, and none while an overlap runs', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const { id, value: old } = await made(knex)
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => rotateApiKey(knex, { apiKeyId: id, actor })))
  const won = outcomes.filter((outcome) => outcome.status === 'fulfilled')
  t.is(won.length, 1)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') t.like(outcome.reason, { code: 'conflict', field: 'overlap_seconds' })
  }
  for (const value of [old, won[0]?.value.value ?? '']) t.truthy(await findApiKey(pool, value))
  t.is((await events(knex, 'api_key.rotated')).length, 1)
  t.is(await refusal(t, rotateApiKey(knex, { apiKeyId: id, overlapSeconds: 0, actor })), 'conflict overlap_seconds')

  await knex('api_keys').update({ previous_until: ago(knex, '1 second') })
  const next = await rotateApiKey(knex, { apiKeyId: id, actor })
  t.is(await findApiKey(pool, old), undefined, 'what was over does not come back')
  for (const value of [next.value, won[0]?.value.value ?? '']) t.truthy(await findApiKey(pool, value))
})

test('revocation and the end of a key end both values', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const [revoked, expired] = [await made(knex), await made(knex, new Date(Date.now() + 60_000))]
  const values = []
  for (const { id, value } of [revoked, expired]) {
    values.push(value, (await rotateApiKey(knex, { apiKeyId: id, actor })).value)
  }
  for (const value of values) t.truthy(await findApiKey(pool, value))
  await revokeApiKey(knex, { apiKeyId: revoked.id, actor })
  await knex('api_keys')
    .where({ id: expired.id })
    .update({ expires_at: ago(knex, '1 second') })
  for (const value of values) t.is(await findApiKey(pool, value), undefined)
  t.is((await findApiKeyById(knex, revoked.id))?.previous, null)

  for (const [{ id }, field] of [
    [revoked, 'revoked_at'],
    [expired, 'expires_at'],
  ] as const) {
    t.is(await refusal(t, rotateApiKey(knex, { apiKeyId: id, overlapSeconds: 0, actor })), `conflict ${field}`)
    t.is(await refusal(t, updateApiKey(knex, { apiKeyId: id, changes: { name: 'y' }, actor })), `conflict ${field}`)
  }
})

test('overlaps beyond a week, and keys that are not there, are refused', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const { id, value } = await made(knex)
  for (const overlapSeconds of [-1, 0.5, 604_801, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.is(await refusal(t, rotateApiKey(knex, { apiKeyId: id, overlapSeconds, actor })), 'invalid overlap_seconds')
  }
  for (const apiKeyId of ['\0', `apk_${'a'.repeat(26)}`, id.toUpperCase()]) {
    t.is(await refusal(t, rotateApiKey(knex, { apiKeyId, actor })), 'not_found undefined')
    t.is(await refusal(t, updateApiKey(knex, { apiKeyId, changes: {}, actor })), 'not_found undefined')
  }
  t.truthy(await findApiKey(pool, value))
  t.is((await findApiKeyById(knex, id))?.version, 1)
})

test('a key is renamed and gets other scopes, at once, and knows who made it', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const { id, value, apiKey } = await made(knex)
  t.is(apiKey.createdBy, actor)
  const changes = { name: ' Deploy ', scopes: ['clients:read', 'users:write'] }
  const changed = await updateApiKey(knex, { apiKeyId: id, changes, ifVersion: 1, actor: 'usr_test' })
  t.like(changed, { name: 'Deploy', version: 2, createdBy: actor })
  t.deepEqual((await findApiKey(pool, value))?.scopes, ['users:write', 'clients:read'])
  t.true(changed.updatedAt > apiKey.updatedAt)
  t.like((await events(knex, 'api_key.updated'))[0], { subject: id, data: { fields: ['name', 'scopes'] } })

  const same = await updateApiKey(knex, { apiKeyId: id, changes: { ...changes }, actor })
  t.deepEqual([same.version, (await events(knex, 'api_key.updated')).length], [2, 1], 'the same again writes nothing')
  const stale = (work: (ifVersion: number) => Promise<unknown>) => refusal(t, work(1))
  t.is(await stale((ifVersion) => updateApiKey(knex, { apiKeyId: id, changes, ifVersion, actor })), 'conflict version')
  t.is(await stale((ifVersion) => rotateApiKey(knex, { apiKeyId: id, ifVersion, actor })), 'conflict version')
  t.is(await stale((ifVersion) => revokeApiKey(knex, { apiKeyId: id, ifVersion, actor })), 'conflict version')
  const bad = [{ name: '' }, { scopes: [] }, { scopes: ['everything'] }]
  for (const each of bad) {
    t.regex(await refusal(t, updateApiKey(knex, { apiKeyId: id, changes: each, actor })), /^invalid (name|scopes)$/)
  }
})

test('being used is no change', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const { id, value, apiKey } = await made(knex)
  await findApiKey(pool, value)
  const used = await findApiKeyById(knex, id)
  t.true(used?.lastUsedAt instanceof Date)
  t.deepEqual([used?.version, used?.updatedAt], [apiKey.version, apiKey.updatedAt])
})

test('a guard judges a key as it is and as it would be, and its no undoes the change', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const { id, value } = await made(knex)
  const seen: string[][] = []
  const guard = (apiKey: { scopes: string[] }) => {
    seen.push(apiKey.scopes)
    if (apiKey.scopes.includes('keys:write')) throw new Error('more than the caller has')
  }
  const more = { scopes: ['users:read', 'keys:write'] }
  await t.throwsAsync(updateApiKey(knex, { apiKeyId: id, changes: more, actor, guard }), { message: /more than/ })
  t.deepEqual(seen, [['users:read'], ['users:read', 'keys:write']])
  t.deepEqual((await findApiKey(pool, value))?.scopes, ['users:read'])

  await updateApiKey(knex, { apiKeyId: id, changes: more, actor })
  await t.throwsAsync(rotateApiKey(knex, { apiKeyId: id, actor, guard }), { message: /more than/ })
  await t.throwsAsync(revokeApiKey(knex, { apiKeyId: id, actor, guard }), { message: /more than/ })
  t.truthy(await findApiKey(pool, value))
  t.deepEqual(await events(knex, 'api_key.rotated'), [])
})

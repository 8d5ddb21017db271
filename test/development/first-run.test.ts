/** The demo data: what is made once, found again, and completed, whatever becomes of the data directory. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { loadConfig } from '../../src/config/load.ts'
import { prepareFirstRun } from '../../src/development/first-run.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { findApiKey } from '../../src/registry/api-keys/queries.ts'
import { updateApiKey } from '../../src/registry/api-keys/update.ts'
import { findClient } from '../../src/registry/clients/queries.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { ensureManagementResource } from '../../src/registry/resources/built-in.ts'
import { findResource } from '../../src/registry/resources/queries.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { rotateWebhookSecret } from '../../src/registry/webhooks/rotate-secret.ts'
import { updateWebhook } from '../../src/registry/webhooks/update.ts'
import { listWebhooks } from '../../src/registry/webhooks/queries.ts'
import { testDatabase } from '../support/database.ts'

const masterKeys = parseMasterKeys(newMasterKey())

/** Starts as often as wanted on one database and one data directory. */
async function installation(t: ExecutionContext) {
  const db = await testDatabase(t)
  const directory = mkdtempSync(join(tmpdir(), 'first-run-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'first-run.json')
  const environment = { DATA_DIR: directory, DATABASE_URL: db.url }
  await ensureManagementResource(db.knex, loadConfig(environment).issuer)
  return {
    db,
    file,
    read: () => JSON.parse(readFileSync(file, 'utf8')) as { demo: { webhook?: { id: string } } },
    start: (port = 4000, more: Record<string, string> = {}) =>
      prepareFirstRun({ config: loadConfig({ ...environment, ...more }), db }, masterKeys, `http://localhost:${port}`),
    webhooks: async () => {
      const sorting = { by: 'created_at', descending: false }
      return (await listWebhooks(db.knex, { limit: 100, sorting })).webhooks
    },
  }
}

test('the first start makes a webhook, the next one finds it; its secret stands in no file', async (t) => {
  const { start, webhooks, read, file } = await installation(t)
  const [first, second] = await Promise.all([start(), start()])
  t.regex(first.webhookSecret ?? '', /^whsec_/)
  t.deepEqual(second, first)
  t.deepEqual(await start(), first)
  const [webhook, ...others] = await webhooks()
  t.deepEqual(others, [])
  t.like(webhook, { url: 'http://localhost:4000/webhooks/grantry', owner: 'cli', state: 'active', version: 1 })
  t.true(webhook?.events.includes('consent.*'))
  t.deepEqual(read().demo.webhook, { id: webhook?.id })
  t.false(readFileSync(file, 'utf8').includes('whsec_'))
  t.is(statSync(file).mode & 0o777, 0o600)
})

test('a data directory of an earlier release gets one, and one whose file is gone finds it again', async (t) => {
  const { start, webhooks, read, file } = await installation(t)
  const first = await start()
  const { webhook: _, ...demo } = read().demo
  writeFileSync(file, JSON.stringify({ ...read(), demo }))
  t.deepEqual(await start(), first)
  rmSync(file)
  t.is((await start()).webhookSecret, first.webhookSecret)
  t.is((await webhooks()).length, 1)
})

test('it follows the demo to another port, with a secret that was changed, and is active again', async (t) => {
  const { start, webhooks, db } = await installation(t)
  await start()
  const [{ id: webhookId } = { id: '' }] = await webhooks()
  await updateWebhook(db.knex, { allowPrivate: true }, { webhookId, changes: { state: 'paused' }, actor: 'test' })
  const { secret } = await rotateWebhookSecret(db.knex, { masterKeys }, { webhookId, actor: 'test' })
  t.is((await start(4001)).webhookSecret, secret)
  const [webhook, ...others] = await webhooks()
  t.deepEqual(others, [])
  t.like(webhook, { id: webhookId, url: 'http://localhost:4001/webhooks/grantry', state: 'active' })
})

test('where webhooks may not lead to this machine there is none, and everything else is there', async (t) => {
  const { start, webhooks } = await installation(t)
  const { firstRun, webhookSecret } = await start(4000, { WEBHOOK_ALLOW_PRIVATE: 'off' })
  t.is(webhookSecret, undefined)
  t.is(firstRun.demo.webhook, undefined)
  t.regex(firstRun.apiKey, /./)
  t.deepEqual(await webhooks(), [])
})

const API = 'http://localhost:4000'

test('what an earlier release made is completed: redirect URIs, origins, scopes; what others added stays', async (t) => {
  const { start, db } = await installation(t)
  const { firstRun } = await start()
  const { spa, service } = firstRun.demo.clients
  const earlier = { redirectUris: [`${API}/callback`, `${API}/mine`], postLogoutRedirectUris: [], allowedOrigins: [] }
  await updateClient(db.knex, spa.client_id, { ...earlier, name: 'Mine', access: [] }, { actor: 'test' })
  const described = { description: 'For a test', descriptionDe: 'Für einen Test' }
  const scopes = [
    { name: 'orders:read', ...described },
    { name: 'mine', ...described },
  ]
  await updateResource(db.knex, API, { scopes, tokenClaims: ['roles'] }, { actor: 'test' })

  t.deepEqual((await start()).firstRun, firstRun)
  t.like(await findClient(db.knex, spa.client_id), {
    name: 'Mine',
    redirectUris: [`${API}/callback`, `${API}/mine`, `${API}/api/docs/callback`],
    postLogoutRedirectUris: [`${API}/`],
    allowedOrigins: [API],
  })
  for (const id of [spa.client_id, service.client_id]) {
    t.deepEqual((await findClient(db.knex, id))?.access[0]?.scopes, ['orders:read', 'orders:write'])
  }
  const resource = await findResource(db.knex, API)
  t.deepEqual(resource?.scopes.map(({ name }) => name).toSorted(), ['mine', 'orders:read', 'orders:write'])
  t.deepEqual(resource?.tokenClaims.toSorted(), ['acr', 'auth_time', 'roles'])

  const versions = async () =>
    [await findResource(db.knex, API), await findClient(db.knex, spa.client_id)].map((found) => found?.version)
  const before = await versions()
  await start()
  t.deepEqual(await versions(), before, 'who lacks nothing is left alone')
})

test('the first API key keeps up with the scopes there are, unless somebody narrowed it', async (t) => {
  const { start, db, file, read } = await installation(t)
  await start()
  const earlier = await createApiKey(db.knex, { name: 'First run', scopes: ['users:read'], actor: 'first-run' })
  writeFileSync(file, JSON.stringify({ ...read(), apiKey: earlier.value }))
  const scopesAfterStart = async () => {
    await start()
    return (await findApiKey(db.pool, earlier.value))?.scopes.toSorted()
  }
  t.deepEqual(await scopesAfterStart(), [...managementScopes].toSorted())
  const changes = { scopes: ['keys:read'] }
  await updateApiKey(db.knex, { apiKeyId: earlier.apiKey.id, changes, actor: 'test' })
  t.deepEqual(await scopesAfterStart(), ['keys:read'])
})

/** The webhook by which the demo is told of events: one, whatever becomes of the data directory. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { loadConfig } from '../../src/config/load.ts'
import { prepareFirstRun } from '../../src/development/first-run.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { ensureManagementResource } from '../../src/registry/resources/built-in.ts'
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

import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { Webhook as Verifier } from 'standardwebhooks'
import { openEventFeed } from '../../src/events/feed.ts'
import { startOrdering } from '../../src/events/order.ts'
import { appendEvent } from '../../src/events/outbox.ts'
import { startWebhooks, type DispatcherOptions } from '../../src/events/webhooks/dispatcher.ts'
import { nextAttemptSeconds, RETRY_SECONDS } from '../../src/events/webhooks/schedule.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { createStrangers } from '../../src/outbound/stranger.ts'
import { createWebhook, type NewWebhook } from '../../src/registry/webhooks/create.ts'
import { findWebhook } from '../../src/registry/webhooks/queries.ts'
import { rotateWebhookSecret } from '../../src/registry/webhooks/rotate-secret.ts'
import { updateWebhook } from '../../src/registry/webhooks/update.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

const log = createLogger({ level: 'silent' })
const masterKeys = parseMasterKeys(newMasterKey())
const EVERYTHING = new Set(['events:read', 'users:read', 'clients:read', 'webhooks:read'])
const actor = 'apk_test'

interface Received {
  headers: IncomingHttpHeaders
  body: string
  payload: { type: string; data: { id: string; subject: string } }
}

/** A receiver that answers as it is told, by the number of the request. */
async function receiver(t: ExecutionContext, answer: (n: number, res: ServerResponse) => void = (_, res) => res.end()) {
  const received: Received[] = []
  const server = createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req.setEncoding('utf8')) body += String(chunk)
    received.push({ headers: req.headers, body, payload: JSON.parse(body) as Received['payload'] })
    answer(received.length, res)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  return { url, received, subjects: () => received.map(({ payload }) => payload.data.subject) }
}

async function dispatching(t: ExecutionContext, db: TestDatabase, options: Partial<DispatcherOptions> = {}) {
  const ordering = await startOrdering({ db, log })
  const feed = await openEventFeed({ db, log })
  const strangers = createStrangers({ allowPrivate: true }, { connections: 64 })
  const rightsOf = () => Promise.resolve(EVERYTHING)
  const webhooks = await startWebhooks({ db, feed, masterKeys, strangers, rightsOf, log, timeoutMs: 2000, ...options })
  t.teardown(async () => {
    await strangers.close()
    await webhooks.stop()
    await ordering.stop()
    await feed.close()
  })
}

const subscribe = (db: TestDatabase, given: Partial<NewWebhook> & { url: string }) =>
  createWebhook(db.knex, { masterKeys, allowPrivate: true }, { events: ['user.*'], actor, ...given })

const write = (db: TestDatabase, subject: string, type: 'user.updated' | 'client.updated' = 'user.updated') =>
  appendEvent(db.knex, { type, subject, data: { fields: [] } })

/** Looks until it holds, 15 s at most. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; !(await holds());) {
    if (Date.now() > end) throw new Error('it never came to hold')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('an event that was subscribed to arrives, and standardwebhooks verifies its signature', async (t) => {
  const db = await testDatabase(t)
  const { url, received, subjects } = await receiver(t)
  await dispatching(t, db)
  await write(db, 'before the webhook was')
  await until(async () => !(await db.knex('events').whereNull('position').first()))
  const { secret } = await subscribe(db, { url, legacyHeaders: true })
  await write(db, 'other', 'client.updated')
  await write(db, 'one')
  await until(() => received.length > 0)
  const { headers, body } = received[0]!
  t.notThrows(() => new Verifier(secret).verify(body, headers as Record<string, string>))
  t.throws(() => new Verifier(secret).verify(`${body} `, headers as Record<string, string>))
  t.is(headers['x-webhook-signature'], `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`)
  t.is(headers['x-webhook-id'], headers['webhook-id'])
  await write(db, 'two')
  await until(() => received.length > 1)
  t.deepEqual(subjects(), ['one', 'two'])
})

test('a delivery that fails is tried again with the same id, until it is taken', async (t) => {
  const db = await testDatabase(t)
  const { url, received } = await receiver(t, (n, res) =>
    res.writeHead(n < 3 ? 500 : 204).end(n < 3 ? 'not \0 now' : ''),
  )
  const { webhook } = await subscribe(db, { url })
  await dispatching(t, db, { schedule: [0, 0, 0] })
  await write(db, 'stubborn')
  await until(() => received.length === 3)
  t.is(new Set(received.map(({ headers }) => headers['webhook-id'])).size, 1)
  await until(async () => (await findWebhook(db.knex, webhook.id))?.lastDeliveredAt !== null)
  const attempts = await db.knex('webhook_attempts').orderBy('number').select('number', 'status', 'answer')
  t.deepEqual(attempts, [
    { number: 1, status: 500, answer: 'not · now' },
    { number: 2, status: 500, answer: 'not · now' },
    { number: 3, status: 204, answer: '' },
  ])
  t.is((await findWebhook(db.knex, webhook.id))?.failures, 0)
})

test('a webhook whose delivery fails at every attempt is paused, its owner told, and goes on where it stood', async (t) => {
  const db = await testDatabase(t)
  let works = false
  const { url, received, subjects } = await receiver(t, (_, res) => res.writeHead(works ? 200 : 503).end())
  const { webhook } = await subscribe(db, { url })
  await dispatching(t, db, { schedule: [0] })
  await write(db, 'lost on nobody')
  await until(async () => (await findWebhook(db.knex, webhook.id))?.state === 'paused')
  t.truthy(await db.knex('events').where({ type: 'webhook.paused', subject: webhook.id }).first())
  await write(db, 'meanwhile')
  works = true
  const failed = received.length
  await updateWebhook(db.knex, { allowPrivate: true }, { webhookId: webhook.id, changes: { state: 'active' }, actor })
  await write(db, 'afterwards')
  await until(() => received.length === failed + 2)
  t.deepEqual(subjects().slice(failed), ['meanwhile', 'afterwards'])
})

test('410 ends a webhook', async (t) => {
  const db = await testDatabase(t)
  const { url } = await receiver(t, (_, res) => res.writeHead(410).end())
  const { webhook } = await subscribe(db, { url })
  await dispatching(t, db)
  await write(db, 'anything')
  await until(async () => (await findWebhook(db.knex, webhook.id))?.state === 'disabled')
  t.truthy(await db.knex('events').where({ type: 'webhook.disabled', subject: webhook.id }).first())
})

test('a webhook sees what its owner may see, and dies with the rights of its owner', async (t) => {
  const db = await testDatabase(t)
  const { url, received, subjects } = await receiver(t)
  const { webhook } = await subscribe(db, { url, events: ['*'] })
  let rights: ReadonlySet<string> | undefined = new Set(['events:read', 'clients:read'])
  await dispatching(t, db, { rightsOf: () => Promise.resolve(rights) })
  await write(db, 'a user')
  await write(db, 'a client', 'client.updated')
  await until(() => received.length === 1)
  t.deepEqual(subjects(), ['a client'])
  rights = undefined
  await write(db, 'another client', 'client.updated')
  await until(async () => (await findWebhook(db.knex, webhook.id))?.state === 'disabled')
  t.is(received.length, 1)
})

test('while a rotation overlaps, both secrets verify; after it, or at once if wished, only the new one', async (t) => {
  const db = await testDatabase(t)
  const { url, received } = await receiver(t)
  const { webhook, secret: old } = await subscribe(db, { url })
  await dispatching(t, db)
  const verifies = (secret: string, { body, headers }: Received) => {
    try {
      new Verifier(secret).verify(body, headers as Record<string, string>)
      return true
    } catch {
      return false
    }
  }
  const rotation = { webhookId: webhook.id, actor }
  const { secret: fresh } = await rotateWebhookSecret(db.knex, { masterKeys }, rotation)
  await t.throwsAsync(rotateWebhookSecret(db.knex, { masterKeys }, rotation), { message: /still valid/ })
  await write(db, 'one')
  await until(() => received.length === 1)
  t.deepEqual([verifies(old, received[0]!), verifies(fresh, received[0]!)], [true, true])
  const { secret: last } = await rotateWebhookSecret(db.knex, { masterKeys }, { ...rotation, overlapSeconds: 0 })
  await write(db, 'two')
  await until(() => received.length === 2)
  t.deepEqual(
    [old, fresh, last].map((secret) => verifies(secret, received[1]!)),
    [false, false, true],
  )
})

test('one that hangs delays no other, and two instances deliver each event once', async (t) => {
  const db = await testDatabase(t, { poolMax: 10 })
  const hanging = await receiver(t, () => undefined)
  const quick = await receiver(t)
  await subscribe(db, { url: hanging.url })
  await subscribe(db, { url: quick.url })
  await dispatching(t, db)
  await dispatching(t, db)
  await Promise.all(Array.from({ length: 100 }, (_, n) => write(db, String(n))))
  await until(() => quick.received.length >= 100)
  t.is(new Set(quick.subjects()).size, 100)
  t.is(quick.received.length, 100)
})

test('the schedule takes a little more than three days, and a receiver that names a time is not asked before', (t) => {
  const middle = { random: () => 0.5, now: () => Date.parse('2026-01-01T00:00:00Z') }
  const total = RETRY_SECONDS.reduce((sum, seconds) => sum + seconds)
  t.true(total > 3 * 86_400 && total < 3.5 * 86_400)
  t.is(nextAttemptSeconds({ attempts: 1 }, middle), 5)
  t.is(nextAttemptSeconds({ attempts: 1, retryAfter: '120' }, middle), 120)
  t.is(nextAttemptSeconds({ attempts: 1, retryAfter: 'Thu, 01 Jan 2026 00:01:00 GMT' }, middle), 60)
  t.is(nextAttemptSeconds({ attempts: 1, retryAfter: '999999999' }, middle), 86_400)
  t.is(nextAttemptSeconds({ attempts: 1, retryAfter: 'soon' }, middle), 5)
  t.is(nextAttemptSeconds({ attempts: RETRY_SECONDS.length + 1 }, middle), undefined)
})

import test from 'ava'
import { Webhook as Verifier } from 'standardwebhooks'
import { parseMasterKeys, newMasterKey } from '../../src/lib/master-key.ts'
import { rewrapKeys } from '../../src/keys/rewrap.ts'
import { createWebhook } from '../../src/registry/webhooks/create.ts'
import { rotateWebhookSecret } from '../../src/registry/webhooks/rotate-secret.ts'
import { startAuthServer } from '../support/auth-server.ts'
import { testDatabaseUrl } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { buildClient, buildUser } from '../support/registry.ts'
import { redeem, refresh, Visitor } from '../support/visitor.ts'
import { startReceiver } from '../support/webhook-receiver.ts'

test('a new master key takes over while the old one still opens, and then without it', async (t) => {
  const environment = { PORT: String(await freePort()), DATABASE_URL: await testDatabaseUrl(t) }
  const [old, fresh] = [newMasterKey(), newMasterKey()]

  const before = await startAuthServer(t, { ...environment, MASTER_KEY: old })
  const person = await buildUser(before.db)
  const client = await buildClient(before.db, { access: [] })
  const visitor = new Visitor(before.issuer)
  const tokens = (await redeem(before.issuer, client, await visitor.authorize(client, person))).body
  const elsewhere = new Visitor(before.issuer)
  await elsewhere.signIn(await elsewhere.open('/account'), person)
  const account = await visitor.open('/account')
  const waiting = new Visitor(before.issuer)
  const loginPage = await waiting.open(waiting.request_uri(client).url)
  const dependencies = { masterKeys: parseMasterKeys(old), allowPrivate: true }
  const receiver = await startReceiver(t)
  const { url } = receiver
  const { webhook, secret: oldSecret } = await createWebhook(before.db.knex, dependencies, {
    url,
    events: ['user.*'],
    actor: 'cli',
  })
  const rotation = { webhookId: webhook.id, actor: 'cli' }
  const { secret: newSecret } = await rotateWebhookSecret(before.db.knex, dependencies, rotation)
  const { keys: published } = (await (await fetch(`${before.issuer}/jwks`)).json()) as { keys: { kid: string }[] }
  await before.close()

  const during = await startAuthServer(t, { ...environment, MASTER_KEY: `${fresh},${old}` })
  t.deepEqual(((await (await fetch(`${during.issuer}/jwks`)).json()) as { keys: unknown[] }).keys, published)
  t.is(new URL((await visitor.open('/account')).url).pathname, '/account', 'the cookie is still good')
  const others = await visitor.submit(account, '/account/sessions/end-others')
  t.is(new URL(others.url).searchParams.get('notice'), 'others-ended', 'a form from before is still good')
  const consent = await waiting.signIn(loginPage, person)
  t.true(consent.url.startsWith(client.redirect_uri), 'an interaction from before goes on')
  const second = await refresh(during.issuer, client, tokens.refresh_token)
  t.is(second.status, 200)
  t.deepEqual(await rewrapKeys(during.db, parseMasterKeys(`${fresh},${old}`)), {
    keys: published.length,
    webhooks: 1,
    canary: true,
  })
  await during.close()

  const after = await startAuthServer(t, { ...environment, MASTER_KEY: fresh })
  t.is((await refresh(after.issuer, client, second.body.refresh_token)).status, 200)
  t.deepEqual(((await (await fetch(`${after.issuer}/jwks`)).json()) as { keys: unknown[] }).keys, published)
  await buildUser(after.db)
  const { body, headers } = await receiver.first()
  for (const secret of [newSecret, oldSecret])
    t.like(new Verifier(secret).verify(body, headers), { type: 'user.created' })
})

test('a server with another master key does not start, and says which is wanted', async (t) => {
  const environment = { DATABASE_URL: await testDatabaseUrl(t) }
  const first = await startAuthServer(t, { ...environment, MASTER_KEY: newMasterKey() })
  await first.close()
  const error = await t.throwsAsync(startAuthServer(t, { ...environment, MASTER_KEY: newMasterKey() }))
  t.regex(error.message, /sealed with master key [0-9a-f]{8}/)
  t.false(error.message.includes('\n'))
})

/** Every flow is run, every secret that it issued is remembered, and then nothing may be found of any of them: in database, log, metrics, traces. */
import test from 'ava'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { rotateSecret } from '../../src/registry/clients/rotate-secret.ts'
import { createWebhook } from '../../src/registry/webhooks/create.ts'
import { rotateWebhookSecret } from '../../src/registry/webhooks/rotate-secret.ts'
import { parseMasterKeys } from '../../src/lib/master-key.ts'
import { startAuthServer } from '../support/auth-server.ts'
import { approve, askForCode, buildDeviceClient, poll } from '../support/device.ts'
import { freePort } from '../support/free-port.ts'
import { API, buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'
import { startTraceCollector } from '../support/trace-collector.ts'
import { startReceiver } from '../support/webhook-receiver.ts'

/** Keeps every cookie value, and every hidden address, that this browser was ever given. */
class RememberingVisitor extends Visitor {
  readonly seen = new Set<string>()

  override async request(target: string, init: RequestInit = {}): Promise<Response> {
    const response = await super.request(target, init)
    for (const [name, { value }] of this.cookies) if (!name.endsWith('.sig')) this.seen.add(value)
    const uid = /\/(?:interaction|authorize|device)\/([\w-]{20,})/.exec(
      `${target} ${response.headers.get('location')}`,
    )?.[1]
    if (uid) this.seen.add(uid)
    return response
  }
}

test('no code, token, session or interaction id, secret or password is in the database or the log', async (t) => {
  const masterKey = Buffer.from('a master key of thirty-two bytes').toString('base64url')
  const collector = await startTraceCollector(t)
  const metricsPort = String(await freePort())
  const settings = {
    MASTER_KEY: masterKey,
    LOG_LEVEL: 'trace',
    TOKEN_EVENTS: 'each',
    METRICS_PORT: metricsPort,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20key%20of%20the%20collector',
  }
  const { issuer, db, logs } = await startAuthServer(t, settings)
  const receiver = await startReceiver(t)
  const sealing = { masterKeys: parseMasterKeys(masterKey), allowPrivate: true }
  const webhook = await createWebhook(db.knex, sealing, {
    url: receiver.url,
    events: ['*'],
    legacyHeaders: true,
    actor: 'cli',
  })
  const webhookId = webhook.webhook.id
  const renewed = await rotateWebhookSecret(db.knex, sealing, { webhookId, actor: 'cli' })
  await buildResource(db)
  const opaque = await buildResource(db, { audience: 'https://opaque.example.com', tokenFormat: 'opaque' })
  const person = await buildUser(db)
  const password = 'nine green herons waltz'
  const web = await buildClient(db)
  const spa = await buildClient(db, { kind: 'spa' })
  const native = await buildClient(db, { kind: 'native', redirectUris: ['com.example.app:/callback'] })
  const service = await buildClient(db, { kind: 'service', access: [{ resource: opaque.id, scopes: ['orders:read'] }] })
  const rotated = await rotateSecret(db.knex, { clientId: web.client_id, overlapSeconds: 60, actor: 'test' })
  const key = await createApiKey(db.knex, { name: 'canary', scopes: ['users:read'], actor: 'test' })

  const secrets: (string | undefined)[] = [
    masterKey,
    'a key of the collector',
    person.password,
    password,
    web.client_secret,
    service.client_secret,
    rotated.secret,
    key.value,
    webhook.secret,
    renewed.secret,
  ]
  const visitor = new RememberingVisitor(issuer)
  for (const client of [web, spa, native]) {
    const options = {
      scope: 'openid profile orders:read',
      resource: API,
      parameters: { nonce: `nonce-${client.client_id}` },
    }
    const answer = await visitor.authorize(client, person, options)
    const first = await redeem(issuer, client, answer)
    t.is(first.status, 200)
    const second = await refresh(issuer, client, first.body.refresh_token)
    t.is(second.status, 200)
    await refresh(issuer, client, 'a-refresh-token-that-never-was')
    secrets.push(answer.code, answer.verifier)
    for (const { body } of [first, second]) secrets.push(body.access_token, body.refresh_token, body.id_token)
  }
  const userinfo = (await redeem(issuer, web, await visitor.authorize(web, person))).body
  await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${userinfo.access_token}` } })
  const machine = await token(issuer, service, { grant_type: 'client_credentials' })
  secrets.push(userinfo.access_token, userinfo.refresh_token, machine.body.access_token)
  await token(issuer, { ...web, client_secret: 'a wrong client secret' }, { grant_type: 'client_credentials' })

  const television = await buildDeviceClient(db)
  const [approved, waiting] = [await askForCode(issuer, television), await askForCode(issuer, television)]
  await poll(issuer, television, waiting.body.device_code)
  await visitor.open(waiting.body.verification_uri_complete)
  await approve(visitor, person, approved.body.user_code)
  const onDevice = await poll(issuer, television, approved.body.device_code)
  t.is(onDevice.status, 200)
  secrets.push(onDevice.body.access_token, onDevice.body.refresh_token)
  for (const { body } of [approved, waiting]) {
    secrets.push(body.device_code, body.user_code, body.user_code.replace('-', ''))
  }

  const account = await visitor.open('/account')
  const fields = { current_password: person.password, new_password: password, repeat_password: password }
  await visitor.submit(account, '/account/password', fields)
  const stranger = new RememberingVisitor(issuer)
  await stranger.signIn(await stranger.open('/account'), {
    username: person.username,
    password: 'a wrong password, typed',
  })
  secrets.push(
    'a wrong password, typed',
    'a wrong client secret',
    'a-refresh-token-that-never-was',
    ...visitor.seen,
    ...stranger.seen,
  )

  await fetch(`${issuer}/revoke`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${service.client_id}:${service.client_secret}`)}` },
    body: new URLSearchParams({ token: machine.body.access_token! }),
  })
  await receiver.first(({ body }) => body.includes('token.revoked'))
  await receiver.first(({ body }) => body.includes('token.issued'))

  const known = [...new Set(secrets.filter((secret) => secret !== undefined))]
  t.true(known.length > 40, `only ${known.length} secrets were seen`)
  const dump = await dumpDatabase(db.knex)
  for (const table of ['events', 'webhook_deliveries', 'webhook_attempts']) {
    t.regex(dump, new RegExp(`^${table}\\n\\(`, 'm'), `there is something in ${table}`)
  }
  const log = JSON.stringify(logs)
  const sent = JSON.stringify(receiver.all)
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  await collector.until((spans) => spans.some(({ name }) => name === 'POST /revoke'))
  const traces = JSON.stringify(collector.spans)
  t.true(dump.includes(web.client_id) && log.includes('/token'), 'there is something to search in')
  t.true(metrics.includes('route="/token"') && traces.includes('POST /token'), 'there is something to search in')
  for (const secret of known) {
    for (const [place, text] of [
      ['database', dump],
      ['log', log],
      ['deliveries', sent],
      ['metrics', metrics],
      ['traces', traces],
    ] as const) {
      for (const form of formsOf(secret)) t.false(text.includes(form), `${secret} is in the ${place}`)
    }
  }
})

/** As it is, and as another encoding would show it. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const base64 = bytes.toString('base64').replace(/=+$/, '')
  const raw = Buffer.from(secret, 'base64url')
  const decoded = /^[\w-]{43}$/.test(secret) ? [raw.toString('hex'), raw.toString('base64').replace(/=+$/, '')] : []
  return [secret, bytes.toString('hex'), base64, bytes.toString('base64url'), encodeURIComponent(secret), ...decoded]
}

async function dumpDatabase(knex: import('knex').Knex): Promise<string> {
  const tables = await knex('pg_tables').where({ schemaname: 'public' }).pluck<string[]>('tablename')
  const parts = await Promise.all(
    tables.map(async (table) => {
      const { rows } = await knex.raw<{ rows: { row: string }[] }>('select ??::text as row from ??', [table, table])
      return `${table}\n${rows.map(({ row }) => row).join('\n')}`
    }),
  )
  return parts.join('\n')
}

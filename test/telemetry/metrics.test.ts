/** What Prometheus is told, on one server. */
import test from 'ava'
import { parseMasterKeys } from '../../src/lib/master-key.ts'
import { createWebhook } from '../../src/registry/webhooks/create.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { freePort } from '../support/free-port.ts'
import { API, buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'
import { startReceiver } from '../support/webhook-receiver.ts'

const MASTER_KEY = Buffer.alloc(32, 5).toString('base64url')

const endings: (() => unknown)[] = []
const hooks = { teardown: (end: () => unknown) => void endings.unshift(end) }
let server: TestServer
let metricsUrl: string

test.before(async () => {
  const port = await freePort()
  metricsUrl = `http://127.0.0.1:${port}`
  const limits = { RATE_LIMIT_REGISTRATION: 'sliding-window;q=1;w=60' }
  server = await startAuthServer(hooks, { MASTER_KEY, METRICS_PORT: String(port), ...limits })
  await buildResource(server.db)
})

test.after.always(async () => {
  for (const end of endings) await end()
})

/** `name{labels}` → value. */
async function scrape(): Promise<Map<string, number>> {
  const response = await fetch(`${metricsUrl}/metrics`)
  const lines = (await response.text()).split('\n').filter((line) => line && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

/** The sum over all series of a metric that have these labels. */
function sum(metrics: Map<string, number>, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  return [...metrics]
    .filter(([series]) => series.replace(/\{.*/, '') === name && wanted.every((label) => series.includes(label)))
    .reduce((total, [, value]) => total + value, 0)
}

test.serial('requests are counted by route template, method and status, and timed', async (t) => {
  const { issuer } = server
  const before = await scrape()
  await fetch(`${issuer}/jwks`)
  await fetch(`${issuer}/api/v1/users/usr_1`, { headers: { 'x-api-key': 'wrong' } })
  await new Visitor(issuer).open('/account')
  const after = await scrape()
  const grown = (name: string, labels: Record<string, string>) => sum(after, name, labels) - sum(before, name, labels)
  t.is(grown('grantry_http_requests_total', { route: '/jwks', method: 'GET', status: '200' }), 1)
  const lookedUp = { route: '/api/v1/users/{user_id}', method: 'GET' }
  t.is(grown('grantry_http_requests_total', { ...lookedUp, status: '401' }), 1)
  t.is(grown('grantry_http_request_duration_seconds_count', lookedUp), 1)
  t.true(grown('grantry_http_requests_total', { route: '/account' }) >= 1)
  t.is(grown('grantry_http_requests_total', { route: '/interaction/{uid}', status: '200' }), 1)
  t.is(sum(after, 'grantry_http_requests_in_flight'), 0)
})

test.serial('the token endpoint is counted by grant type and outcome', async (t) => {
  const { issuer, db } = server
  const person = await buildUser(db)
  const web = await buildClient(db)
  const service = await buildClient(db, { kind: 'service' })
  const before = await scrape()
  const visitor = new Visitor(issuer)
  const first = await redeem(
    issuer,
    web,
    await visitor.authorize(web, person, { scope: 'openid orders:read', resource: API }),
  )
  t.is(first.status, 200)
  await refresh(issuer, web, 'a-refresh-token-that-never-was')
  await token(issuer, service, { grant_type: 'client_credentials' })
  await token(issuer, { ...service, client_secret: 'wrong' }, { grant_type: 'client_credentials' })
  await token(issuer, service, { grant_type: 'urn:made-up:1' })
  await fetch(`${issuer}/token`, { method: 'POST', body: 'no form', headers: { 'content-type': 'text/plain' } })
  const after = await scrape()
  const name = 'grantry_token_requests_total'
  const grown = (grant_type: string, outcome: string) =>
    sum(after, name, { grant_type, outcome }) - sum(before, name, { grant_type, outcome })
  t.is(grown('authorization_code', 'success'), 1)
  t.is(grown('refresh_token', 'invalid_grant'), 1)
  t.is(grown('client_credentials', 'success'), 1)
  t.is(grown('client_credentials', 'invalid_client'), 1)
  t.is(grown('other', 'unsupported_grant_type') + grown('other', 'unauthorized_client'), 1)
  t.is(grown('none', 'invalid_request'), 1)
})

test.serial('made-up paths, ids, methods, grant types and scopes make no series of their own', async (t) => {
  const { issuer, db } = server
  const service = await buildClient(db, { kind: 'service' })
  const scan = async (name: string) => {
    const paths = [
      name,
      `api/v1/users/${name}`,
      `api/v1/${name}`,
      `interaction/${name}`,
      `authorize/${name}`,
      `device/${name}`,
    ]
    const hidden = [
      `assets/${name}`,
      `account/${name}`,
      `token/${name}`,
      `.well-known/${name}`,
      `api/v${name.length}/x`,
    ]
    for (const path of [...paths, ...hidden]) {
      await (await fetch(`${issuer}/${path}`, { redirect: 'manual' })).arrayBuffer()
      await (await fetch(`${issuer}/${path}`, { method: 'PROPFIND', redirect: 'manual' })).arrayBuffer()
    }
    await token(issuer, service, { grant_type: name })
    await token(issuer, { ...service, client_id: name }, { grant_type: 'client_credentials', scope: name })
  }
  await scan('first')
  await scrape()
  const before = [...(await scrape()).keys()]
  for (let round = 0; round < 12; round += 1) await scan(`made-up-${round}-${'x'.repeat(round)}`)
  const after = [...(await scrape()).keys()]
  t.deepEqual(
    // A kind of garbage collection has a series from its first time on.
    after.filter((series) => !before.includes(series) && !series.startsWith('nodejs_gc_')),
    [],
  )
  t.false(after.some((series) => series.includes('made-up')))
})

test.serial(
  'what waits, how old keys are, how large tables are and what is refused stands among the metrics',
  async (t) => {
    const { issuer } = server
    for (let round = 0; round < 3; round += 1) await fetch(`${issuer}/register`, { method: 'POST', body: '{}' })
    const metrics = await scrape()
    t.true(sum(metrics, 'grantry_rate_limited_total', { policy: 'registration' }) >= 2)
    t.is(sum(metrics, 'grantry_database_up'), 1)
    for (const queue of ['events', 'webhook_deliveries', 'logout_notices']) {
      t.true(metrics.has(`grantry_queue_length{queue="${queue}"}`), queue)
      t.true(metrics.has(`grantry_queue_overdue_seconds{queue="${queue}"}`), queue)
    }
    t.true(metrics.has('grantry_signing_key_age_seconds{alg="RS256",state="current"}'))
    const turnOver = sum(metrics, 'grantry_signing_key_turnover_seconds', { alg: 'ES256' })
    t.true(turnOver > 0 && turnOver <= 2_592_000, String(turnOver))
    t.true(sum(metrics, 'grantry_table_bytes', { table: 'users' }) > 0)
    t.true(metrics.has('grantry_table_rows{table="refresh_tokens"}'))
    t.true(sum(metrics, 'grantry_database_connections', { state: 'idle' }) > 0)
    t.true(sum(metrics, 'grantry_database_wait_seconds_count') > 0)
    t.true(sum(metrics, 'grantry_requests_limit') > 0)
    for (const name of [
      'nodejs_eventloop_lag_p99_seconds',
      'grantry_event_loop_active_seconds_total',
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'grantry_signing_keys_stale_seconds',
      'grantry_sweep_leader',
    ]) {
      t.true(metrics.has(name), name)
    }
    t.is(sum(metrics, 'grantry_build_info', { version: '0.1.0' }), 1)
  },
)

test.serial(
  'the listener answers GET of metrics and health and nothing else; the public port tells no metrics',
  async (t) => {
    const status = async (path: string, method = 'GET') => (await fetch(`${metricsUrl}${path}`, { method })).status
    t.is(await status('/metrics?name[]=x'), 200)
    t.is(await status('/metrics', 'HEAD'), 200)
    t.is(await status('/health/live'), 200)
    for (const path of ['/health/live', '/health/ready']) {
      const [own, open] = await Promise.all([metricsUrl, server.issuer].map((url) => fetch(`${url}${path}`)))
      t.deepEqual(await own!.json(), await open!.json())
    }
    t.is(await status('/metrics', 'POST'), 405)
    for (const path of ['/', '/token', '/jwks', '/metrics/', '/api/v1/users', '/.well-known/openid-configuration']) {
      t.is(await status(path), 404, path)
    }
    t.is((await fetch(`${server.issuer}/metrics`)).status, 404)
  },
)

test.serial('a request line names its route', async (t) => {
  const { issuer, logs } = server
  const response = await fetch(`${issuer}/api/v1/clients/cli_of_nobody`)
  const line = logs.find(({ msg, trace_id }) => msg === 'request' && trace_id === response.headers.get('x-request-id'))
  t.like(line, { route: '/api/v1/clients/{client_id}', path: '/api/v1/clients/cli_of_nobody', status: 401 })
})

test.serial('requests to webhooks are counted by what came of them, and not by whom they went to', async (t) => {
  const receiver = await startReceiver(t)
  const sealing = { masterKeys: parseMasterKeys(MASTER_KEY), allowPrivate: true }
  await createWebhook(server.db.knex, sealing, { url: receiver.url, events: ['client.created'], actor: 'cli' })
  await buildClient(server.db)
  await receiver.first()
  const series = 'grantry_outbound_request_duration_seconds_count{kind="webhook delivery",result="2xx"}'
  let metrics = await scrape()
  for (let round = 0; round < 50 && !metrics.has(series); round += 1) metrics = await scrape()
  t.is(metrics.get(series), 1)
  t.false([...metrics.keys()].some((name) => name.includes(new URL(receiver.url).port)))
})

/** What a collector of traces is told, on one server. */
import test from 'ava'
import { createWebhook } from '../../src/registry/webhooks/create.ts'
import { parseMasterKeys } from '../../src/lib/master-key.ts'
import { buildClient, buildResource, buildUser, API } from '../support/registry.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { LOOPBACK_REDIRECT, startDocumentHost } from '../support/document-host.ts'
import { startTraceCollector, type CollectedSpan, type TraceCollector } from '../support/trace-collector.ts'
import { redeem, Visitor } from '../support/visitor.ts'
import { startReceiver } from '../support/webhook-receiver.ts'

const MASTER_KEY = Buffer.alloc(32, 3).toString('base64url')
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

const endings: (() => unknown)[] = []
const hooks = { teardown: (end: () => unknown) => void endings.unshift(end) }
let collector: TraceCollector
let server: TestServer

test.before(async () => {
  collector = await startTraceCollector(hooks)
  server = await startAuthServer(hooks, {
    MASTER_KEY,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=one',
    OTEL_SERVICE_NAME: 'sign-in',
  })
  await buildResource(server.db)
})

test.after.always(async () => {
  for (const end of endings) await end()
})

/** All spans of a trace, once the request's own, which ends last, is there. */
async function traceOf(traceId: string): Promise<{ root: CollectedSpan; parts: CollectedSpan[] }> {
  const isRoot = (span: CollectedSpan) => span.traceId === traceId && span.kind === 2
  await collector.until((spans) => spans.some(isRoot))
  const all = collector.spans.filter((span) => span.traceId === traceId)
  return { root: all.find(isRoot)!, parts: all.filter((span) => !isRoot(span)) }
}

async function ask(path: string, headers: Record<string, string>): Promise<{ response: Response; body: string }> {
  const response = await fetch(`${server.issuer}${path}`, { headers })
  return { response, body: await response.text() }
}

test.serial('a caller’s trace goes on: in spans, log lines, problem documents and the answer', async (t) => {
  const headers = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'vendor=opaque' }
  const { response, body } = await ask('/api/v1/users/usr_1?x=1', headers)
  const { root, parts } = await traceOf(TRACE)
  t.is(response.headers.get('x-request-id'), TRACE)
  t.is((JSON.parse(body) as { trace_id: string }).trace_id, TRACE)
  const lines = server.logs.filter(({ trace_id }) => trace_id === TRACE)
  t.true(lines.some(({ msg }) => msg === 'request') && lines.length >= 2)
  t.like(root, { parentSpanId: SPAN, name: 'GET /api/v1/users/{user_id}', traceState: 'vendor=opaque', failed: false })
  t.like(root.attributes, {
    'http.request.method': 'GET',
    'http.route': '/api/v1/users/{user_id}',
    'http.response.status_code': 401,
  })
  t.like(root.resource, { 'service.name': 'sign-in', 'service.version': '0.1.0' })
  t.true(collector.raw.every((sent) => (JSON.parse(sent) as { headers: Record<string, string> }).headers['x-tenant'] === 'one')) // prettier-ignore
  t.true(parts.every(({ parentSpanId }) => parentSpanId === root.spanId))
})

test.serial('statements are parts of the request that made them, under their names', async (t) => {
  const two = [await buildClient(server.db, { kind: 'service' }), await buildClient(server.db, { kind: 'service' })]
  const clients = Array.from({ length: 24 }, (_, index) => two[index % 2]!)
  // More at once than there are connections: whoever waits for one must not end up in another's trace.
  const ids = await Promise.all(
    clients.map(async (client, index) => {
      const traceparent = `00-${String(index + 1).padStart(32, 'a')}-${SPAN}-01`
      const form = new URLSearchParams({ grant_type: 'client_credentials' })
      const authorization = `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`
      const init = { method: 'POST', body: form, headers: { authorization, traceparent } }
      const response = await fetch(`${server.issuer}/token`, init)
      t.is(response.status, 200)
      return { traceId: response.headers.get('x-request-id')!, clientId: client.client_id }
    }),
  )
  const names: string[] = []
  for (const { traceId, clientId } of ids) {
    const { root, parts } = await traceOf(traceId)
    t.is(root.name, 'POST /token')
    t.like(root.attributes, {
      'grantry.grant_type': 'client_credentials',
      'grantry.outcome': 'success',
      'grantry.client_id': clientId,
    })
    const statements = parts.filter(({ attributes }) => attributes['db.system.name'] === 'postgresql')
    t.true(statements.every(({ kind, parentSpanId }) => kind === 3 && parentSpanId === root.spanId))
    names.push(...statements.map(({ name }) => name))
  }
  // Requests of one moment share statements; each is part of one of them, and of one only.
  const counted = (start: string) => names.filter((name) => name.startsWith(start)).length
  t.true(counted('rate-limit-') >= 1 && counted('rate-limit-') <= ids.length)
  t.true(counted('find_active_client') >= two.length && counted('find_active_client') <= ids.length)
})

test.serial('a sign-in shows the hash of the password as a part, and nothing of the person', async (t) => {
  const person = await buildUser(server.db)
  const web = await buildClient(server.db)
  const visitor = new Visitor(server.issuer)
  await redeem(server.issuer, web, await visitor.authorize(web, person, { scope: 'openid orders:read', resource: API }))
  await collector.until((spans) => spans.some(({ name, attributes }) => name === 'POST /token' && attributes['grantry.grant_type'] === 'authorization_code')) // prettier-ignore
  const hash = collector.spans.find(({ name }) => name === 'argon2 verify')
  const { root } = await traceOf(hash!.traceId)
  t.is(root.name, 'POST /interaction/{uid}/login')
  t.is(hash!.parentSpanId, root.spanId)
  const { rows } = await server.db.pool.query<{ id: string }>('select id from users where username = $1', [
    person.username,
  ])
  for (const personal of [person.username, person.password, rows[0]!.id]) {
    t.false(JSON.stringify(collector.spans).includes(personal), personal)
  }
})

test.serial('a malformed traceparent is passed over: the request has a trace of its own', async (t) => {
  const malformed = [
    '',
    'nonsense',
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${'c'.repeat(32)}-${'0'.repeat(16)}-01`,
    `ff-${'c'.repeat(32)}-${SPAN}-01`,
    `00-${'C'.repeat(32)}-${SPAN}-01`,
    `00-${'c'.repeat(32)}-${SPAN}-01-more`,
    `00-${'c'.repeat(32)}-${SPAN}`,
    `00-${'c'.repeat(32)}-${SPAN}-zz`,
  ]
  // All at once: spans are sent once a second.
  const check = async (traceparent: string) => {
    const { response } = await ask('/jwks', { traceparent, tracestate: 'a=b' })
    const traceId = response.headers.get('x-request-id')!
    t.regex(traceId, /^[0-9a-f]{32}$/)
    t.not(traceId, 'c'.repeat(32), traceparent)
    const { root } = await traceOf(traceId)
    t.like(root, { parentSpanId: '', traceState: '' }, traceparent)
  }
  await Promise.all(malformed.map(check))
})

test.serial('a caller that does not sample leaves no span, and yet has its trace id everywhere', async (t) => {
  const silent = 'd'.repeat(32)
  const { response } = await ask('/jwks', { traceparent: `00-${silent}-${SPAN}-00` })
  t.is(response.headers.get('x-request-id'), silent)
  const loud = 'e'.repeat(32)
  await ask('/jwks', { traceparent: `00-${loud}-${SPAN}-01` })
  await traceOf(loud)
  t.false(collector.spans.some(({ traceId }) => traceId === silent))
})

test.serial('a webhook is told the trace of its delivery', async (t) => {
  const receiver = await startReceiver(t)
  const sealing = { masterKeys: parseMasterKeys(MASTER_KEY), allowPrivate: true }
  await createWebhook(server.db.knex, sealing, { url: receiver.url, events: ['client.created'], actor: 'cli' })
  await buildClient(server.db)
  const { headers } = await receiver.first(({ body }) => body.includes('client.created'))
  const [, traceId, spanId] = /^00-(\w{32})-(\w{16})-01$/.exec(String(headers.traceparent)) ?? []
  await collector.until((spans) => spans.some((span) => span.spanId === spanId))
  const span = collector.spans.find((one) => one.spanId === spanId)
  t.like(span, { traceId, name: 'webhook delivery', kind: 3, failed: false, parentSpanId: '' })
  t.like(span!.attributes, { 'http.response.status_code': 200 })
  t.false(JSON.stringify(span).includes(new URL(receiver.url).host))
})

test.serial('a host that a client has chosen is told of no trace', async (t) => {
  const host = await startDocumentHost()
  t.teardown(() => host.close())
  const client = { client_id: host.document('/app.json'), client_secret: undefined, redirect_uri: LOOPBACK_REDIRECT }
  const visitor = new Visitor(server.issuer)
  await visitor.open(visitor.request_uri(client, { scope: 'openid' }).url)
  const [request] = host.requests('/app.json')
  t.is(request!.headers.traceparent, undefined)
  await collector.until((spans) => spans.some(({ name }) => name === 'client document'))
  const span = collector.spans.find(({ name }) => name === 'client document')!
  t.is((await traceOf(span.traceId)).root.name, 'GET /authorize')
  t.false(JSON.stringify(span).includes(host.origin))
})

test.serial('a request that fails is a span that failed', async (t) => {
  const { pool } = server.db
  t.teardown(() => delete (pool as Partial<typeof pool>).query)
  pool.query = () => Promise.reject(new Error('gone')) as never
  const { response } = await ask('/health/ready', {})
  t.is(response.status, 503)
  const { root } = await traceOf(response.headers.get('x-request-id')!)
  t.like(root, { name: 'GET /health/ready', failed: true })
})

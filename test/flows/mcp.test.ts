/** MCP authorization (revision 2026-07-28): the official client signs in at the demo's MCP server with nothing registered before. */
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import test from 'ava'
import { decodeJwt } from 'jose'
import { startDemo } from '../../src/demo/server.ts'
import { registryId } from '../../src/registry/clients/metadata-url.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { loopbackCertificate } from '../support/certificate.ts'
import { emptyDatabaseUrl } from '../support/database.ts'
import { fileScope } from '../support/demo.ts'
import { startDocumentHost, type DocumentHost } from '../support/document-host.ts'
import { chromium, testInChromium } from '../support/chromium.ts'
import { createAssistant, Memory } from '../support/mcp-client.ts'
import { buildResource, buildUser } from '../support/registry.ts'
import { refresh } from '../support/visitor.ts'

const REDIRECT = 'http://127.0.0.1:41234/callback'
const scope = fileScope()
let server: TestServer
let host: DocumentHost
/** The URL of the MCP server: all that an assistant is told. */
let mcp: string

test.before(async () => {
  server = await startAuthServer(scope)
  const demo = await startDemo(
    {
      listen: { host: '127.0.0.1', port: 0 },
      url: undefined,
      issuer: server.issuer,
      database: { url: await emptyDatabaseUrl(scope), dataDirectory: '' },
      clientId: undefined,
      webhookSecret: undefined,
      origins: ['https://inspector.example.com'],
      rateLimit: 'off',
      log: { level: 'silent' },
    },
    { log: createLogger({ level: 'silent' }) },
  )
  scope.teardown(() => demo.close())
  mcp = `${demo.url}/mcp`
  await buildResource(server.db, { audience: mcp, selfRegisteredScopes: ['orders:read', 'orders:write'] })

  // The client asks for https, on this machine too; the server trusts the certificate as it would any other.
  const tls = loopbackCertificate()
  setDefaultCACertificates([...getCACertificates('default'), tls.cert])
  host = await startDocumentHost(tls)
  scope.teardown(() => host.close())
})
test.after.always(() => scope.end())

const WAYS: [name: string, memory: () => Memory, isOf: (clientId: string) => boolean][] = [
  [
    'by its metadata document',
    () => new Memory(REDIRECT, host.document('/assistant.json', { redirect_uris: ['http://127.0.0.1/callback'] })),
    (clientId) => clientId === `${host.origin}/assistant.json`,
  ],
  ['by dynamic registration', () => new Memory(REDIRECT), (clientId) => clientId.startsWith('cli_')],
]
for (const [name, newMemory, isOf] of WAYS) {
  test(`a client that is known ${name} signs a person in, reads, and asks for more when it needs more`, async (t) => {
    const person = await buildUser(server.db)
    const memory = newMemory()
    const assistant = createAssistant(mcp, { issuer: server.issuer, person, memory })
    await assistant.connect()
    t.teardown(() => assistant.client.close())
    t.deepEqual((await assistant.client.listTools()).tools.map((tool) => tool.name).toSorted(), [
      'list_orders',
      'place_order',
    ])

    const { orders } = (await assistant.call('list_orders')) as { orders: { item: string }[] }
    t.is(orders.length, 2, 'the samples of somebody who has just arrived')
    const first = decodeJwt(memory.kept?.access_token ?? '')
    t.true(isOf(String(first.client_id)))
    t.like(first, { aud: mcp, sub: person.id, scope: 'orders:read' })
    t.truthy(memory.kept?.refresh_token)

    const { order } = (await assistant.call('place_order', { item: 'Tea', amount_cents: 450 })) as {
      order: { item: string }
    }
    t.is(order.item, 'Tea')
    t.is(memory.asked.length, 2)
    const scopesOf = (text = '') =>
      text
        .split(' ')
        .filter((name) => name.startsWith('orders:'))
        .toSorted()
    t.deepEqual(
      memory.asked.map(scopesOf),
      [['orders:read'], ['orders:read', 'orders:write']],
      'the union, not more at first',
    )
    t.deepEqual(scopesOf(memory.kept?.scope), ['orders:read', 'orders:write'])
    t.is(((await assistant.call('list_orders')) as { orders: unknown[] }).orders.length, 3)

    const clientId = String(memory.information?.client_id)
    const client = { client_id: clientId, client_secret: undefined }
    const old = memory.kept?.refresh_token
    const renewed = await refresh(server.issuer, { ...client, redirect_uri: REDIRECT }, old, { resource: mcp })
    t.is(renewed.status, 200)
    t.not(renewed.body.refresh_token, old)

    await server.db
      .knex('clients')
      .where({ id: registryId(clientId) })
      .update({ disabled_at: new Date() })
    const gone = await refresh(server.issuer, { ...client, redirect_uri: REDIRECT }, renewed.body.refresh_token)
    t.is(gone.status, 401)
    t.is(gone.body.error, 'invalid_client')
  })
}

testInChromium(
  'in a browser the person sees whose document it is, where they are sent, and that it is their own machine',
  async (t) => {
    const person = await buildUser(server.db)
    const url = host.document('/seen.json', { client_name: 'Seen assistant' })
    const context = await (await chromium(t)).newContext()
    t.teardown(() => context.close())
    const shown: string[] = []
    const browse = async (from: URL) => {
      const page = await context.newPage()
      await page.route(`${REDIRECT}*`, (route) => route.fulfill({ body: 'back' }))
      await page.goto(from.href)
      if (await page.locator('[name=password]').count()) {
        await page.fill('[name=login]', person.username)
        await page.fill('[name=password]', person.password)
        await page.locator('form:has([name=password]) [type=submit]').first().click()
      }
      await page.locator('[value=allow]').waitFor()
      shown.push(await page.locator('main').innerText())
      await page.locator('[value=allow]').click()
      await page.waitForURL(`${REDIRECT}*`)
      return new URL(page.url()).searchParams
    }
    const memory = new Memory(REDIRECT, url)
    const assistant = createAssistant(mcp, { issuer: server.issuer, person, memory, browse })
    await assistant.connect()
    t.teardown(() => assistant.client.close())
    await assistant.call('place_order', { item: 'Tea', amount_cents: 450 })
    t.is(shown.length, 2, 'asked for each')
    for (const words of ['Seen assistant', new URL(url).host, '127.0.0.1:41234'])
      t.true(shown[0]?.includes(words), words)
    t.regex(shown[0] ?? '', /device|computer|machine/i)
  },
)

test('whoever comes without a token learns where to get one, for this server alone (RFC 9728)', async (t) => {
  const response = await post({})
  t.is(response.status, 401)
  const metadata = new URL(mcp).origin + '/.well-known/oauth-protected-resource/mcp'
  t.is(response.headers.get('www-authenticate'), `Bearer resource_metadata="${metadata}", scope="orders:read"`)
  const document = (await (await fetch(metadata)).json()) as Record<string, unknown>
  t.like(document, { resource: mcp, scopes_supported: ['orders:read'], bearer_methods_supported: ['header'] })
  t.deepEqual(document.authorization_servers, [server.issuer])
  const other = (await (await fetch(metadata.replace(/\/mcp$/, ''))).json()) as Record<string, unknown>
  t.is(other.resource, new URL(mcp).origin, 'the orders API is another resource')
})

const CALL = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }

function post(headers: Record<string, string>, body: unknown = CALL): Promise<Response> {
  return fetch(mcp, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

async function tokenOf(memory = new Memory(REDIRECT)): Promise<string> {
  const assistant = createAssistant(mcp, { issuer: server.issuer, person: await buildUser(server.db), memory })
  await assistant.connect()
  await assistant.client.close()
  return memory.kept?.access_token ?? ''
}

test('a page of a strange origin is refused, a configured one and programs are not', async (t) => {
  const authorization = `Bearer ${await tokenOf()}`
  for (const [headers, status] of [
    [{ origin: 'https://rebound.example.com' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'https://inspector.example.com' }, 200],
    [{}, 200],
  ] as const) {
    t.is((await post({ authorization, ...headers })).status, status, JSON.stringify(headers))
  }
})

test('the token opens this server alone, and a body has an end', async (t) => {
  const authorization = `Bearer ${await tokenOf()}`
  const orders = await fetch(`${new URL(mcp).origin}/api/v2/users/me/orders`, { headers: { authorization } })
  t.is(orders.status, 401)
  t.is((await post({ authorization }, 'x'.repeat(70_000))).status, 413)
  t.is(
    (await fetch(mcp, { headers: { authorization, accept: 'text/event-stream' } })).status,
    405,
    'no stream without a request',
  )
  t.is(
    (await fetch(`${mcp}?access_token=${authorization.slice(7)}`, { method: 'POST' })).status,
    401,
    'not in the query',
  )
})

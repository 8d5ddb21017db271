/** Clients that nobody registered: their client_id is the URL of a document that describes them. */
import test from 'ava'
import { decodeJwt } from 'jose'
import { disableClient } from '../../src/registry/clients/disable.ts'
import { registryId } from '../../src/registry/clients/metadata-url.ts'
import { createClientDocuments, type ClientDocumentsOptions } from '../../src/oidc/client-documents/client-documents.ts'
import { DocumentError } from '../../src/oidc/client-documents/document.ts'
import { createStrangers } from '../../src/outbound/stranger.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { LOOPBACK_REDIRECT, startDocumentHost, type DocumentHost } from '../support/document-host.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { refresh, textOf, token, Visitor } from '../support/visitor.ts'

const stops: (() => unknown)[] = []
let server: TestServer
let issuer: string
let host: DocumentHost

test.before(async () => {
  const file: Teardown = { teardown: (stop) => void stops.push(stop) }
  // Fetches are counted by who causes them: each visitor here comes from an address of their own.
  server = await startAuthServer(file, { TRUST_PROXY: '1' })
  issuer = server.issuer
  host = await startDocumentHost()
  stops.push(() => host.close())
  await buildResource(server.db, { selfRegisteredScopes: ['orders:read'] })
  await buildResource(server.db, { audience: 'https://closed.example.com', name: 'Closed' })
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

let visitors = 0

class DistantVisitor extends Visitor {
  readonly address: string
  constructor(address = `203.0.113.${(visitors += 1)}`) {
    super(issuer)
    this.address = address
  }

  override request(target: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('x-forwarded-for', this.address)
    return super.request(target, { ...init, headers })
  }
}

const clientAt = (url: string, redirectUri = LOOPBACK_REDIRECT): TestClient => ({
  client_id: url,
  client_secret: undefined,
  redirect_uri: redirectUri,
})
const WANTED = { scope: 'orders:read offline_access', resource: API }

/** What an authorization request of this client comes to, when it is refused on a page. */
async function refusal(client: TestClient, options: Record<string, unknown> = {}, visitor = new DistantVisitor()) {
  const page = await visitor.open(visitor.request_uri(client, { ...WANTED, ...options }).url)
  return { status: page.status, url: page.url, text: textOf(page.html) }
}

/** As if the time for which the document is fresh, and the pause after a failure, were over. */
const later = (url: string, changes: Record<string, unknown> = {}) =>
  server.db
    .knex('client_documents')
    .where({ url })
    .update({ fresh_until: '-infinity', failed_until: '-infinity', ...changes })

async function signIn(client: TestClient, redirectUri?: string) {
  const person = await buildUser(server.db)
  const visitor = new DistantVisitor()
  const options: typeof WANTED & { redirect_uri?: string } = {
    ...WANTED,
    ...(redirectUri ? { redirect_uri: redirectUri } : {}),
  }
  const answer = await visitor.authorize(client, person, options)
  const tokens = await token(issuer, client, {
    grant_type: 'authorization_code',
    code: answer.code,
    redirect_uri: options.redirect_uri ?? client.redirect_uri,
    code_verifier: answer.verifier,
    resource: API,
  })
  return { person, visitor, answer, tokens }
}

test('a client signs a person in by its document alone: any loopback port, its URL in the token, refresh tokens that rotate', async (t) => {
  const url = host.document('/notes.json', { grant_types: ['authorization_code'], scope: 'users:write' })
  const client = clientAt(url)
  const { answer, tokens, person } = await signIn(client, 'http://127.0.0.1:53682/callback')
  t.is(answer.parameters.get('iss'), issuer)
  t.is(tokens.status, 200)
  t.is(tokens.body.scope, 'orders:read')
  const claims = decodeJwt(tokens.body.access_token ?? '')
  t.like(claims, { client_id: url, sub: person.id, aud: API, scope: 'orders:read' })

  const renewed = await refresh(issuer, client, tokens.body.refresh_token, { resource: API })
  t.is(renewed.status, 200)
  t.not(renewed.body.refresh_token, tokens.body.refresh_token)
  t.is(host.requests('/notes.json').length, 1, 'one fetch for all of it')

  const row = await server.db.knex('clients').where({ metadata_url: url }).first()
  t.like(row, { id: registryId(url), self_registered: true, kind: 'native', token_endpoint_auth_method: 'none' })
  t.deepEqual(row.grant_types, ['authorization_code', 'refresh_token'], 'whatever the document asks for')
})

test('the consent page shows whose document it is and where the answer goes, and warns of this machine', async (t) => {
  const url = host.document('/consent.json')
  const visitor = new DistantVisitor()
  const page = await visitor.open(visitor.request_uri(clientAt(url), WANTED).url)
  const { html } = await visitor.signIn(page, await buildUser(server.db))
  for (const shown of ['Notes assistant', url, '127.0.0.1']) t.true(html.includes(shown), shown)
})

test('discovery says that such clients are taken', async (t) => {
  for (const name of ['openid-configuration', 'oauth-authorization-server']) {
    const response = await fetch(`${issuer}/.well-known/${name}`)
    t.like(await response.json(), { client_id_metadata_document_supported: true })
  }
})

test('what anybody can make us fetch makes no client: the registry has it when a person has allowed it something', async (t) => {
  const url = host.document('/looked-at.json')
  const row = () => server.db.knex('clients').where({ metadata_url: url }).first('id')
  t.is((await refusal(clientAt(url))).status, 200, 'the sign-in page')
  t.is(await row(), undefined)
  await signIn(clientAt(url))
  t.truthy(await row())
})

test('where a token is for is always said (RFC 8707)', async (t) => {
  const client = clientAt(host.document('/nowhere.json'))
  t.regex((await refusal(client, { resource: undefined })).text, /resource is required/)
})

test('its tokens are introspected and revoked like any other; events and the audit log name it by its id in the registry', async (t) => {
  const url = host.document('/ended.json')
  const client = clientAt(url)
  const api = await buildClient(server.db, { kind: 'service', access: [] })
  await server.db
    .knex('resources')
    .where({ audience: API })
    .update({ introspection_clients: [api.client_id] })
  const { tokens, person } = await signIn(client)
  const introspect = async () => {
    const response = await fetch(`${issuer}/introspect`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${api.client_id}:${api.client_secret}`)}` },
      body: new URLSearchParams({ token: tokens.body.access_token ?? '' }),
    })
    return (await response.json()) as Record<string, unknown>
  }
  t.like(await introspect(), { active: true, client_id: url, sub: person.id })
  const body = new URLSearchParams({ token: tokens.body.refresh_token ?? '', client_id: url })
  t.is((await fetch(`${issuer}/revoke`, { method: 'POST', body })).status, 200)
  t.deepEqual(await introspect(), { active: false })
  const id = registryId(url)
  const told = await server.db.knex('events').where({ client_id: id }).orderBy('id').pluck<string[]>('type')
  for (const type of ['client.created', 'consent.granted', 'token.revoked', 'grant.revoked'])
    t.true(told.includes(type), type)
  t.is(await server.db.knex('events').where({ client_id: url }).orWhere({ actor: url }).first(), undefined)
  t.truthy(await server.db.knex('audit_log').where({ actor: id }).first())
})

test('only what is open to all: another scope or another API is refused', async (t) => {
  const client = clientAt(host.document('/narrow.json'))
  for (const [options, error] of [
    [{ scope: 'orders:write' }, 'invalid_scope'],
    [{ resource: 'https://closed.example.com' }, 'invalid_target'],
  ] as const) {
    const { text, url } = await refusal(client, options)
    t.true(url.startsWith(issuer), 'errors stay on a page')
    t.regex(text, new RegExp(error))
  }
})

const LARGE = { client_uri: `https://example.com/${'x'.repeat(5_200)}` }
const BAD_DOCUMENTS: [name: string, put: (path: string) => string, says: RegExp][] = [
  [
    'redirects',
    (path) => host.put(path, { status: 302, headers: { location: host.document('/real.json') } }),
    /redirects/,
  ],
  ['is too large', (path) => host.document(path, LARGE), /larger than 5120 bytes/],
  [
    'lies about its client_id',
    (path) => host.document(path, { client_id: 'https://other.example.com/c.json' }),
    /another client_id/,
  ],
  [
    'asks for client_credentials',
    (path) => host.document(path, { grant_types: ['client_credentials'] }),
    /client_credentials/,
  ],
  ['has a secret', (path) => host.document(path, { client_secret: 'hush' }), /secret/],
  [
    'authenticates by a secret',
    (path) => host.document(path, { token_endpoint_auth_method: 'client_secret_post' }),
    /auth_method none/,
  ],
  ['has no name', (path) => host.document(path, { client_name: undefined }), /client_name/],
  ['has no redirect URI', (path) => host.document(path, { redirect_uris: [] }), /redirect_uris/],
  [
    'sends people to plain http',
    (path) => host.document(path, { redirect_uris: ['http://evil.example.com/cb'] }),
    /must be https/,
  ],
  [
    'has apps for redirect URIs',
    (path) => host.document(path, { redirect_uris: ['com.example.app:/cb'] }),
    /https, or at http on loopback/,
  ],
  ['is no JSON', (path) => host.put(path, { body: '{' }), /not JSON/],
  ['is a list', (path) => host.put(path, { body: [] }), /not a JSON object/],
  ['is served as text', (path) => host.document(path, {}, { 'content-type': 'text/plain' }), /not served as JSON/],
  ['is not there', (path) => host.origin + path, /status 404/],
  ['is on a host that is down', (path) => host.put(path, undefined), /can not be fetched/],
]
for (const [name, put, says] of BAD_DOCUMENTS) {
  test(`a document that ${name} is refused on a page that says so`, async (t) => {
    const url = put(`/bad-${name.replaceAll(' ', '-')}.json`)
    const { status, text, url: shownAt } = await refusal(clientAt(url))
    t.is(status, 400)
    t.true(shownAt.startsWith(issuer))
    t.regex(text, says)
    t.is(await server.db.knex('clients').where({ metadata_url: url }).first(), undefined)
  })
}

test('a document that redirects leads nowhere: what it points to is not fetched', async (t) => {
  const target = host.document('/pointed-to.json')
  await refusal(clientAt(host.put('/pointer.json', { status: 301, headers: { location: target } })))
  t.is(host.requests('/pointed-to.json').length, 0)
})

const BAD_URLS: [url: string, says: RegExp][] = [
  ['https://app.example.com', /path/],
  ['https://app.example.com/', /path/],
  ['https://app.example.com/c.json?v=1', /query/],
  ['https://app.example.com/c.json#me', /fragment/],
  ['https://user:pass@app.example.com/c.json', /credentials/],
  ['https://app.example.com/a/../c.json', /\.\. in its path/],
  ['https://app.example.com/%2e%2E/c.json', /\.\. in its path/],
  ['https://APP.example.com/c.json', /spelled/],
  ['https://app.example.com:443/c.json', /spelled/],
  ['http://app.example.com/c.json', /https/],
  ['https://127.1/c.json', /spelled/],
  ['https://10.0.0.7/c.json', /public address/],
  ['https://[fd00::1]/c.json', /public address/],
  ['https://metadata.internal/c.json', /public host/],
]
for (const [url, says] of BAD_URLS) {
  test(`the client_id ${url} is refused`, async (t) => {
    const { status, text } = await refusal(clientAt(url))
    t.is(status, 400)
    t.regex(text, says)
  })
}

test('a URL of another spelling than the document at it is another client', async (t) => {
  host.document('/spelled.json')
  const url = host.put('/Spelled.json', { body: { client_id: `${host.origin}/spelled.json` } })
  t.regex((await refusal(clientAt(url))).text, /client_name|another client_id/)
})

test('many look-ups at once are one fetch', async (t) => {
  const client = clientAt(host.document('/busy.json'))
  const pages = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const visitor = new DistantVisitor()
      return visitor.open(visitor.request_uri(client, WANTED).url)
    }),
  )
  t.deepEqual([...new Set(pages.map(({ status }) => status))], [200])
  t.is(host.requests('/busy.json').length, 1)
})

test('a failure is remembered for moments only, and mended documents count', async (t) => {
  const url = host.put('/mended.json', { status: 500 })
  const client = clientAt(url)
  t.is((await refusal(client)).status, 400)
  host.document('/mended.json')
  t.regex((await refusal(client)).text, /status 500/)
  t.is(host.requests('/mended.json').length, 1, 'a second look within seconds asks nobody')
  await later(url)
  t.is((await refusal(client)).status, 200)
})

test('what a document says is believed for minutes at least, asked again by its ETag, and then what it says anew', async (t) => {
  const path = '/changing.json'
  const url = host.document(path, {}, { etag: '"one"', 'cache-control': 'max-age=0' })
  const client = clientAt(url)
  t.is((await refusal(client)).status, 200)
  const freshFor = () =>
    server.db.knex('client_documents').where({ url }).first(server.db.knex.raw('fresh_until - now() as left'))
  t.regex(JSON.stringify(await freshFor()), /"minutes":4/)

  const moved = 'http://localhost/elsewhere'
  host.put(path, { status: 304, headers: { 'cache-control': 'max-age=31536000' } })
  await later(url)
  t.is((await refusal(client)).status, 200)
  t.is(host.requests(path).at(-1)?.headers['if-none-match'], '"one"')
  t.regex(JSON.stringify(await freshFor()), /"hours":23/, 'a day at most')

  host.document(path, { redirect_uris: [moved] })
  t.is((await refusal(client)).status, 200, 'still as it was')
  await later(url)
  t.regex((await refusal(client)).text, /redirect_uri/)
  t.is((await refusal(clientAt(url, moved))).status, 200)
})

test('while the host is down what was granted goes on, for days; nobody signs in anew', async (t) => {
  const path = '/down.json'
  const url = host.document(path)
  const client = clientAt(url)
  const { tokens } = await signIn(client)
  host.put(path, undefined)
  await later(url)
  const renewed = await refresh(issuer, client, tokens.body.refresh_token, { resource: API })
  t.is(renewed.status, 200)
  await later(url)
  t.regex((await refusal(client)).text, /can not be fetched/)

  await later(url, { confirmed_at: server.db.knex.raw("now() - interval '8 days'") })
  const tooLate = await refresh(issuer, client, renewed.body.refresh_token, { resource: API })
  t.is(tooLate.status, 401)
  t.is(tooLate.body.error, 'invalid_client')
})

test('a document that its host has taken away ends its client: 401 invalid_client', async (t) => {
  const path = '/gone.json'
  const url = host.document(path)
  const client = clientAt(url)
  const { tokens } = await signIn(client)
  host.put(path, { status: 410 })
  await later(url)
  const refused = await refresh(issuer, client, tokens.body.refresh_token, { resource: API })
  t.is(refused.status, 401)
  t.is(refused.body.error, 'invalid_client')
})

test('an operator can shut such a client out, by its id in the registry', async (t) => {
  const url = host.document('/shut-out.json')
  const client = clientAt(url)
  const { tokens } = await signIn(client)
  await disableClient(server.db.knex, registryId(url), { actor: 'test' })
  t.is((await refresh(issuer, client, tokens.body.refresh_token, { resource: API })).status, 401)
  t.is((await refusal(client)).status, 400)
  t.is((await refusal({ ...client, client_id: registryId(url) })).status, 400, 'and has no second name')
})

/** Another instance on the same database, whose requests go where the test says. */
function instance(strangers: ClientDocumentsOptions['strangers']) {
  return createClientDocuments({ db: server.db, strangers, mayFetch: () => Promise.resolve(true) })
}
const ONE = { address: '203.0.113.1', wants: 'current' } as const

test('two instances that look at once are one fetch, and a failure of one is an answer for both', async (t) => {
  const url = 'https://app.example.com/two.json'
  const asked: string[] = []
  const gate = Promise.withResolvers<void>()
  const instances = ['first', 'second'].map((name) =>
    instance({
      async request() {
        asked.push(name)
        await gate.promise
        const document = { client_id: url, client_name: 'Two', redirect_uris: ['https://app.example.com/cb'] }
        const headers = { 'content-type': 'application/json; charset=utf-8' }
        return { status: 200, headers, body: Buffer.from(JSON.stringify(document)), isCut: false }
      },
    }),
  )
  const looks = instances.map((documents) => documents.find(url, ONE))
  setTimeout(gate.resolve, 150)
  await Promise.all(looks)
  t.is(asked.length, 1)

  const lost = 'https://app.example.com/lost.json'
  const failing = instances.map(() =>
    instance({ request: () => Promise.reject(new Error((asked.push('again'), 'nothing listens there'))) }),
  )
  const ends = await Promise.allSettled(failing.map((documents) => documents.find(lost, ONE)))
  t.deepEqual(
    ends.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  t.is(asked.length, 2)
})

for (const address of ['127.0.0.1', '10.1.2.3', '169.254.169.254', '::1', 'fd12::1', '::ffff:192.168.0.1']) {
  test(`a name that leads to ${address} is not asked, however public it looks`, async (t) => {
    const family = address.includes(':') ? 6 : 4
    const strangers = createStrangers(
      { allowPrivate: false },
      { resolve: (_name, _options, callback) => callback(null, [{ address, family }]) },
    )
    t.teardown(() => strangers.close())
    const url = `https://rebound.example.com/${address.replaceAll(':', '-')}.json`
    const error = await t.throwsAsync(instance(strangers).find(url, ONE), { instanceOf: DocumentError })
    t.regex(error.message, /not public/)
  })
}

test('one caller can make us ask 20 times a minute, and does not use up what others may', async (t) => {
  const at = (number: number) => clientAt(host.origin.replace('localhost', '127.0.0.1') + `/caller-${number}.json`)
  const eager = new DistantVisitor()
  for (let number = 1; number <= 20; number += 1) t.regex((await refusal(at(number), {}, eager)).text, /status 404/)
  t.regex((await refusal(at(21), {}, eager)).text, /too often/)
  t.is(host.requests('/caller-21.json').length, 0)
  t.regex((await refusal(at(21))).text, /status 404/, 'another caller is not held up')
})

test('one host is asked 60 times a minute, whoever makes us', async (t) => {
  const at = (number: number) => clientAt(`http://[::1]:9/host-${number}.json`)
  const texts = await Promise.all(Array.from({ length: 63 }, async (_, number) => (await refusal(at(number))).text))
  t.is(texts.filter((text) => text.includes('too often')).length, 3)
})

test('errors and prompt=none stay on a page of ours', async (t) => {
  const client = clientAt(host.document('/quiet.json'))
  const { url, text } = await refusal(client, { prompt: 'none' })
  t.true(url.startsWith(issuer))
  t.regex(text, /login_required/)
})

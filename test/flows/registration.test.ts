/** Apps that register themselves: by client libraries, by hand, and by those who mean harm. */
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { exportJWK, generateKeyPair, type CryptoKey } from 'jose'
import Koa from 'koa'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { createRegistration, type RegistrationOptions } from '../../src/registration/registration.ts'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { findClient } from '../../src/registry/clients/queries.ts'
import { sweepUnusedClients } from '../../src/registry/clients/unused.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { createRegistrationToken } from '../../src/registry/registration-tokens/create.ts'
import { revokeRegistrationToken } from '../../src/registry/registration-tokens/revoke.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { API, buildResource, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'
import { ask, asksForConsent } from './browsing.ts'

const CLOSED = 'https://closed.example.com'
const LOOPBACK = 'http://127.0.0.1:5432/callback'
const insecure = { [oauth.allowInsecureRequests]: true }

const ends: (() => unknown)[] = []
let server: TestServer

test.before(async () => {
  server = await startAuthServer(
    { teardown: (end) => void ends.unshift(end) },
    { TRUST_PROXY: '1', RATE_LIMIT_REGISTRATION: 'fixed-window;q=60;w=3600' },
  )
  await buildResource(server.db, { selfRegisteredScopes: ['orders:read'] })
  await buildResource(server.db, { audience: CLOSED, name: 'Closed' })
})
test.after.always(async () => {
  for (const end of ends) await end()
})

interface Registered {
  status: number
  headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

async function register(
  metadata: unknown,
  headers: Record<string, string> = {},
  at = server.issuer,
): Promise<Registered> {
  const response = await fetch(`${at}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof metadata === 'string' ? metadata : JSON.stringify(metadata),
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

async function registered(metadata: object): Promise<TestClient> {
  const { status, body } = await register({ redirect_uris: [REDIRECT], ...metadata })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return { client_id: body.client_id, client_secret: body.client_secret, redirect_uri: body.redirect_uris[0] }
}

const PUBLIC = { token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] }

/** The same endpoint with other settings, on the database of the server. */
async function endpoint(t: ExecutionContext, options: Partial<RegistrationOptions>): Promise<string> {
  const app = new Koa()
  app.use(createRegistration({ db: server.db, path: '/register', mode: 'token', mostClients: 1000, ...options }))
  const listener = createServer(app.callback()).listen(0, '127.0.0.1')
  t.teardown(() => listener.close())
  await once(listener, 'listening')
  return `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
}

test('openid-client registers itself and signs a person in', async (t) => {
  const metadata = { redirect_uris: [REDIRECT], client_name: 'Notes', software_id: 'unknown to us' }
  const config = await oidc.dynamicClientRegistration(new URL(server.issuer), metadata, undefined, {
    execute: [oidc.allowInsecureRequests],
  })
  const { client_id, client_secret } = config.clientMetadata() as { client_id: string; client_secret: string }
  t.regex(client_id, /^cli_/)
  const verifier = oidc.randomPKCECodeVerifier()
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: 'openid orders:read',
    resource: API,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const [visitor, person] = [new Visitor(server.issuer), await buildUser(server.db)]
  const asking = await visitor.signIn(await visitor.open(url.href), person)
  t.regex(asking.html, /app\.example\.com/, 'where the browser will be sent is shown')
  const callback = new URL((await visitor.allow(asking)).url)
  t.is(callback.searchParams.get('iss'), server.issuer)
  const tokens = await oidc.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier })
  t.is(tokens.scope, 'orders:read')
  t.is(tokens.claims()?.sub, person.id)

  const client = await findClient(server.db.knex, client_id)
  t.like(client, { kind: 'web', name: 'Notes', selfRegistered: true, firstParty: false })
  const kept = JSON.stringify(await server.db.knex('client_secrets').where({ client_id }))
  t.false(kept.includes(client_secret), 'the secret is kept as a digest')
  const events = await server.db.knex('events').where({ type: 'client.created', subject: client_id })
  t.like(events[0], { actor: client_id, data: { self_registered: true, first_party: false } })
  const entries = await server.db.knex('audit_log').where({ action: 'client.create', subject_id: client_id })
  t.like(entries[0], { channel: 'api' })
})

test('oauth4webapi registers a native app, whose refresh tokens are rotated', async (t) => {
  const as: oauth.AuthorizationServer = await oauth.processDiscoveryResponse(
    new URL(server.issuer),
    await oauth.discoveryRequest(new URL(server.issuer), { ...insecure, algorithm: 'oauth2' }),
  )
  t.is(as.registration_endpoint, `${server.issuer}/register`)
  const { value } = await createRegistrationToken(server.db.knex, { name: 'Once', actor: 'test' })
  const request = await oauth.dynamicClientRegistrationRequest(
    as,
    { ...PUBLIC, redirect_uris: ['http://127.0.0.1/callback'], application_type: 'native', client_name: 'Desk' },
    { ...insecure, initialAccessToken: value },
  )
  const client = await oauth.processDynamicClientRegistrationResponse(request)
  t.is(client.client_secret, undefined)
  t.like(client, { application_type: 'native', token_endpoint_auth_method: 'none' })
  t.is(client.scope as string, 'openid profile email offline_access orders:read')

  const app: TestClient = { client_id: client.client_id, client_secret: undefined, redirect_uri: LOOPBACK }
  const visitor = new Visitor(server.issuer)
  const answer = await visitor.authorize(app, await buildUser(server.db), { scope: 'openid offline_access' })
  const first = await redeem(server.issuer, app, answer)
  const second = await refresh(server.issuer, app, first.body.refresh_token)
  t.is(second.status, 200)
  t.not(second.body.refresh_token, first.body.refresh_token)
})

test('a client with a key of its own registers that, and pushes its requests with it', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwks = { keys: [await exportJWK(publicKey)] }
  const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks, require_pushed_authorization_requests: true }
  const { status, body } = await register({ redirect_uris: [REDIRECT], ...metadata })
  t.is(status, 201)
  t.like(body, { token_endpoint_auth_method: 'private_key_jwt', require_pushed_authorization_requests: true })
  t.is(body.client_secret, undefined)
  const config = await oidc.discovery(
    new URL(server.issuer),
    body.client_id,
    undefined,
    oidc.PrivateKeyJwt(privateKey as CryptoKey),
    { execute: [oidc.allowInsecureRequests] },
  )
  const parameters = {
    redirect_uri: REDIRECT,
    scope: 'openid',
    code_challenge: 'x'.repeat(43),
    code_challenge_method: 'S256',
  }
  t.regex((await oidc.buildAuthorizationUrlWithPAR(config, parameters)).href, /request_uri=/)
  const unpushed = await ask(new Visitor(server.issuer), { ...body, redirect_uri: REDIRECT })
  t.is(unpushed.url.origin, server.issuer, 'and what is wrong stays on a page')

  const secret = { ...jwks.keys[0], d: 'secret' }
  t.is((await register({ redirect_uris: [REDIRECT], ...metadata, jwks: { keys: [secret] } })).status, 400)
})

test('what it gets is code and refresh, whatever it asked for; and the answer says so', async (t) => {
  const { status, body, headers } = await register({
    redirect_uris: [REDIRECT],
    grant_types: [
      'authorization_code',
      'client_credentials',
      'implicit',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
    scope: 'orders:read orders:write users:read openid',
    first_party: true,
    self_registered: false,
    profile: 'fapi2',
    client_id: 'cli_iwouldliketobecalledthis22',
  })
  t.is(status, 201)
  t.is(headers.get('cache-control'), 'no-store')
  t.deepEqual(body.grant_types, ['authorization_code'])
  t.is(body.scope, 'openid orders:read')
  t.not(body.client_id, 'cli_iwouldliketobecalledthis22')
  t.is(body.client_secret_expires_at, 0)
  const client = await findClient(server.db.knex, body.client_id)
  t.like(client, { firstParty: false, selfRegistered: true, profile: 'baseline' })
  const refused = await token(server.issuer, body, { grant_type: 'client_credentials', resource: API })
  t.deepEqual([refused.status, refused.body.error], [400, 'invalid_request'])
  t.regex(refused.body.error_description ?? '', /grant type is not allowed for this client/)
})

test('metadata that can not be registered is refused with the codes of RFC 7591', async (t) => {
  const metadata: [object | string, string][] = [
    [{}, 'invalid_redirect_uri'],
    [{ redirect_uris: [] }, 'invalid_redirect_uri'],
    [{ redirect_uris: 'https://app.example.com/' }, 'invalid_redirect_uri'],
    ...[
      'http://app.example.com/callback',
      'https://app.example.com/#x',
      'https://app.example.com/*',
      'https://user@app.example.com/',
      'javascript:alert(1)',
      'com.example.app:/callback',
      'myapp:/callback',
    ].flatMap((uri): [object, string][] => [
      [{ redirect_uris: [uri] }, 'invalid_redirect_uri'],
      [{ ...PUBLIC, application_type: 'native', redirect_uris: [REDIRECT, uri] }, 'invalid_redirect_uri'],
    ]),
    [{ redirect_uris: Array.from({ length: 11 }, (_, n) => `${REDIRECT}/${n}`) }, 'invalid_redirect_uri'],
    [{ redirect_uris: [REDIRECT], grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], grant_types: ['refresh_token'] }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], response_types: ['code', 'token'] }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], token_endpoint_auth_method: 'client_secret_jwt' }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], token_endpoint_auth_method: 'private_key_jwt' }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], jwks_uri: 'https://app.example.com/jwks' }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], id_token_signed_response_alg: 'none' }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], client_name: 'a\u202Eb' }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], client_name: 'x'.repeat(201) }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], x: 'x'.repeat(17_000) }, 'invalid_client_metadata'],
    ['[]', 'invalid_client_metadata'],
    ['{', 'invalid_client_metadata'],
    ['{"redirect_uris":[],"redirect_uris":["https://app.example.com/"]}', 'invalid_client_metadata'],
  ]
  const mine = { 'x-forwarded-for': '192.0.2.7' }
  const refusals = await Promise.all(metadata.map(([given]) => register(given, mine)))
  for (const [index, { status, body }] of refusals.entries()) {
    const [given, error] = metadata[index] as [object, string]
    const told = `${JSON.stringify(given).slice(0, 200)} ${JSON.stringify(body)}`
    t.true(status === 400 || status === 413, told)
    t.is(body.error, error, told)
    t.regex(body.error_description, /^[ !#-[\]-~]+$/, told)
  }
  t.deepEqual(await server.db.knex('audit_log').where({ address: '192.0.2.7' }), [], 'nothing was registered')
  const form = await fetch(`${server.issuer}/register`, {
    method: 'POST',
    headers: mine,
    body: new URLSearchParams({ a: 'b' }),
  })
  t.is(form.status, 400)
  const read = await fetch(`${server.issuer}/register`)
  t.deepEqual([read.status, read.headers.get('allow')], [405, 'POST, OPTIONS'])
})

test('it may ask for what is open, when it is open, and for nothing of the management API', async (t) => {
  const client = await registered({})
  const person = await buildUser(server.db, { roles: ['grantry-admin'] })
  const told = async (scope: string, resource: string) => {
    const page = await ask(new Visitor(server.issuer), client, { scope, resource })
    t.is(page.url.origin, server.issuer, 'nobody is redirected')
    return { status: page.status, html: page.html }
  }
  for (const [scope, resource, error] of [
    ['orders:write', API, 'invalid_scope'],
    ['orders:read', CLOSED, 'invalid_target'],
    ['users:read', `${server.issuer}/api`, 'invalid_target'],
  ] as const) {
    const { status, html } = await told(scope, resource)
    t.is(status, 400)
    t.regex(html, new RegExp(error))
  }
  const own = { scope: 'orders:read', resource: API }
  const granted = await redeem(server.issuer, client, await new Visitor(server.issuer).authorize(client, person, own))
  t.is(granted.body.scope, 'orders:read')

  const name = 'https://shutting.example.com'
  const { id } = await buildResource(server.db, { audience: name, selfRegisteredScopes: ['orders:read'] })
  t.not((await ask(new Visitor(server.issuer), client, { scope: 'orders:read', resource: name })).status, 400)
  await updateResource(server.db.knex, id, { selfRegisteredScopes: [] }, { actor: 'test' })
  t.regex((await told('orders:read', name)).html, /invalid_target/, 'at once, and for clients that are there already')
})

test('an operator can not make more of it than it may be', async (t) => {
  const { client_id: id } = await registered({})
  const change = (given: object) => updateClient(server.db.knex, id, given, { actor: 'test' })
  await t.throwsAsync(change({ firstParty: true }), { message: /always asks for consent/ })
  await t.throwsAsync(change({ grantTypes: ['authorization_code', 'client_credentials'] }), {
    message: /client_credentials/,
  })
  await t.throwsAsync(change({ access: [{ resource: CLOSED, scopes: ['orders:read'] }] }), {
    message: /open to all such/,
  })
  await t.throwsAsync(
    async () => server.db.knex('clients').where({ id }).update({ first_party: true }),
    { message: /self_registered_clients_ask_for_consent/ },
    'the database says it once more',
  )
  t.is((await change({ name: 'Renamed' })).name, 'Renamed')
  await t.throwsAsync(
    updateResource(server.db.knex, API, { selfRegisteredScopes: ['orders:delete'] }, { actor: 'test' }),
    {
      message: /"orders:delete" is no scope of the resource/,
    },
  )
})

test('consent is asked every time, with the host that is next and a warning where that is this computer', async (t) => {
  const confidential = await registered({ client_name: 'Web' })
  const local = {
    ...(await registered({ ...PUBLIC, redirect_uris: ['http://localhost/callback'] })),
    redirect_uri: 'http://localhost:4711/callback',
  }
  const person = await buildUser(server.db)
  for (const client of [confidential, local]) {
    const visitor = new Visitor(server.issuer)
    await visitor.authorize(client, person, { scope: 'openid' })
    const again = await ask(visitor, client, { scope: 'openid' })
    t.regex(again.html, asksForConsent)
    t.true(again.html.includes(new URL(client.redirect_uri).host))
    t.is(/on your own device/.test(again.html), client === local)
  }
})

test('errors stay on a page: prompt=none, a refusal, and a request that is wrong lead nowhere', async (t) => {
  const client = await registered({ client_name: 'Your bank' })
  const visitor = new Visitor(server.issuer)
  const page = async (options: object) => {
    const answer = await ask(visitor, client, options)
    t.is(answer.url.origin, server.issuer, JSON.stringify(options))
    t.is(answer.status, 400, JSON.stringify(options))
    return answer.html
  }
  t.regex(await page({ prompt: 'none' }), /login_required/)
  t.regex(await page({ scope: 'openid strange' }), /invalid_scope/)
  t.regex(await page({ parameters: { response_type: 'token' } }), /unsupported_response_type/)
  t.regex(await page({ parameters: { response_mode: 'form_post', prompt: 'none' } }), /login_required/)
  t.regex(await page({ parameters: { code_challenge: undefined } }), /invalid_request/)
  const asking = await visitor.signIn(await visitor.open(visitor.request_uri(client).url), await buildUser(server.db))
  const refused = await visitor.submit(asking, /\/cancel$/)
  t.is(new URL(refused.url).origin, server.issuer)
  t.regex(refused.html, /access_denied/)
  t.regex(await page({ prompt: 'none' }), /consent_required/)
})

test('with a registration token, as often as it says, until it ends', async (t) => {
  const at = await endpoint(t, {})
  const { knex } = server.db
  const once = await createRegistrationToken(knex, { name: 'Once', actor: 'test' })
  const twice = await createRegistrationToken(knex, { name: 'Twice', mostUses: 2, actor: 'test' })
  const short = await createRegistrationToken(knex, { name: 'Short', mostUses: null, actor: 'test' })
  const ended = await createRegistrationToken(knex, { name: 'Ended', mostUses: null, actor: 'test' })
  await knex('registration_tokens')
    .where({ id: short.token.id })
    .update({ expires_at: new Date(0) })
  await revokeRegistrationToken(knex, { id: ended.token.id, actor: 'test' })
  const attempt = (authorization: string | undefined, metadata: object = { redirect_uris: [REDIRECT] }) =>
    register(metadata, authorization === undefined ? {} : { authorization }, at)

  const bare = await attempt(undefined)
  t.is(bare.status, 401)
  t.is(bare.headers.get('www-authenticate'), 'Bearer realm="registration"')
  for (const wrong of ['Basic eDp5', 'Bearer nonsense', `Bearer ${short.value}`, `Bearer ${ended.value}`]) {
    const refused = await attempt(wrong)
    t.is(refused.status, 401, wrong)
    t.is(refused.body.error, 'invalid_token')
  }
  t.is((await attempt(`Bearer ${once.value}`, { redirect_uris: ['nonsense'] })).status, 400)
  t.is((await attempt(`Bearer ${once.value}`)).status, 201, 'what was refused used nothing up')
  t.is((await attempt(`Bearer ${once.value}`)).status, 401)
  const race = await Promise.all(Array.from({ length: 6 }, () => attempt(`Bearer ${twice.value}`)))
  t.deepEqual(race.map(({ status }) => status).toSorted(), [201, 201, 401, 401, 401, 401])
  const kept = JSON.stringify(await knex('registration_tokens').select())
  t.false(kept.includes(once.value) || kept.includes(twice.value))
  t.is(
    (await register({ redirect_uris: [REDIRECT] }, { authorization: 'Bearer nonsense' })).status,
    401,
    'also where none is needed',
  )
})

test('there is room for so many, and two at once do not share the last place', async (t) => {
  const { rows } = await server.db.knex.raw<{ rows: { count: string }[] }>(
    'select count(*) from clients where self_registered',
  )
  const at = await endpoint(t, { mode: 'open', mostClients: Number(rows[0]?.count) + 1 })
  const attempts = await Promise.all(Array.from({ length: 5 }, () => register({ redirect_uris: [REDIRECT] }, {}, at)))
  // Tests beside this one register too.
  t.true(attempts.filter(({ status }) => status === 201).length <= 1)
  const full = attempts.find(({ status }) => status === 503)
  t.is(full?.body.error, 'temporarily_unavailable')
  t.truthy(full?.headers.get('retry-after'))
})

test('switched off, there is no such endpoint', async (t) => {
  const at = await endpoint(t, { mode: 'off' })
  t.is((await fetch(`${at}/register`, { method: 'POST' })).status, 404)
})

test('one address registers so often and no more', async (t) => {
  const headers = { 'x-forwarded-for': '192.0.2.99' }
  const answers = await Promise.all(Array.from({ length: 64 }, () => register({}, headers)))
  t.deepEqual(answers.map(({ status }) => status).toSorted(), [
    ...Array.from({ length: 60 }, () => 400),
    ...Array.from({ length: 4 }, () => 429),
  ])
})

test('a page of any origin may register, for it has nothing of ours to ride on', async (t) => {
  const preflight = await fetch(`${server.issuer}/register`, {
    method: 'OPTIONS',
    headers: { origin: 'https://inspector.example', 'access-control-request-method': 'POST' },
  })
  t.is(preflight.headers.get('access-control-allow-origin'), '*')
  t.is(preflight.headers.get('access-control-allow-credentials'), null)
})

test('who was never used, or not for long, is deleted; who is used stays; and who is gone gets 401', async (t) => {
  const { knex } = server.db
  const [fresh, never, used, idle] = [
    await registered({}),
    await registered({}),
    await registered(PUBLIC),
    await registered(PUBLIC),
  ]
  const person = await buildUser(server.db)
  const answer = await new Visitor(server.issuer).authorize(used, person, { scope: 'openid' })
  const tokens = await redeem(server.issuer, used, answer)
  t.is(tokens.status, 200)
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000)
  await knex('clients')
    .whereIn('id', [never.client_id, used.client_id])
    .update({ created_at: ago(80) })
  await knex('clients')
    .where({ id: idle.client_id })
    .update({ created_at: ago(100), last_used_at: ago(91) })
  t.is(await sweepUnusedClients(knex, 100), 2)
  const left = await knex('clients')
    .whereIn(
      'id',
      [fresh, never, used, idle].map((each) => each.client_id),
    )
    .pluck<string[]>('id')
  t.deepEqual(left.toSorted(), [fresh.client_id, used.client_id].toSorted())
  const [event] = await knex('events').where({ type: 'client.deleted', subject: idle.client_id })
  t.like(event, { actor: 'system' })

  for (const gone of [never, idle]) {
    const refused = await token(server.issuer, gone, {
      grant_type: 'authorization_code',
      code: 'x',
      redirect_uri: REDIRECT,
      code_verifier: 'x'.repeat(43),
    })
    t.is(refused.status, 401)
    t.is(refused.body.error, 'invalid_client')
  }
  await deleteClient(knex, used.client_id, { actor: 'test' })
  const late = await refresh(server.issuer, used, tokens.body.refresh_token)
  t.deepEqual([late.status, late.body.error], [401, 'invalid_client'])
})

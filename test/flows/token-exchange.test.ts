/** Token exchange (RFC 8693): APIs that call other APIs for the person who called them, by two client libraries and by hand. */
import test from 'ava'
import { mock } from 'node:test'
import { decodeJwt } from 'jose'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import type { NewClient } from '../../src/registry/clients/create.ts'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { endSession } from '../../src/registry/sessions/end.ts'
import { disableUser } from '../../src/registry/users/disable.ts'
import { createTokenVerifier } from '../../src/resource-server/index.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { fileScope } from '../support/demo.ts'
import { newProofKey, proofOf, type ProofKey } from '../support/dpop.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { token, Visitor, type TokenResponse } from '../support/visitor.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const STOCK = 'https://stock.example.com'
const LEDGER = 'https://ledger.example.com'
const actor = 'test'

const file = fileScope()
let server: TestServer
/** The app in front, which people use. */
let app: TestClient
/** The API of orders: gets tokens for itself, and calls the others for the people who call it. */
let orders: TestClient
/** The API of the stock, which calls the ledger. */
let stock: TestClient

test.before(async () => {
  server = await startAuthServer(file)
  const { db } = server
  const scope = (name: string) => ({ name, description: name, descriptionDe: null })
  await buildResource(db)
  await buildResource(db, {
    audience: STOCK,
    scopes: ['stock:read', 'stock:write'].map(scope),
    tokenClaims: ['auth_time'],
  })
  await buildResource(db, { audience: LEDGER, scopes: ['ledger:read'].map(scope), tokenFormat: 'opaque' })
  const everything = [
    { resource: API, scopes: ['orders:read', 'orders:write'] },
    { resource: STOCK, scopes: ['stock:read', 'stock:write'] },
    { resource: LEDGER, scopes: ['ledger:read'] },
  ]
  app = await buildClient(db, { firstParty: true, access: everything })
  const service: Pick<NewClient, 'kind' | 'grantTypes'> = { kind: 'service', grantTypes: [EXCHANGE] }
  orders = await buildClient(db, { ...service, exchangeFrom: [API], access: everything })
  stock = await buildClient(db, { ...service, exchangeFrom: [STOCK, LEDGER], access: everything.slice(1) })
  for (const [audience, client] of [
    [STOCK, stock],
    [LEDGER, stock],
  ] as const) {
    await updateResource(db.knex, audience, { introspectionClients: [client.client_id] }, { actor })
  }
})
test.after.always(() => file.end())

interface SignedIn {
  person: { id: string }
  access: string
  refreshToken: string | undefined
  idToken: string | undefined
}

const SCOPE = 'openid orders:read stock:read ledger:read'

/** A person signs in to the app, which gets a token for one API out of all that were granted. */
async function signIn({
  scope = SCOPE,
  resource = API,
  of = app,
  key,
}: { scope?: string; resource?: string; of?: TestClient; key?: ProofKey } = {}): Promise<SignedIn> {
  const person = await buildUser(server.db)
  const answer = await new Visitor(server.issuer).authorize(of, person, { scope, resource: [API, STOCK, LEDGER] })
  const code = { grant_type: 'authorization_code', code: answer.code, redirect_uri: of.redirect_uri }
  const parameters = { ...code, code_verifier: answer.verifier, resource }
  const { body } = key ? await prove(of, key, parameters) : await token(server.issuer, of, parameters)
  return { person, access: body.access_token ?? '', refreshToken: body.refresh_token, idToken: body.id_token }
}

type Parameters = Record<string, string | string[] | undefined>

function exchange(
  client: TestClient,
  subject_token: string | undefined,
  more: Parameters = {},
): Promise<TokenResponse> {
  return token(server.issuer, client, asked(subject_token, more))
}

function asked(subject_token: string | undefined, more: Parameters = {}): Parameters {
  return { grant_type: EXCHANGE, subject_token, subject_token_type: ACCESS_TOKEN, resource: STOCK, ...more }
}

/** With a proof of this key; the first tells the nonce. */
async function prove(client: TestClient, key: ProofKey, parameters: Parameters): Promise<TokenResponse> {
  const htu = `${server.issuer}/token`
  const body = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (typeof value === 'string') body.set(name, value)
  const authorization = `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`
  let nonce: string | undefined
  for (let attempt = 1; ; attempt += 1) {
    const headers = { authorization, DPoP: await proofOf(key, { htu, nonce }) }
    const response = await fetch(htu, { method: 'POST', headers, body })
    const answer = {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as TokenResponse['body'],
    }
    if (answer.body.error !== 'use_dpop_nonce' || attempt > 1) return answer
    nonce = response.headers.get('dpop-nonce') ?? undefined
  }
}

async function introspect(value: string | undefined, client = stock): Promise<Record<string, unknown>> {
  return (await post('introspect', client, value)).json() as Promise<Record<string, unknown>>
}

function post(endpoint: string, client: TestClient, value = ''): Promise<Response> {
  const authorization = `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`
  const body = new URLSearchParams({ token: value })
  return fetch(`${server.issuer}/${endpoint}`, { method: 'POST', headers: { authorization }, body })
}

test('openid-client: an API gets a token for the next, which says for whom, for what and who acts', async (t) => {
  const { access, person } = await signIn()
  const config = await oidc.discovery(new URL(server.issuer), orders.client_id, orders.client_secret, undefined, {
    execute: [oidc.allowInsecureRequests],
  })
  const parameters = { subject_token: access, subject_token_type: ACCESS_TOKEN, audience: STOCK }
  const answer = await oidc.genericGrantRequest(config, EXCHANGE, parameters)
  t.like(answer, {
    token_type: 'bearer',
    scope: 'stock:read',
    issued_token_type: ACCESS_TOKEN,
    refresh_token: undefined,
  })
  const verified = await createTokenVerifier({ issuer: server.issuer, audience: STOCK }).verify(answer.access_token, {
    scope: 'stock:read',
  })
  t.like(verified, { subject: person.id, clientId: orders.client_id, actor: orders.client_id, scopes: ['stock:read'] })
  const [before, after] = [decodeJwt(access), decodeJwt(answer.access_token)]
  t.is(after.grant_id, before.grant_id)
  t.true((after.exp ?? Infinity) <= (before.exp ?? 0), 'it ends no later')
  t.deepEqual(after.act, { sub: orders.client_id })
})

test('oauth4webapi: the same; discovery names the grant', async (t) => {
  const { access, person } = await signIn()
  const plainHttp = { [oauth.allowInsecureRequests]: true }
  const url = new URL(server.issuer)
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, plainHttp))
  t.true(as.grant_types_supported?.includes(EXCHANGE))
  const self = { client_id: orders.client_id }
  const parameters = { subject_token: access, subject_token_type: ACCESS_TOKEN, resource: LEDGER }
  const authentication = oauth.ClientSecretBasic(orders.client_secret ?? '')
  const response = await oauth.genericTokenEndpointRequest(as, self, authentication, EXCHANGE, parameters, plainHttp)
  const answer = await oauth.processGenericTokenEndpointResponse(as, self, response)
  t.false(answer.access_token.includes('.'), 'the ledger takes opaque tokens')
  const told = { active: true, sub: person.id, client_id: orders.client_id, aud: LEDGER, scope: 'ledger:read' }
  t.like(await introspect(answer.access_token), { ...told, act: { sub: orders.client_id } })
})

test('an exchanged token may be exchanged by the next API, opaque or not; each that acts stands in it', async (t) => {
  const { access } = await signIn()
  const act = { sub: stock.client_id, act: { sub: orders.client_id } }
  const second = await exchange(orders, access)
  const third = await exchange(stock, second.body.access_token, { resource: LEDGER })
  t.like(await introspect(third.body.access_token), { active: true, act })
  const fourth = await exchange(stock, third.body.access_token)
  t.deepEqual(decodeJwt(fourth.body.access_token ?? '').act, { sub: stock.client_id, act })
  const fifth = await exchange(stock, fourth.body.access_token)
  t.is(fifth.status, 200)
  t.is((await exchange(stock, fifth.body.access_token)).body.error, 'invalid_request', 'a chain has an end')
})

test('two exchanges at once both get a token', async (t) => {
  const { access } = await signIn()
  const answers = await Promise.all([0, 1, 2, 3].map(() => exchange(orders, access)))
  t.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  )
  t.is(new Set(answers.map(({ body }) => body.access_token)).size, 4)
})

test('for the same API a token gets smaller, never larger', async (t) => {
  const { access } = await signIn({ scope: 'orders:read orders:write stock:read' })
  const less = await exchange(orders, access, { resource: API, scope: 'orders:read' })
  t.is(less.body.scope, 'orders:read')
  const back = await exchange(orders, less.body.access_token, { resource: API })
  t.is(back.body.scope, 'orders:read', 'all that it carries')
  const more = await exchange(orders, less.body.access_token, { resource: API, scope: 'orders:read orders:write' })
  t.like(more, { status: 400, body: { error: 'invalid_scope', scope: 'orders:write' } })
})

test('nothing comes out that the person has not granted, and nothing that the app or the service is not registered for', async (t) => {
  const { access } = await signIn()
  t.like(await exchange(orders, access, { scope: 'stock:write' }), { status: 400, body: { error: 'invalid_scope' } })
  t.like(await exchange(orders, access, { scope: 'stock:read stock:write' }), {
    status: 400,
    body: { error: 'invalid_scope' },
  })
  t.like(await exchange(orders, access, { scope: 'openid' }), { status: 400, body: { error: 'invalid_scope' } })
  const { access: alone } = await signIn({ scope: 'orders:read' })
  t.like(await exchange(orders, alone), { status: 400, body: { error: 'invalid_target' } })

  const read = { resource: STOCK, scopes: ['stock:read'] }
  const narrow = await buildClient(server.db, {
    kind: 'service',
    grantTypes: [EXCHANGE],
    exchangeFrom: [API],
    access: [read],
  })
  const { access: wide } = await signIn({ scope: 'orders:read stock:read stock:write' })
  t.is((await exchange(narrow, wide, { resource: undefined })).body.scope, 'stock:read', 'its only API')
  t.like(await exchange(narrow, wide, { scope: 'stock:write' }), { status: 400, body: { error: 'invalid_scope' } })
  t.like(await exchange(narrow, wide, { resource: LEDGER }), { status: 400, body: { error: 'invalid_target' } })

  const everything = [
    { resource: API, scopes: ['orders:read'] },
    { resource: STOCK, scopes: ['stock:write', 'stock:read'] },
    { resource: LEDGER, scopes: ['ledger:read'] },
  ]
  const loser = await buildClient(server.db, { firstParty: true, access: everything })
  const { access: former } = await signIn({ scope: 'orders:read stock:read stock:write', of: loser })
  await updateClient(server.db.knex, loser.client_id, { access: [everything[0]!, read] }, { actor })
  t.is((await exchange(orders, former)).body.scope, 'stock:read', 'what the app has lost is lost behind it')
})

for (const [what, parameters, error] of [
  ['two APIs at once', { resource: [STOCK, LEDGER] }, 'invalid_target'],
  ['one as resource, another as audience', { audience: LEDGER }, 'invalid_target'],
  ['no API, with several to choose from', { resource: undefined }, 'invalid_target'],
  ['an unknown API', { resource: 'https://unknown.example.com' }, 'invalid_target'],
  ['what is no URI', { resource: 'stock' }, 'invalid_target'],
  ['no subject', { subject_token: undefined }, 'invalid_request'],
  ['an empty subject', { subject_token: '' }, 'invalid_request'],
  ['two subjects', { subject_token: ['a', 'b'] }, 'invalid_request'],
  ['no type of subject', { subject_token_type: undefined }, 'invalid_request'],
  ['an ID token', { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }, 'invalid_request'],
  ['a refresh token', { subject_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }, 'invalid_request'],
  ['any JWT', { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }, 'invalid_request'],
  ['an actor of its own', { actor_token: 'x', actor_token_type: ACCESS_TOKEN }, 'invalid_request'],
  ['an ID token in return', { requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' }, 'invalid_request'],
  [
    'a refresh token in return',
    { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
    'invalid_request',
  ],
] satisfies [string, Parameters, string][]) {
  test(`refused: ${what}`, async (t) => {
    const { access } = await signedInOnce()
    t.like(await exchange(orders, access, parameters), { status: 400, body: { error } })
  })
}

let shared: Promise<SignedIn> | undefined
/** For tests that only read. */
function signedInOnce(): Promise<SignedIn> {
  return (shared ??= signIn())
}

test('only a live access token of a person, for an API that was named, is a subject', async (t) => {
  const { access, idToken, refreshToken } = await signedInOnce()
  const machine = await buildClient(server.db, { kind: 'service' })
  const own = await token(server.issuer, machine, { grant_type: 'client_credentials', resource: API })
  const stranger = await signIn({ resource: STOCK })
  const ledger = await signIn({ resource: LEDGER })
  const subjects = {
    'an ID token': idToken,
    'a refresh token': refreshToken,
    'a token that a service got for itself': own.body.access_token,
    'a token for an API that was not named': stranger.access,
    'an opaque one': ledger.access,
    'a token with another signature': `${access.slice(0, -6)}AAAAAA`,
    'anything else': 'a.b.c',
    'nothing known': 'x'.repeat(43),
  }
  for (const [what, subject] of Object.entries(subjects)) {
    t.truthy(subject, what)
    t.like(await exchange(orders, subject), { status: 400, body: { error: 'invalid_request' } }, what)
  }
  t.is((await exchange(orders, access)).status, 200)
})

// By the clock of this process for a JWT, by the database's for an opaque one.
test.serial('a token whose time is over is no subject; neither kind', async (t) => {
  const [jwt, opaque] = [await signIn({ resource: STOCK }), await signIn({ resource: LEDGER })]
  await server.db.pool.query(
    "update artifacts set expires_at = now() - interval '1 second' where model = 'AccessToken'",
  )
  const refused = { status: 400, body: { error: 'invalid_request' } }
  t.like(await exchange(stock, opaque.access), refused)
  mock.timers.enable({ apis: ['Date'], now: (decodeJwt(jwt.access).exp ?? 0) * 1000 })
  try {
    t.like(await exchange(stock, jwt.access, { resource: LEDGER }), refused)
  } finally {
    mock.timers.reset()
  }
  t.is((await exchange(stock, jwt.access, { resource: LEDGER })).status, 200)
})

test('who may not exchange does not: public clients, web apps, services without the grant, strangers', async (t) => {
  const { access } = await signedInOnce()
  for (const kind of ['spa', 'native', 'web'] as const) {
    const error = await t.throwsAsync(
      buildClient(server.db, { kind, grantTypes: ['authorization_code', EXCHANGE], exchangeFrom: [API] }),
    )
    t.like(error, { field: 'grant_types' }, kind)
    t.is((await exchange(await buildClient(server.db, { kind }), access)).body.error, 'invalid_request', kind)
  }
  const service = await buildClient(server.db, { kind: 'service' })
  t.is((await exchange(service, access)).body.error, 'invalid_request')
  t.is((await exchange({ ...orders, client_secret: 'wrong' }, access)).body.error, 'invalid_client')
  t.is((await exchange({ ...orders, client_secret: undefined }, access)).body.error, 'invalid_client')
})

test('a registration names what may be exchanged, and nothing without the grant', async (t) => {
  const bad = [
    [{ grantTypes: [EXCHANGE] }, 'exchange_from'],
    [{ exchangeFrom: [API] }, 'exchange_from'],
    [{ grantTypes: [EXCHANGE], exchangeFrom: ['no audience'] }, 'exchange_from'],
  ] as const
  for (const [settings, field] of bad) {
    const given = { ...settings, grantTypes: 'grantTypes' in settings ? [...settings.grantTypes] : undefined }
    const exchangeFrom = 'exchangeFrom' in settings ? [...settings.exchangeFrom] : undefined
    const error = await t.throwsAsync(buildClient(server.db, { kind: 'service', ...given, exchangeFrom }))
    t.like(error, { field })
  }
})

test('the management API is not to be had this way, whatever is registered', async (t) => {
  const { access } = await signedInOnce()
  const resource = `${server.issuer}/api`
  const managers = await buildClient(server.db, {
    kind: 'service',
    grantTypes: [EXCHANGE],
    exchangeFrom: [API],
    access: [{ resource, scopes: ['users:read'] }],
  })
  t.like(await exchange(managers, access, { resource }), { status: 400, body: { error: 'invalid_target' } })
  t.like(await exchange(managers, access, { resource: undefined }), { status: 400, body: { error: 'invalid_target' } })
})

const ends: [string, (signedIn: SignedIn) => Promise<unknown>][] = [
  ['the app revokes its refresh token', ({ refreshToken }) => post('revoke', app, refreshToken)],
  ['the person is disabled', ({ person }) => disableUser(server.db.knex, { userId: person.id, actor })],
  [
    'the session ends',
    async ({ person }) => {
      const { rows } = await server.db.pool.query<{ uid: string }>('select uid from sessions where user_id = $1', [
        person.id,
      ])
      for (const { uid } of rows) await endSession(server.db.knex, { userId: person.id, uid, actor })
    },
  ],
]
for (const [what, end] of ends) {
  test(`what was exchanged ends when ${what}, and no more is exchanged`, async (t) => {
    const signedIn = await signIn()
    const jwt = (await exchange(orders, signedIn.access)).body.access_token
    const opaque = (await exchange(orders, signedIn.access, { resource: LEDGER })).body.access_token
    for (const one of [jwt, opaque]) t.like(await introspect(one), { active: true })
    await end(signedIn)
    for (const one of [jwt, opaque]) t.deepEqual(await introspect(one), { active: false })
    t.is((await exchange(orders, signedIn.access)).body.error, 'invalid_request')
    t.is((await exchange(stock, jwt, { resource: LEDGER })).body.error, 'invalid_request')
    t.is((await exchange(stock, opaque)).body.error, 'invalid_request')
  })
}

test('a service that is disabled has nothing any more, and enabling it brings nothing back', async (t) => {
  const access = [
    { resource: STOCK, scopes: ['stock:read'] },
    { resource: LEDGER, scopes: ['ledger:read'] },
  ]
  const service = await buildClient(server.db, { kind: 'service', grantTypes: [EXCHANGE], exchangeFrom: [API], access })
  const signedIn = await signIn()
  const resources = [STOCK, LEDGER]
  const got = await Promise.all(resources.map((resource) => exchange(service, signedIn.access, { resource })))
  await disableClient(server.db.knex, service.client_id, { actor })
  for (const { body } of got) t.deepEqual(await introspect(body.access_token), { active: false })
  await enableClient(server.db.knex, service.client_id, { actor })
  for (const { body } of got) t.deepEqual(await introspect(body.access_token), { active: false })
  t.is((await exchange(app, signedIn.access)).body.error, 'invalid_request')
  t.is((await exchange(orders, signedIn.access)).status, 200, 'the app and others are not touched')
})

test('a service that revokes what it has exchanged revokes that alone', async (t) => {
  const { access } = await signIn()
  for (const resource of [STOCK, LEDGER]) {
    const { body } = await exchange(orders, access, { resource })
    t.is((await post('revoke', orders, body.access_token)).status, 200)
    t.deepEqual(await introspect(body.access_token), { active: false })
    t.is((await exchange(orders, access)).status, 200)
  }
})

test('a token that is bound to a key is exchanged by who has the key; what comes out is bound to the key that was proved', async (t) => {
  const [key, other] = [await newProofKey(), await newProofKey()]
  const bound = await signIn({ key })
  t.is((await exchange(orders, bound.access)).body.error, 'invalid_request')
  t.is((await prove(orders, other, asked(bound.access))).body.error, 'invalid_request')
  const own = await prove(orders, key, asked(bound.access))
  t.like(decodeJwt(own.body.access_token ?? ''), { cnf: { jkt: key.thumbprint } })
  const { access } = await signIn()
  const mine = await prove(orders, other, asked(access, { resource: LEDGER }))
  t.is(mine.body.token_type, 'DPoP')
  t.like(await introspect(mine.body.access_token), { active: true, cnf: { jkt: other.thumbprint } })
})

test('the sign-in behind it is told on, where the next API asks for it', async (t) => {
  const { access } = await signIn({ resource: STOCK })
  const { body } = await exchange(stock, access, { resource: STOCK })
  t.is(decodeJwt(body.access_token ?? '').auth_time, decodeJwt(access).auth_time)
  t.truthy(decodeJwt(access).auth_time)
})

/** An API takes tokens that are no JWTs by asking the server (RFC 7662), and asks no more often than it must. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import test from 'ava'
import {
  createMemoryReplayStore,
  createTokenVerifier,
  TokenError,
  type IntrospectionOptions,
  type TokenVerifier,
  type TokenVerifierOptions,
} from '../../src/resource-server/index.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { newProofKey, proofOf } from '../support/dpop.ts'
import { startFakeIssuer, type FakeIssuer } from '../support/fake-issuer.ts'
import { buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, token as tokenRequest, Visitor } from '../support/visitor.ts'

const audience = 'https://secrets.example.com'
const second = 'https://other.example.com'
const credentials = { clientId: 'cli_api', clientSecret: 'a secret: 100%' }

const stops: (() => unknown)[] = []
let server: TestServer
let issuer: FakeIssuer
let api: TestClient
let stranger: TestClient

test.before(async () => {
  const file: Teardown = { teardown: (stop) => void stops.push(stop) }
  server = await startAuthServer(file)
  issuer = await startFakeIssuer({ audience })
  stops.push(() => issuer.stop())
  for (const { resource, scopes } of access) {
    const described = scopes.map((name) => ({ name, description: 'Read', descriptionDe: null }))
    await buildResource(server.db, { audience: resource, tokenFormat: 'opaque', scopes: described })
  }
  const service = () => buildClient(server.db, { kind: 'service', access })
  ;[api, stranger] = await Promise.all([service(), service()])
  for (const { resource } of access) {
    await updateResource(server.db.knex, resource, { introspectionClients: [api.client_id] }, { actor: 'test' })
  }
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

const access = [
  { resource: audience, scopes: ['secrets:read'] },
  { resource: second, scopes: ['other:read'] },
]

/** An API of the real server, with a clock that goes when told to. */
function realApi(client = api, more: Partial<TokenVerifierOptions> = {}) {
  const clock = { ahead: 0 }
  const verifier = createTokenVerifier({
    issuer: server.issuer,
    audience,
    introspection: { clientId: client.client_id, clientSecret: client.client_secret ?? '' },
    now: () => Date.now() + clock.ahead,
    ...more,
  })
  return { verifier, clock }
}

async function serviceToken(resource = audience) {
  const service = await buildClient(server.db, { kind: 'service', access })
  const { body } = await tokenRequest(server.issuer, service, { grant_type: 'client_credentials', resource })
  return { service, token: body.access_token ?? '' }
}

async function revoke({ client_id, client_secret }: TestClient, token: string): Promise<void> {
  const headers = { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` }
  const body = new URLSearchParams({ token })
  const { status } = await fetch(`${server.issuer}/revoke`, { method: 'POST', headers, body })
  if (status !== 200) throw new Error(`${status}`)
}

async function refusal(outcome: Promise<unknown>): Promise<TokenError> {
  const error: unknown = await outcome.then(
    () => new Error('not refused'),
    (reason: unknown) => reason,
  )
  if (error instanceof TokenError) return error
  throw error
}

test('an opaque token of a person says who and what it is for', async (t) => {
  const [person, app] = await Promise.all([buildUser(server.db), buildClient(server.db, { firstParty: true, access })])
  const answer = await new Visitor(server.issuer).authorize(app, person, { scope: 'secrets:read', resource: audience })
  const token = (await redeem(server.issuer, app, answer)).body.access_token ?? ''
  t.notRegex(token, /\./)
  const { verifier } = realApi()
  await verifier.prepare()
  const found = await verifier.verify(token, { scope: 'secrets:read' })
  t.like(found, { issuer: server.issuer, subject: person.id, clientId: app.client_id, keyThumbprint: undefined })
  t.deepEqual(found.scopes, ['secrets:read'])
  t.true(found.expiresAt.getTime() > Date.now() && found.issuedAt.getTime() <= Date.now())
  t.regex(found.tokenId, /^[\w-]{43}$/)
  t.false(JSON.stringify(found).includes(token), 'the token stays out of what may be logged')
})

test('one that covers too little is 403, and the challenge says what would do', async (t) => {
  const { token, service } = await serviceToken()
  const { verifier } = realApi()
  const error = await refusal(verifier.verify(token, { scope: 'secrets:write' }))
  t.deepEqual([error.status, error.error], [403, 'insufficient_scope'])
  t.regex(error.challenge ?? '', /scope="secrets:read secrets:write"/)
  t.is((await verifier.verify(token)).subject, service.client_id)
})

test('a revoked one passes for the time of the cache and no longer', async (t) => {
  const { token, service } = await serviceToken()
  const { verifier, clock } = realApi()
  await verifier.verify(token)
  await revoke(service, token)
  clock.ahead = 5_000
  await t.notThrowsAsync(verifier.verify(token))
  clock.ahead = 10_001
  const error = await refusal(verifier.verify(token))
  t.deepEqual([error.status, error.error], [401, 'invalid_token'])
})

test('a revoked one does not pass at all without the cache, or when the list of revocations has it', async (t) => {
  const { token, service } = await serviceToken()
  const introspection = { clientId: api.client_id, clientSecret: api.client_secret ?? '', cacheSeconds: 0 }
  const { verifier } = realApi(api, { introspection })
  let told: 'good' | 'revoked' = 'good'
  const listed = realApi(api, { revocations: { check: () => told } }).verifier
  await Promise.all([verifier.verify(token), listed.verify(token)])
  await revoke(service, token)
  told = 'revoked'
  for (const one of [verifier, listed]) t.is((await refusal(one.verify(token))).status, 401)
})

test('one for another API is refused, though this client may know of it', async (t) => {
  const { token } = await serviceToken(second)
  const error = await refusal(realApi().verifier.verify(token))
  t.deepEqual([error.status, error.error], [401, 'invalid_token'])
  t.regex(error.message, /another API/)
})

test('to a client for which the resource has no place, every token is inactive', async (t) => {
  const { token } = await serviceToken()
  t.is((await refusal(realApi(stranger).verifier.verify(token))).error, 'invalid_token')
})

test('an API whose own credentials are wrong lets nobody in, and blames no token', async (t) => {
  const { token } = await serviceToken()
  const error = await refusal(realApi({ ...api, client_secret: 'wrong' }).verifier.verify(token))
  t.deepEqual([error.status, error.headers], [503, { 'retry-after': '5' }])
})

type Answer = Record<string, unknown>
type Responder = (request: IncomingMessage, response: ServerResponse) => void

let paths = 0

/** An API of the cardboard server, which answers each question by `answer`. */
function fakeApi(answer: Answer | Responder, more: Partial<IntrospectionOptions> = {}, rest = {}) {
  const path = `/introspect/${(paths += 1)}`
  issuer.overrides.set(path, answer)
  const clock = { ahead: 0 }
  const verifier = createTokenVerifier({
    issuer: issuer.url,
    audience,
    introspection: { ...credentials, endpoint: `${issuer.url}${path}`, ...more },
    now: () => Date.now() + clock.ahead,
    ...rest,
  })
  return { verifier, clock, asked: () => issuer.requests.get(path) ?? 0 }
}

const seconds = (offset: number) => Math.floor(Date.now() / 1000) + offset

const good = (changes: Answer = {}): Answer => ({
  active: true,
  iss: issuer.url,
  aud: audience,
  sub: 'usr_ada',
  client_id: 'cli_app',
  scope: 'secrets:read',
  token_type: 'Bearer',
  iat: seconds(-10),
  exp: seconds(300),
  ...changes,
})

test('a question is posted with the credentials form-encoded (RFC 6749 §2.3.1) and the token in the body', async (t) => {
  let seen: IncomingMessage | undefined
  let body = ''
  const { verifier } = fakeApi((request, response) => {
    seen = request
    void text(request).then((all) => {
      body = all
      response.end(JSON.stringify(good()))
    })
  })
  await verifier.verify('to+ken/~==')
  t.is(seen?.method, 'POST')
  t.is(seen?.headers.authorization, `Basic ${btoa('cli_api:a%20secret%3A%20100%25')}`)
  t.deepEqual(Object.fromEntries(new URLSearchParams(body)), { token: 'to+ken/~==', token_type_hint: 'access_token' })
})

test('what the server tells of family, actor, roles and sign-in counts as in a JWT', async (t) => {
  const told = {
    grant_id: 'g',
    act: { sub: 'cli_front' },
    roles: ['admin'],
    jti: 'j',
    acr: 'strong',
    auth_time: seconds(-60),
  }
  const { verifier } = fakeApi(good({ ...told, aud: ['https://x.example.com', audience] }))
  const found = await verifier.verify('a', { acr: ['strong'], maxAgeSeconds: 100 })
  t.like(found, { grantId: 'g', actor: 'cli_front', tokenId: 'j' })
  t.deepEqual(found.roles, ['admin'])
  t.is((await refusal(verifier.verify('a', { maxAgeSeconds: 30 }))).error, 'insufficient_user_authentication')
})

test('what one request does to its claims, the next does not see', async (t) => {
  const { verifier } = fakeApi(good({ roles: ['reader'] }))
  ;((await verifier.verify('a')).claims.roles as string[]).push('admin')
  t.deepEqual((await verifier.verify('a')).roles, ['reader'])
})

const bad: [string, () => Answer, RegExp][] = [
  ['another issuer', () => ({ iss: 'https://evil.test' }), /another issuer/],
  ['no issuer', () => ({ iss: undefined }), /another issuer/],
  ['another audience', () => ({ aud: `${audience}.evil.test` }), /another API/],
  ['no audience', () => ({ aud: undefined }), /another API/],
  ['an end in the past', () => ({ exp: seconds(-6) }), /expired/],
  ['no end', () => ({ exp: undefined }), /claim/],
  ['an end in words', () => ({ exp: '9999999999' }), /claim/],
  ['no time of issue', () => ({ iat: undefined }), /claim/],
  ['a beginning in the future', () => ({ nbf: seconds(60) }), /not valid yet/],
  ['no subject', () => ({ sub: undefined }), /not acceptable/],
  ['no client', () => ({ client_id: undefined }), /not acceptable/],
  ['scopes in a list', () => ({ scope: ['secrets:read'] }), /not acceptable/],
  ['no type, as a refresh token has none', () => ({ token_type: undefined }), /not an access token/],
  ['a type nobody here knows', () => ({ token_type: 'mac' }), /not an access token/],
  ['the type of a bound token and no key', () => ({ token_type: 'DPoP' }), /claim/],
  ['a key, sent as a bearer’s', () => ({ token_type: 'DPoP', cnf: { jkt: 'abc' } }), /bound to a key/],
  ['a certificate, sent as a bearer’s', () => ({ cnf: { 'x5t#S256': 'abc' } }), /bound to a key/],
]
for (const [what, changes, description] of bad) {
  test(`an active token is refused with ${what}`, async (t) => {
    const error = await refusal(fakeApi(good(changes())).verifier.verify('a'))
    t.deepEqual([error.status, error.error], [401, 'invalid_token'])
    t.regex(error.message, description)
  })
}

test('a bound one passes with a proof of its key for this token, once', async (t) => {
  const key = await newProofKey()
  const dpop = { url: audience, replays: createMemoryReplayStore() }
  const answer = good({ token_type: 'DPoP', cnf: { jkt: key.thumbprint } })
  const { verifier } = fakeApi(answer, {}, { dpop })
  const line = { method: 'GET', target: '/' }
  const proof = (token: string) => proofOf(key, { htm: 'GET', htu: `${audience}/`, token })
  const proofs = [await proof('a')]
  t.is((await verifier.verifyProven('a', { ...line, proofs })).keyThumbprint, key.thumbprint)
  for (const wrong of [proofs, [await proof('b')], []]) {
    const error = await refusal(verifier.verifyProven('a', { ...line, proofs: wrong }))
    t.is(error.error, 'invalid_dpop_proof')
  }
})

test('a token is asked about once, however many send it at the same moment, until the cache forgets it', async (t) => {
  const { verifier, clock, asked } = fakeApi(good(), { cacheSeconds: 20 })
  const ask = () => Promise.all(Array.from({ length: 20 }, async () => verifier.verify('a')))
  await ask()
  t.is(asked(), 1)
  clock.ahead = 8_000
  await ask()
  t.is(asked(), 1)
  clock.ahead = 20_001
  await ask()
  t.is(asked(), 2)
  await verifier.verify('b')
  t.is(asked(), 3)
})

test('no answer is kept beyond the end of its token', async (t) => {
  const { verifier, clock, asked } = fakeApi(good({ exp: seconds(5) }), { cacheSeconds: 60 })
  await verifier.verify('a')
  clock.ahead = 6_000
  await verifier.verify('a').catch(() => undefined)
  t.is(asked(), 2)
})

test('of a token that is not active nobody is asked again for two seconds', async (t) => {
  const { verifier, clock, asked } = fakeApi({ active: false }, { cacheSeconds: 0 })
  for (let round = 0; round < 3; round += 1) t.is((await refusal(verifier.verify('a'))).status, 401)
  t.is(asked(), 1)
  clock.ahead = 2_001
  await refusal(verifier.verify('a'))
  t.is(asked(), 2)
})

test('the oldest answer goes when there is no room', async (t) => {
  const { verifier, asked } = fakeApi(good(), { mostEntries: 2 })
  for (const token of ['a', 'b', 'b', 'c', 'c', 'b']) await verifier.verify(token)
  t.is(asked(), 3)
  await verifier.verify('a')
  t.is(asked(), 4)
})

test('a flood of made-up tokens is a few questions at a time, and pushes out no good answer', async (t) => {
  const gate = Promise.withResolvers<void>()
  let running = 0
  let most = 0
  const stub = async (_url: unknown, { body }: RequestInit = {}) => {
    if ((body as URLSearchParams).get('token') === 'good') return Response.json(good())
    most = Math.max(most, (running += 1))
    await gate.promise
    running -= 1
    return Response.json({ active: false })
  }
  const { verifier } = fakeApi({}, { mostEntries: 5, fetch: stub as typeof fetch })
  await verifier.verify('good')
  const flood = Array.from({ length: 1100 }, async (_, at) => refusal(verifier.verify(`junk${at}`)))
  await t.notThrowsAsync(verifier.verify('good'))
  gate.resolve()
  const statuses = (await Promise.all(flood)).map(({ status }) => status)
  t.is(most, 32)
  t.is(statuses.filter((status) => status === 401).length, 1032)
  t.is(statuses.filter((status) => status === 503).length, 68, 'whoever finds no room is told to come again')
  await t.notThrowsAsync(verifier.verify('good'))
})

test('who waits in the queue waits no longer than the time for a question', async (t) => {
  const hang = (_url: unknown, { signal }: RequestInit = {}) =>
    new Promise<Response>((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const { verifier } = fakeApi({}, { timeoutMs: 50, fetch: hang as typeof fetch })
  const begun = Date.now()
  const all = await Promise.all(Array.from({ length: 200 }, async (_, at) => refusal(verifier.verify(`t${at}`))))
  t.true(all.every(({ status }) => status === 503))
  t.true(Date.now() - begun < 2_000)
})

const failing: [string, Responder, 'hangs'?][] = [
  ['refuses connections', (request) => request.socket.destroy()],
  ['does not answer', () => undefined, 'hangs'],
  ['never comes to an end', (_request, response) => void response.write('{"active":'), 'hangs'],
  ['says 500', (_request, response) => void response.writeHead(500).end(JSON.stringify(good()))],
  ['says 429', (_request, response) => void response.writeHead(429).end()],
  ['says something that is no JSON', (_request, response) => void response.end('true')],
  ['does not say whether the token is active', (_request, response) => void response.end('{"active":"true"}')],
  ['says too much', (_request, response) => void response.end(JSON.stringify(good({ x: 'x'.repeat(300_000) })))],
  [
    'points elsewhere',
    (_request, response) => void response.writeHead(307, { location: `${issuer.url}/introspect/elsewhere` }).end(),
  ],
]
for (const [what, answer, hangs] of failing) {
  test(`while the server ${what}, opaque tokens are 503 with Retry-After, and nothing of it is kept`, async (t) => {
    issuer.overrides.set('/introspect/elsewhere', () => t.fail('nobody follows'))
    let isWell = false
    const { verifier } = fakeApi(
      (request, response) => (isWell ? response.end(JSON.stringify(good())) : answer(request, response)),
      { timeoutMs: hangs ? 1_000 : 10_000 },
    )
    const error = await refusal(verifier.verify('a'))
    t.deepEqual([error.status, error.challenge, error.headers], [503, undefined, { 'retry-after': '5' }])
    isWell = true
    await t.notThrowsAsync(verifier.verify('a'))
  })
}

test('an issuer whose metadata names no endpoint is 503, until it does', async (t) => {
  const verifier = createTokenVerifier({ issuer: issuer.url, audience, introspection: credentials })
  for (const ask of [() => verifier.prepare(), () => verifier.verify('a')]) t.is((await refusal(ask())).status, 503)
  const path = '/.well-known/oauth-authorization-server'
  const more = { jwks_uri: `${issuer.url}/jwks`, introspection_endpoint: `${issuer.url}/introspect/found` }
  issuer.overrides.set(path, { issuer: issuer.url, ...more })
  issuer.overrides.set('/introspect/found', good())
  t.teardown(() => issuer.overrides.delete(path))
  await t.notThrowsAsync(verifier.verify('a'))
})

test('a JWT is checked here and nobody is asked, whatever it is', async (t) => {
  const { verifier, asked } = fakeApi({ active: false })
  await t.notThrowsAsync(async () => verifier.verify(await issuer.accessToken()))
  const idToken = await issuer.accessToken({ header: { typ: 'JWT' } })
  t.regex((await refusal(verifier.verify(idToken))).message, /not an access token/)
  t.is(asked(), 0)
})

test('with `always` a JWT is asked about as well, but no forgery is', async (t) => {
  const on = fakeApi(good(), { always: true })
  const token = await issuer.accessToken()
  t.is((await on.verifier.verify(token)).clientId, 'cli_playground', 'what is signed counts')
  t.is(on.asked(), 1)
  const off = fakeApi({ active: false }, { always: true })
  t.is((await refusal(off.verifier.verify(token))).error, 'invalid_token')
  await refusal(off.verifier.verify(`${token.slice(0, -20)}${'A'.repeat(20)}`))
  t.is(off.asked(), 1)
})

test('what can be no token is sent nowhere', async (t) => {
  const { verifier, asked } = fakeApi(good())
  for (const value of ['', 'ä', 'a b', 'a\0', 'x'.repeat(8193)]) {
    t.is((await refusal(verifier.verify(value))).status, 401, value.slice(0, 9))
  }
  t.is(asked(), 0)
})

const unusable: Partial<IntrospectionOptions>[] = [
  { clientId: '' },
  { clientSecret: '' },
  { endpoint: 'http://login.example.com/introspect' },
  { cacheSeconds: 61 },
  { cacheSeconds: Number.NaN },
  { mostEntries: 0 },
  { timeoutMs: 0 },
]
for (const options of unusable) {
  test(`it does not start with ${JSON.stringify(options)}`, (t) => {
    const make = (): TokenVerifier =>
      createTokenVerifier({ issuer: issuer.url, audience, introspection: { ...credentials, ...options } })
    t.throws(make, { instanceOf: TypeError })
  })
}

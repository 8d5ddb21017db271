/** Profiles of clients: one switch each, what it sets, what contradicts it, and what requests get that break its rules. */
import { randomUUID } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose'
import * as oidc from 'openid-client'
import type { ClientKeys } from '../../src/registry/clients/client-keys.ts'
import { createClient, type NewClient } from '../../src/registry/clients/create.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { API, buildClient, buildResource, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { newProofKey, proofOf, type ProofKey } from '../support/dpop.ts'
import { redeem, refresh, token, Visitor } from '../support/visitor.ts'
import { ask } from './browsing.ts'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const OTHER = 'https://other.example.com'

const ends: (() => unknown)[] = []
let server: TestServer

test.before(async () => {
  server = await startAuthServer({ teardown: (end) => void ends.unshift(end) })
  await buildResource(server.db)
  await buildResource(server.db, { audience: OTHER, name: 'Other' })
})
test.after.always(async () => {
  for (const end of ends) await end()
})

async function keyPair(alg = 'ES256'): Promise<{ privateKey: CryptoKey; jwks: ClientKeys }> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, jwks: { keys: [await exportJWK(publicKey)] } as ClientKeys }
}

/** An MCP client that may ask for two resources, or for one. */
function mcp(overrides: Partial<NewClient> = {}): Promise<TestClient> {
  return buildClient(server.db, {
    kind: 'spa',
    profile: 'mcp',
    grantTypes: ['authorization_code', 'refresh_token'],
    ...overrides,
  })
}

test('mcp: the resource is named in every request; tokens of public clients are rotated, and iss is in every answer', async (t) => {
  const client = await mcp()
  const person = await buildUser(server.db)
  const rule = /profile mcp: resource is required/
  const unnamed = await ask(new Visitor(server.issuer), client, { scope: 'orders:read' })
  t.is(unnamed.error, 'invalid_target')
  t.regex(unnamed.parameters.get('error_description') ?? '', rule)
  t.is(unnamed.parameters.get('iss'), server.issuer, 'in errors too')
  t.is((await ask(new Visitor(server.issuer), client, { scope: 'openid' })).error, 'invalid_target')

  const answer = await new Visitor(server.issuer).authorize(client, person, {
    scope: 'openid orders:read',
    resource: API,
  })
  t.is(answer.parameters.get('iss'), server.issuer)
  const silent = await redeem(server.issuer, client, answer)
  t.is(silent.body.error, 'invalid_target')
  t.regex(silent.body.error_description ?? '', rule)
  const named = { resource: API, redirect_uri: REDIRECT, code_verifier: answer.verifier, code: answer.code }
  const first = await token(server.issuer, client, { grant_type: 'authorization_code', ...named })
  t.is(first.status, 200, 'the refusal used nothing up')

  const bare = await refresh(server.issuer, client, first.body.refresh_token)
  t.is(bare.body.error, 'invalid_target')
  const second = await refresh(server.issuer, client, first.body.refresh_token, { resource: API })
  t.is(second.status, 200, 'nor did this one')
  t.not(second.body.refresh_token, first.body.refresh_token)
  const pushed = await fetch(`${server.issuer}/par`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: REDIRECT,
      response_type: 'code',
      scope: 'orders:read',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    }),
  })
  t.regex(JSON.stringify(await pushed.json()), rule)
})

test('mcp: a service names the resource as well, and a replay is found out whatever else is wrong', async (t) => {
  const service = await buildClient(server.db, { kind: 'service', profile: 'mcp' })
  t.is((await token(server.issuer, service, { grant_type: 'client_credentials' })).body.error, 'invalid_target')
  t.is((await token(server.issuer, service, { grant_type: 'client_credentials', resource: API })).status, 200)

  const client = await mcp()
  const person = await buildUser(server.db)
  const answer = await new Visitor(server.issuer).authorize(client, person, { scope: 'orders:read', resource: API })
  const exchange = {
    grant_type: 'authorization_code',
    code: answer.code,
    redirect_uri: REDIRECT,
    code_verifier: answer.verifier,
  }
  const first = await token(server.issuer, client, { ...exchange, resource: API })
  t.is((await token(server.issuer, client, exchange)).body.error, 'invalid_grant')
  const ended = await refresh(server.issuer, client, first.body.refresh_token, { resource: API })
  t.is(ended.body.error, 'invalid_grant', 'the replay of the code has ended the family')
})

test('mcp: redirect URIs are https or loopback', async (t) => {
  await t.throwsAsync(mcp({ kind: 'native', redirectUris: ['com.example.app:/callback'] }), { message: /profile mcp/ })
  await t.notThrowsAsync(mcp({ kind: 'native', redirectUris: ['http://127.0.0.1/callback'] }))
})

test('a client without a profile names no resource where it has only one', async (t) => {
  const client = await buildClient(server.db)
  const answer = await new Visitor(server.issuer).authorize(client, await buildUser(server.db), {
    scope: 'orders:read',
  })
  t.is((await redeem(server.issuer, client, answer)).status, 200)
})

test('fapi2: one switch sets everything that it asks of a registration', async (t) => {
  const { jwks } = await keyPair()
  const given: NewClient = { kind: 'web', name: 'Bank', redirectUris: [REDIRECT], actor: 'test' }
  const { client, secret } = await createClient(server.db.knex, { ...given, profile: 'fapi2', jwks })
  t.is(secret, undefined)
  t.like(client, { tokenEndpointAuthMethod: 'private_key_jwt', requirePar: true, dpopBoundAccessTokens: true })
  const service = await createClient(server.db.knex, {
    kind: 'service',
    name: 'Job',
    profile: 'fapi2',
    jwks,
    actor: 'test',
  })
  t.like(service.client, { requirePar: false, dpopBoundAccessTokens: true })

  const plain = await createClient(server.db.knex, given)
  const change = { profile: 'fapi2', jwks } as const
  const changed = await updateClient(server.db.knex, plain.client.id, change, { actor: 'test' })
  t.like(changed, { tokenEndpointAuthMethod: 'private_key_jwt', requirePar: true, dpopBoundAccessTokens: true })
  const back = await updateClient(
    server.db.knex,
    plain.client.id,
    { profile: 'baseline', requirePar: false },
    { actor: 'test' },
  )
  t.like(back, { requirePar: false, tokenEndpointAuthMethod: 'private_key_jwt' })
})

test('fapi2: what contradicts it is refused, with the field and the rule', async (t) => {
  const { jwks } = await keyPair()
  const rsa = (await keyPair('RS256')).jwks
  const rs256 = { keys: rsa.keys.map((key) => ({ ...key, alg: 'RS256' })) } as ClientKeys
  const base: NewClient = { kind: 'web', name: 'Bank', redirectUris: [REDIRECT], profile: 'fapi2', jwks, actor: 'test' }
  const contradictions: [Partial<NewClient>, string][] = [
    [{ tokenEndpointAuthMethod: 'client_secret_basic', jwks: undefined }, 'token_endpoint_auth_method'],
    [{ jwks: undefined }, 'jwks'],
    [{ jwks: rs256 }, 'jwks'],
    [{ dpopBoundAccessTokens: false }, 'dpop_bound_access_tokens'],
    [{ requirePar: false }, 'require_par'],
    [{ redirectUris: ['http://localhost/callback'] }, 'redirect_uris'],
  ]
  for (const [given, field] of contradictions) {
    const error = await t.throwsAsync(createClient(server.db.knex, { ...base, ...given }), { code: 'invalid' }, field)
    t.is((error as Error & { field?: string }).field, field)
  }
  const spa = createClient(server.db.knex, {
    kind: 'spa',
    name: 'Page',
    redirectUris: [REDIRECT],
    profile: 'fapi2',
    actor: 'test',
  })
  await t.throwsAsync(spa, undefined, 'a page in a browser keeps no key')
  const { client } = await createClient(server.db.knex, base)
  await t.throwsAsync(updateClient(server.db.knex, client.id, { requirePar: false }, { actor: 'test' }), {
    message: /profile fapi2: authorization requests are pushed/,
  })
})

interface Fapi {
  client: TestClient
  privateKey: CryptoKey
  proofKey: ProofKey
}

async function fapi(t: ExecutionContext, alg = 'ES256'): Promise<Fapi> {
  const { privateKey, jwks } = await keyPair(alg)
  const client = await buildClient(server.db, { profile: 'fapi2', jwks, firstParty: true })
  t.is(client.client_secret, undefined)
  return { client, privateKey, proofKey: await newProofKey() }
}

async function send(
  { client, privateKey }: Fapi,
  path: string,
  form: Record<string, string>,
  proof?: string,
  alg = 'ES256',
) {
  const { client_id: id } = client
  const now = Math.floor(Date.now() / 1000)
  const client_assertion = await new SignJWT({
    iss: id,
    sub: id,
    aud: server.issuer,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
  })
    .setProtectedHeader({ alg })
    .sign(privateKey)
  const body = new URLSearchParams({ client_id: id, client_assertion_type: TYPE, client_assertion, ...form })
  const headers = proof === undefined ? {} : { dpop: proof }
  const response = await fetch(server.issuer + path, { method: 'POST', body, headers })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}

const REQUEST = {
  response_type: 'code',
  scope: 'openid orders:read',
  redirect_uri: REDIRECT,
  resource: API,
  code_challenge: 'x'.repeat(43),
  code_challenge_method: 'S256',
}

test('fapi2: openid-client completes it; the ID token is ES256, the code short-lived, the refresh token stays', async (t) => {
  const { client, privateKey } = await fapi(t)
  const config = await oidc.discovery(
    new URL(server.issuer),
    client.client_id,
    { id_token_signed_response_alg: 'ES256' },
    oidc.PrivateKeyJwt(privateKey),
    { execute: [oidc.allowInsecureRequests] },
  )
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
  const verifier = oidc.randomPKCECodeVerifier()
  const url = await oidc.buildAuthorizationUrlWithPAR(
    config,
    { ...REQUEST, code_challenge: await oidc.calculatePKCECodeChallenge(verifier) },
    { DPoP },
  )
  const visitor = new Visitor(server.issuer)
  const end = await visitor.signIn(await visitor.open(url.href), await buildUser(server.db))
  const [code] = await server.db
    .knex('artifacts')
    .where({ model: 'AuthorizationCode', client_id: client.client_id })
    .select<{ seconds: string }[]>(server.db.knex.raw('extract(epoch from expires_at - now()) as seconds'))
  t.true(Number(code?.seconds) <= 60)
  const tokens = await oidc.authorizationCodeGrant(
    config,
    new URL(end.url),
    { pkceCodeVerifier: verifier },
    undefined,
    { DPoP },
  )
  t.is(tokens.token_type, 'dpop')
  t.is(decodeProtectedHeader(tokens.id_token ?? '').alg, 'ES256')
  t.is(decodeProtectedHeader(tokens.access_token).alg, 'ES256', 'though its API asks for no other than RS256')

  const first = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '', { resource: API }, { DPoP })
  t.true(first.refresh_token === undefined || first.refresh_token === tokens.refresh_token)
  const second = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '', { resource: API }, { DPoP })
  t.truthy(second.access_token)
})

test('fapi2: a request that breaks a rule is told which', async (t) => {
  const it = await fapi(t)
  const unpushed = await ask(new Visitor(server.issuer), it.client, { resource: API })
  t.is(unpushed.error, 'invalid_request')
  t.regex(unpushed.parameters.get('error_description') ?? '', /profile fapi2: authorization requests must be pushed/)
  t.is(unpushed.parameters.get('iss'), server.issuer)

  const { redirect_uri: _, ...bare } = REQUEST
  const elsewhere = await send(it, '/par', bare)
  t.is(elsewhere.status, 400)
  t.regex(elsewhere.body.error_description ?? '', /redirect_uri/)
  t.is((await send(it, '/par', REQUEST)).status, 201)

  const rsa = await fapi(t, 'RS256')
  const signed = await send(rsa, '/par', REQUEST, undefined, 'RS256')
  t.deepEqual([signed.status, signed.body.error], [401, 'invalid_client'])
  t.regex(signed.body.error_description ?? '', /profile fapi2: assertions are signed with/)

  const grant = { grant_type: 'refresh_token', refresh_token: 'x' }
  const unproven = await send(it, '/token', {
    grant_type: 'authorization_code',
    code: 'x',
    redirect_uri: REDIRECT,
    code_verifier: 'x'.repeat(43),
  })
  t.is(unproven.status, 400)
  const proof = await proofOf(it.proofKey, { htu: `${server.issuer}/token` })
  t.is((await send(it, '/token', grant, proof)).status, 400)
  const secretly = await fetch(`${server.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${it.client.client_id}:secret`)}` },
    body: new URLSearchParams(grant),
  })
  t.is(secretly.status, 401)
})

test('fapi2: tokens are given for a proof of the key and not without', async (t) => {
  const it = await fapi(t)
  const { privateKey, jwks } = await keyPair()
  const machine = await buildClient(server.db, { kind: 'service', profile: 'fapi2', jwks })
  const asking = { ...it, client: machine, privateKey }
  const grant = { grant_type: 'client_credentials', resource: API }
  const unproven = await send(asking, '/token', grant)
  t.is(unproven.status, 400)
  t.regex(unproven.body.error_description ?? '', /profile fapi2: .* DPoP proof/)
})

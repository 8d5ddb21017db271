/** Clients that prove themselves with a key: by two client libraries and by hand, over two instances. */
import test from 'ava'
import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey, type JWK } from 'jose'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { updateClient } from '../../src/registry/clients/update.ts'
import type { ClientKeys } from '../../src/registry/clients/client-keys.ts'
import { rotateSecret } from '../../src/registry/clients/rotate-secret.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { API, buildClient, buildResource } from '../support/registry.ts'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const stops: (() => unknown)[] = []
let server: TestServer
let other: TestServer

test.before(async () => {
  const file: Teardown = { teardown: (stop) => void stops.push(stop) }
  const MASTER_KEY = Buffer.alloc(32, 7).toString('base64')
  server = await startAuthServer(file, { MASTER_KEY })
  other = await startAuthServer(file, { MASTER_KEY, DATABASE_URL: server.databaseUrl, ISSUER: server.issuer })
  await buildResource(server.db)
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

interface Signer {
  id: string
  alg: string
  privateKey: CryptoKey
  publicJwk: JWK
}

async function signer(alg = 'ES256'): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const publicJwk = { ...(await exportJWK(publicKey)), kid: randomUUID() }
  const jwks = { keys: [publicJwk] } as ClientKeys
  const { client_id: id, client_secret } = await buildClient(server.db, { kind: 'service', jwks })
  if (client_secret !== undefined) throw new Error('a client with keys got a secret')
  return { id, alg, privateKey, publicJwk }
}

async function assertion({ id, alg, privateKey }: Signer, claims: Record<string, unknown> = {}, header = {}) {
  const now = Math.floor(Date.now() / 1000)
  const all = { iss: id, sub: id, aud: server.issuer, jti: randomUUID(), iat: now, exp: now + 60, ...claims }
  return new SignJWT(all).setProtectedHeader({ alg, ...header }).sign(privateKey)
}

async function ask(client_assertion: string, at = server, path = '/token', more: Record<string, string> = {}) {
  const body = new URLSearchParams({ client_assertion_type: TYPE, client_assertion, ...more })
  if (path === '/token') body.set('grant_type', 'client_credentials')
  const response = await fetch(at.issuer + path, { method: 'POST', body })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

for (const alg of ['ES256', 'Ed25519', 'EdDSA', 'PS256', 'RS256']) {
  test(`a client proves itself with ${alg}, by hand and with oauth4webapi or openid-client`, async (t) => {
    const who = await signer(alg)
    t.is((await ask(await assertion(who))).status, 200)
    if (alg === 'EdDSA') return
    const issuer = new URL(server.issuer)
    const http = { [oauth.allowInsecureRequests]: true }
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http))
    const auth = oauth.PrivateKeyJwt(who.privateKey)
    const client = { client_id: who.id }
    const response = await oauth.clientCredentialsGrantRequest(as, client, auth, { resource: API }, http)
    t.truthy((await oauth.processClientCredentialsResponse(as, client, response)).access_token)

    const execute = [oidc.allowInsecureRequests]
    const config = await oidc.discovery(issuer, who.id, undefined, oidc.PrivateKeyJwt(who.privateKey), { execute })
    const tokens = await oidc.clientCredentialsGrant(config, { resource: API })
    const told = await oidc.tokenIntrospection(config, tokens.access_token)
    t.like(told, { active: true, sub: who.id })
  })
}

test('an assertion counts once over all instances, at whatever endpoint', async (t) => {
  const who = await signer()
  const value = await assertion(who)
  const at = (index: number) => (index % 2 ? other : server)
  const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(value, at(index))))
  t.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 401, 401, 401, 401, 401, 401, 401])
  const again = await ask(value, other, '/introspect', { token: 'x' })
  t.is(again.status, 401)
  t.is(again.body.error, 'invalid_client')
})

test('the record of an assertion outlives its acceptance', async (t) => {
  const before = Date.now()
  await ask(await assertion(await signer()))
  const { expires_at } = await server.db.knex('replays').orderBy('expires_at', 'desc').first<{ expires_at: Date }>()
  t.true(expires_at.getTime() > before + 75_000)
})

const now = () => Math.floor(Date.now() / 1000)
const refused: [string, (who: Signer) => Promise<string> | string][] = [
  ['the token endpoint as audience', (who) => assertion(who, { aud: `${server.issuer}/token` })],
  ['the issuer among other audiences', (who) => assertion(who, { aud: [server.issuer, `${server.issuer}/token`] })],
  ['the issuer with a slash', (who) => assertion(who, { aud: `${server.issuer}/` })],
  ['no audience', (who) => assertion(who, { aud: undefined })],
  ['an end that is over', (who) => assertion(who, { exp: now() - 60 })],
  ['an end too far ahead', (who) => assertion(who, { exp: now() + 400 })],
  ['no end', (who) => assertion(who, { exp: undefined })],
  ['a time to come', (who) => assertion(who, { nbf: now() + 120 })],
  ['a date of issue to come', (who) => assertion(who, { iat: now() + 90 })],
  ['no id', (who) => assertion(who, { jti: undefined })],
  ['an id that is no text', (who) => assertion(who, { jti: { a: 1 } })],
  ['another issuer', (who) => assertion(who, { iss: 'cli_someone' })],
  ['a type of another purpose', (who) => assertion(who, {}, { typ: 'at+jwt' })],
  ['the key of another client', async (who) => assertion({ ...(await signer()), id: who.id })],
  [
    'the key of another client under its kid',
    async (who) => {
      return assertion({ ...(await signer()), id: who.id }, {}, { kid: who.publicJwk.kid })
    },
  ],
  [
    'no signature',
    ({ id }) => {
      const claims = { iss: id, sub: id, aud: server.issuer, jti: randomUUID(), exp: now() + 60 }
      return new UnsecuredJWT(claims).encode()
    },
  ],
  [
    'the public key as a shared secret',
    ({ id, publicJwk }) => {
      const claims = { iss: id, sub: id, aud: server.issuer, jti: randomUUID(), exp: now() + 60 }
      const secret = Buffer.from(JSON.stringify(publicJwk).padEnd(32))
      return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret)
    },
  ],
]

for (const [what, make] of refused) {
  test(`an assertion is refused with ${what}`, async (t) => {
    const who = await signer()
    const { status, body } = await ask(await make(who))
    t.is(status, 401)
    t.is(body.error, 'invalid_client')
    t.is((await ask(await assertion(who))).status, 200, 'the client itself is still let in')
  })
}

test('a client with keys has no secret that would let it in, before or after', async (t) => {
  const was = await buildClient(server.db, { kind: 'service' })
  const { publicJwk } = await signer()
  const change = { tokenEndpointAuthMethod: 'private_key_jwt', jwks: { keys: [publicJwk] } as ClientKeys } as const
  await updateClient(server.db.knex, was.client_id, change, { actor: 'test' })
  const bySecret = () =>
    fetch(`${server.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${was.client_id}:${was.client_secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
  t.is((await bySecret()).status, 401)
  const rotation = { clientId: was.client_id, overlapSeconds: 0, actor: 'test' }
  await t.throwsAsync(rotateSecret(server.db.knex, rotation), { message: /proves itself with a key/ })
  const back = { tokenEndpointAuthMethod: 'client_secret_basic' } as const
  t.is((await updateClient(server.db.knex, was.client_id, back, { actor: 'test' })).jwks, null)
  t.is((await bySecret()).status, 401, 'the secret of before stays dead')
})

test('a new set of keys takes the place of the old one at once, on every instance', async (t) => {
  const [who, next] = await Promise.all([signer(), signer()])
  t.is((await ask(await assertion(who), other)).status, 200)
  await updateClient(server.db.knex, who.id, { jwks: { keys: [next.publicJwk] } as ClientKeys }, { actor: 'test' })
  t.is((await ask(await assertion(who), other)).status, 401)
  t.is((await ask(await assertion({ ...next, id: who.id }), other)).status, 200)
})

test('private, symmetric, weak and foreign keys are refused with a reason', async (t) => {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const good = await exportJWK(pair.publicKey)
  const weak = {
    kty: 'RSA',
    n: Buffer.concat([Buffer.from([0xc1]), Buffer.alloc(127, 0xab)]).toString('base64url'),
    e: 'AQAB',
  }
  const bad: [unknown, RegExp][] = [
    [{ keys: [await exportJWK(pair.privateKey)] }, /private part/],
    [{ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] }, /private part/],
    [{ keys: [weak] }, /1024 bits/],
    [{ keys: [{ ...good, crv: 'P-384' }] }, /EC P-256/],
    [{ keys: [{ ...good, use: 'enc' }] }, /not for signatures/],
    [{ keys: [{ ...good, alg: 'HS256' }] }, /alg "HS256"/],
    [{ keys: [{ ...good, x: 'AAAA' }] }, /can not be read/],
    [{ keys: [] }, /1 to 10 keys/],
    [
      {
        keys: [
          { ...good, kid: 'a' },
          { ...good, kid: 'a' },
        ],
      },
      /same kid/,
    ],
    [[good], /JWK Set/],
    [good, /JWK Set/],
  ]
  for (const [jwks, message] of bad) {
    await t.throwsAsync(buildClient(server.db, { kind: 'service', jwks: jwks as ClientKeys }), { message })
  }
  const withSecret = { kind: 'service', tokenEndpointAuthMethod: 'client_secret_basic' } as const
  await t.throwsAsync(buildClient(server.db, { ...withSecret, jwks: { keys: [good] } as ClientKeys }), {
    message: /keys are/,
  })
  const spa = { kind: 'spa', tokenEndpointAuthMethod: 'private_key_jwt' } as const
  await t.throwsAsync(buildClient(server.db, { ...spa, jwks: { keys: [good] } as ClientKeys }), {
    message: /spa client/,
  })
})

test('discovery tells of the method and its algorithms, and of no symmetric one', async (t) => {
  const response = await fetch(`${server.issuer}/.well-known/openid-configuration`)
  const metadata = (await response.json()) as Record<string, string[]>
  const methods = ['client_secret_basic', 'client_secret_post', 'none', 'private_key_jwt']
  t.deepEqual(metadata.token_endpoint_auth_methods_supported?.toSorted(), methods)
  const algorithms = ['ES256', 'Ed25519', 'EdDSA', 'PS256', 'RS256']
  t.deepEqual(metadata.token_endpoint_auth_signing_alg_values_supported?.toSorted(), algorithms.toSorted())
})

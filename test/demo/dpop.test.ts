/** The whole way: tokens of the authorization server, bound to a key, at two instances of the demo orders API. */
import test from 'ava'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { startDemo } from '../../src/demo/server.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { emptyDatabaseUrl } from '../support/database.ts'
import { fileScope } from '../support/demo.ts'
import { newProofKey, proofOf, send, type ProofKey } from '../support/dpop.ts'
import { freePort } from '../support/free-port.ts'
import { buildClient, buildResource, type TestClient } from '../support/registry.ts'

const scope = fileScope()
let server: TestServer
let service: TestClient
/** What clients call; the other instance stands behind the same name. */
let api: string
let beside: string

test.before(async () => {
  server = await startAuthServer(scope)
  const [port, other] = [await freePort(), await freePort()]
  api = `http://localhost:${port}`
  beside = `http://localhost:${other}`
  const url = await emptyDatabaseUrl(scope)
  for (const one of [port, other]) {
    const demo = await startDemo(
      {
        listen: { host: '127.0.0.1', port: one },
        url: api,
        issuer: server.issuer,
        database: { url, dataDirectory: '' },
        clientId: undefined,
        webhookSecret: undefined,
        origins: [],
        rateLimit: 'off',
        log: { level: 'silent' },
      },
      { log: createLogger({ level: 'silent' }), checkAnswers: true },
    )
    scope.teardown(() => demo.close())
  }
  await buildResource(server.db, { audience: api })
  service = await buildClient(server.db, {
    kind: 'service',
    access: [{ resource: api, scopes: ['orders:read', 'orders:write'] }],
    dpopBoundAccessTokens: true,
  })
})
test.after.always(() => scope.end())

type KeyPair = Awaited<ReturnType<typeof oauth.generateKeyPair>>

const plainHttp = { [oauth.allowInsecureRequests]: true } as const
const orders = '/api/v2/users/me/orders'

async function tokenFor(keys: KeyPair): Promise<string> {
  const execute = { execute: [oidc.allowInsecureRequests] }
  const auth = oidc.ClientSecretBasic(service.client_secret)
  const config = await oidc.discovery(new URL(server.issuer), service.client_id, undefined, auth, execute)
  const DPoP = oidc.getDPoPHandle(config, keys)
  return (await oidc.clientCredentialsGrant(config, {}, { DPoP })).access_token
}

/** A key for proofs by hand, and a token that is bound to it. */
async function bound(): Promise<{ key: ProofKey; token: string }> {
  const key = await newProofKey()
  return { key, token: await tokenFor({ privateKey: key.privateKey, publicKey: key.publicKey } as KeyPair) }
}

function call(at: string, authorization: string, proofs: string[] = [], host = new URL(api).host) {
  const headers = [['Host', host], ['Authorization', authorization], ...proofs.map((proof) => ['DPoP', proof])] as [
    string,
    string,
  ][]
  return send(`${at}${orders}?limit=2`, { headers })
}

test('openid-client calls the API with proofs, and so does oauth4webapi; the metadata says that they may', async (t) => {
  const metadata = await oauth.processResourceDiscoveryResponse(
    new URL(api),
    await oauth.resourceDiscoveryRequest(new URL(api), plainHttp),
  )
  t.deepEqual(metadata.dpop_signing_alg_values_supported, ['ES256', 'Ed25519', 'EdDSA'])
  t.is(metadata.dpop_bound_access_tokens_required, false)
  for (const alg of ['ES256', 'Ed25519']) {
    const keys = await oauth.generateKeyPair(alg)
    const token = await tokenFor(keys)
    const DPoP = oauth.DPoP({}, keys)
    const place = new URL(`${api}${orders}`)
    const placed = await oauth.protectedResourceRequest(
      token,
      'POST',
      place,
      new Headers({ 'content-type': 'application/json' }),
      JSON.stringify({ item: 'Coffee', amount_cents: 500 }),
      { DPoP, ...plainHttp },
    )
    t.is(placed.status, 201)
    const execute = { execute: [oidc.allowInsecureRequests] }
    const config = await oidc.discovery(new URL(server.issuer), service.client_id, undefined, undefined, execute)
    const own = oidc.getDPoPHandle(config, keys)
    const listed = await oidc.fetchProtectedResource(config, token, place, 'GET', undefined, undefined, { DPoP: own })
    t.is(listed.status, 200)
  }
})

test('a proof is taken by one of two instances, once', async (t) => {
  const { key, token } = await bound()
  const proof = await proofOf(key, { htm: 'GET', htu: `${api}${orders}`, token })
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) => call(index % 2 === 0 ? api : beside, `DPoP ${token}`, [proof])),
  )
  t.deepEqual(answers.map(({ status }) => status).toSorted(), [200, ...Array.from({ length: 9 }, () => 401)])
  const refused = answers.find(({ status }) => status === 401)
  t.regex(refused?.headers.get('www-authenticate') ?? '', /^DPoP .*error="invalid_dpop_proof".*algs="ES256/)
  t.regex(refused?.headers.get('content-type') ?? '', /problem\+json/)
})

test('a bound token is refused as a bearer’s, with two proofs, and with one for another address', async (t) => {
  const { key, token } = await bound()
  const proof = (htu: string) => proofOf(key, { htm: 'GET', htu, token })
  const bearer = await call(api, `Bearer ${token}`)
  t.is(bearer.status, 401)
  t.regex(bearer.headers.get('www-authenticate') ?? '', /error="invalid_token".*DPoP .*algs=/)
  const good = `${api}${orders}`
  t.is((await call(api, `DPoP ${token}`, [await proof(good), await proof(good)])).status, 401)
  t.is((await call(api, `DPoP ${token}`)).status, 401)
  // The address of the instance itself counts as little as any name that a Host header gives it.
  t.is((await call(beside, `DPoP ${token}`, [await proof(`${beside}${orders}`)], new URL(beside).host)).status, 401)
  t.is((await call(api, `DPoP ${token}`, [await proof(`http://evil.test${orders}`)], 'evil.test')).status, 401)
  t.is((await call(beside, `DPoP ${token}`, [await proof(good)])).status, 200)
})

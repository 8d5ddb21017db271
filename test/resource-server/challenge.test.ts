import test from 'ava'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { request } from 'node:http'
import Koa from 'koa'
import {
  authenticate,
  createTokenVerifier,
  protect,
  protectedResourceMetadata,
  protectedResourceMetadataPath,
  protectedResourceMetadataUrl,
  TokenError,
  type RequestHeaders,
  type TokenVerifier,
} from '../../src/resource-server/index.ts'
import { startFakeIssuer, type FakeIssuer } from '../support/fake-issuer.ts'

const audience = 'https://api.example.com/orders'
const metadata = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/orders"'
let issuer: FakeIssuer
let verifier: TokenVerifier
let good: string
test.before(async () => {
  issuer = await startFakeIssuer({ audience })
  verifier = createTokenVerifier({ issuer: issuer.url, audience })
  good = await issuer.accessToken()
})
test.after.always(() => issuer.stop())

const refusal = async (headers: RequestHeaders, scope?: string): Promise<TokenError> => {
  const outcome: unknown = await authenticate(headers, verifier, scope === undefined ? {} : { scope }).catch(
    (error: unknown) => error,
  )
  if (outcome instanceof TokenError) return outcome
  throw new Error('not refused')
}

test('without credentials the challenge names no error', async (t) => {
  for (const headers of [{}, [], new Headers(), { authorization: 'Basic eDp5' }, { authorization: 'DPoP abc' }]) {
    const error = await refusal(headers, 'orders:read')
    t.is(error.status, 401)
    t.is(error.error, undefined)
    t.is(error.challenge, `Bearer ${metadata}, scope="orders:read"`)
  }
})

test('a bad token is invalid_token, with the scope that is needed', async (t) => {
  const error = await refusal({ authorization: 'Bearer nonsense' }, 'orders:read')
  t.is(error.status, 401)
  t.is(
    error.challenge,
    `Bearer ${metadata}, error="invalid_token", ` +
      'error_description="The access token is malformed or was not signed by the issuer", scope="orders:read"',
  )
})

test('too little scope is 403 with what is needed beside what was granted, so that a client loses nothing by asking for it', async (t) => {
  const error = await refusal({ authorization: `Bearer ${good}` }, 'orders:delete')
  t.is(error.status, 403)
  t.is(
    error.challenge,
    `Bearer ${metadata}, error="insufficient_scope", ` +
      'error_description="The access token does not cover this request", scope="orders:read orders:write orders:delete"',
  )
})

test('malformed or ambiguous credentials are 400 invalid_request', async (t) => {
  const malformed: RequestHeaders[] = [
    { authorization: 'Bearer' },
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${good} ${good}` },
    { authorization: 'Bearer a"b' },
    { authorization: 'Bearer ä' },
    { authorization: [`Bearer ${good}`, `Bearer ${good}`] },
    ['Authorization', `Bearer ${good}`, 'authorization', `Bearer ${good}`],
    ['Authorization', 'Basic eDp5', 'authorization', `Bearer ${good}`],
    new Headers([
      ['authorization', `Bearer ${good}`],
      ['authorization', `Bearer ${good}`],
    ]),
  ]
  for (const headers of malformed) {
    const error = await refusal(headers)
    t.is(error.status, 400, JSON.stringify(headers))
    t.is(error.error, 'invalid_request')
    t.regex(error.challenge!, /^Bearer resource_metadata="[^"]+", error="invalid_request", error_description="[^"]+"$/)
  }
})

test('good credentials pass in every shape of headers', async (t) => {
  const shapes: RequestHeaders[] = [
    { authorization: `Bearer ${good}` },
    { Authorization: `bearer  ${good}` },
    { authorization: [`BEARER ${good}`] },
    ['Host', 'api.example.com', 'AUTHORIZATION', `Bearer ${good}`],
    ['authorization-hint', 'x', 'Authorization', `Bearer ${good}`],
    new Headers({ authorization: `Bearer ${good}` }),
  ]
  for (const headers of shapes) {
    t.is((await authenticate(headers, verifier, { scope: 'orders:read' })).subject, 'usr_ada')
  }
})

test('an audience that is no URL stands in the challenge as realm, quoted', async (t) => {
  const named = createTokenVerifier({ issuer: issuer.url, audience: 'the "orders" \\ API' })
  const error = await t.throwsAsync(authenticate({}, named), { instanceOf: TokenError })
  t.is(error.challenge, 'Bearer realm="the \\"orders\\" \\\\ API"')
})

test('nothing out of a token or a request is reflected', async (t) => {
  const token = await issuer.accessToken({ claims: { iss: 'evil", error="x' }, header: { kid: 'evil", x="' } })
  const error = await refusal({ authorization: `Bearer ${token}` })
  t.notRegex(error.challenge! + error.message, /evil/)
})

test('as Koa middleware it answers with status and challenge, and hands the token on', async (t) => {
  const app = new Koa()
  app.use(protect(verifier, { scope: 'orders:read' }))
  app.use((ctx) => {
    ctx.body = { subject: (ctx.state as { token: { subject: string } }).token.subject }
  })
  const server = createServer((incoming, response) => void app.callback()(incoming, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

  const bare = await fetch(url)
  t.is(bare.status, 401)
  t.is(bare.headers.get('www-authenticate'), `Bearer ${metadata}, scope="orders:read"`)

  const inQuery = await fetch(`${url}?access_token=${good}`)
  t.is(inQuery.status, 401)
  t.notRegex(inQuery.headers.get('www-authenticate')!, /error/)

  const passed = await fetch(url, { headers: { authorization: `Bearer ${good}` } })
  t.deepEqual(await passed.json(), { subject: 'usr_ada' })

  t.is(await statusOfTwoHeaders(url), 400)
})

async function statusOfTwoHeaders(url: string): Promise<number | undefined> {
  const twice = request(url, {
    headers: [
      ['authorization', `Bearer ${good}`],
      ['authorization', `Bearer ${good}`],
    ].flat(),
  })
  twice.end()
  const [response] = (await once(twice, 'response')) as [import('node:http').IncomingMessage]
  response.resume()
  return response.statusCode
}

test('the metadata stands where path insertion puts it', (t) => {
  t.is(protectedResourceMetadataPath('https://api.example.com'), '/.well-known/oauth-protected-resource')
  t.is(protectedResourceMetadataPath('https://api.example.com/'), '/.well-known/oauth-protected-resource')
  t.is(protectedResourceMetadataPath('https://api.example.com/a/b'), '/.well-known/oauth-protected-resource/a/b')
  t.is(
    protectedResourceMetadataUrl('https://api.example.com/a?tenant=1'),
    'https://api.example.com/.well-known/oauth-protected-resource/a?tenant=1',
  )
  t.throws(() => protectedResourceMetadataUrl('https://api.example.com/#x'))
  t.throws(() => protectedResourceMetadataUrl('urn:example:api'))
})

test('the metadata says who issues tokens and how they are sent', (t) => {
  const resource = 'https://api.example.com'
  t.deepEqual(
    protectedResourceMetadata({
      resource,
      issuer: 'https://login.example.com',
      scopes: ['a', 'b'],
      documentation: `${resource}/docs`,
    }),
    {
      resource,
      authorization_servers: ['https://login.example.com'],
      scopes_supported: ['a', 'b'],
      bearer_methods_supported: ['header'],
      resource_documentation: `${resource}/docs`,
    },
  )
  t.false('resource_documentation' in protectedResourceMetadata({ resource, issuer: 'https://x.test', scopes: [] }))
})

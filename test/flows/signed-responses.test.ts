/** Signed answers to authorization requests (JARM): by two client libraries, errors and consent included. */
import test from 'ava'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { buildClient, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { redeem, Visitor, type Page } from '../support/visitor.ts'

const insecure = { [oauth.allowInsecureRequests]: true } as const
const MODES = ['jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt']
const stops: (() => unknown)[] = []
let server: TestServer
let issuer: string
let app: TestClient
let as: oauth.AuthorizationServer
/** Of somebody who is signed in. */
let browser: Visitor

test.before(async () => {
  server = await startAuthServer({ teardown: (stop) => void stops.push(stop) })
  issuer = server.issuer
  app = await buildClient(server.db, { firstParty: true, access: [] })
  browser = new Visitor(issuer)
  await browser.authorize(app, await buildUser(server.db))
  const url = new URL(issuer)
  as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure))
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

/** Everything that reaches the client, whichever way it comes. */
function given({ url, html }: Page): URLSearchParams {
  const end = new URL(url)
  if (end.origin !== issuer) return end.hash ? new URLSearchParams(end.hash.slice(1)) : end.searchParams
  const inputs = [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)]
  return new URLSearchParams(inputs.map(([, name = '', value = '']): [string, string] => [name, value]))
}

async function ask(parameters: Record<string, string>, client = app) {
  const { url, verifier, state } = browser.request_uri(client, { parameters })
  const page = await browser.open(url)
  return { page, verifier, state, parameters: given(page) }
}

for (const response_mode of MODES) {
  test(`oauth4webapi takes the answer in ${response_mode}, which is signed and nothing else`, async (t) => {
    const { page, parameters, state, verifier } = await ask({ response_mode })
    t.deepEqual([...parameters.keys()], ['response'])
    t.is(page.headers.get('cache-control'), 'no-store')
    const answer = await oauth.validateJwtAuthResponse(as, { client_id: app.client_id }, parameters, state, insecure)
    const { exp = 0 } = decodeJwt(parameters.get('response') ?? '')
    t.true(exp - Date.now() / 1000 <= 121)
    const code = answer.get('code') ?? undefined
    const url = new URL(REDIRECT)
    const { status } = await redeem(issuer, app, { url, code, verifier, state, error: undefined, parameters: answer })
    t.is(status, 200)
  })

  test(`an error in ${response_mode} is signed as well`, async (t) => {
    const { parameters, state } = await ask({ response_mode, prompt: 'nonsense' })
    t.deepEqual([...parameters.keys()], ['response'])
    const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`))
    const options = { issuer, audience: app.client_id, algorithms: ['RS256'] }
    const { payload } = await jwtVerify(parameters.get('response') ?? '', keys, options)
    t.like(payload, { error: 'invalid_request', state })
    t.false('code' in payload)
    const client = { client_id: app.client_id }
    const refused = oauth.validateJwtAuthResponse(as, client, parameters, state, insecure)
    t.is((await t.throwsAsync<oauth.AuthorizationResponseError>(refused)).error, 'invalid_request')
  })
}

test('openid-client completes the flow with signed answers', async (t) => {
  const auth = oidc.ClientSecretBasic(app.client_secret ?? '')
  const execute = [oidc.allowInsecureRequests, oidc.useJwtResponseMode]
  const config = await oidc.discovery(new URL(issuer), app.client_id, undefined, auth, { execute })
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: 'openid',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  const end = new URL((await browser.open(url.href)).url)
  t.truthy((await oidc.authorizationCodeGrant(config, end, { pkceCodeVerifier })).access_token)
})

test('an answer is of use to its own client and state alone, and not when it was changed', async (t) => {
  const { parameters, state } = await ask({ response_mode: 'jwt' })
  const other = await buildClient(server.db, { access: [] })
  const check = (client_id: string, response: string, expected = state) =>
    oauth.validateJwtAuthResponse(as, { client_id }, new URLSearchParams({ response }), expected, insecure)
  const response = parameters.get('response') ?? ''
  const [header, , signature] = response.split('.')
  const claims = Buffer.from(JSON.stringify({ ...decodeJwt(response), code: 'x' })).toString('base64url')
  await t.throwsAsync(check(other.client_id, response))
  await t.throwsAsync(check(app.client_id, response, 'another'))
  await t.throwsAsync(check(app.client_id, `${header}.${claims}.${signature}`))
  t.truthy(await check(app.client_id, response))
})

test('a signed answer is no token: not at userinfo, and nobody is signed out by it', async (t) => {
  const { parameters } = await ask({ response_mode: 'jwt' })
  const response = parameters.get('response') ?? ''
  const asked = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${response}` } })
  t.is(asked.status, 401)
  await browser.open(`/logout?${new URLSearchParams({ id_token_hint: response })}`)
  t.truthy((await ask({ prompt: 'none' })).parameters.get('code'), 'the person is signed in as before')
})

test('consent leads on to the client, and its page lets forms go nowhere else', async (t) => {
  const client = await buildClient(server.db, { access: [] })
  for (const response_mode of MODES) {
    const { page } = await ask({ response_mode, prompt: 'consent' }, client)
    t.regex(page.headers.get('content-security-policy') ?? '', /form-action 'self' https:\/\/app\.example\.com(;|$)/)
    const end = await browser.allow(page)
    const { code } = decodeJwt<{ code?: string }>(given(end).get('response') ?? '')
    t.truthy(code, response_mode)
  }
})

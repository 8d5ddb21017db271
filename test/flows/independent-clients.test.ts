/**
 * Two client libraries that know nothing of Grantry, and check everything that the standards let a client check, complete
 * every grant for every kind of client: what they find they find by discovery.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { API, buildClient, buildResource, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { Visitor, type Credentials } from '../support/visitor.ts'

type AuthMethod = 'client_secret_basic' | 'client_secret_post' | 'none'

interface Tokens {
  access_token: string
  refresh_token?: string | undefined
  sub: string | undefined
}

/** An app written with one of the libraries. */
interface App {
  /** @returns where to send the person, and what to do with the address at which they come back */
  begin(parameters: Record<string, string>): Promise<{ url: string; finish: (callback: URL) => Promise<Tokens> }>
  refresh(token: string): Promise<Tokens>
  userinfo(accessToken: string, sub: string): Promise<Record<string, unknown>>
  clientCredentials(parameters: Record<string, string>): Promise<{ access_token: string; scope?: string | undefined }>
}

type MakeApp = (issuer: string, client: TestClient, method: AuthMethod) => Promise<App>

const libraries: Record<string, MakeApp> = { 'openid-client': withOpenidClient, oauth4webapi: withOauth4webapi }

const stops: (() => unknown)[] = []
let server: TestServer

test.before(async () => {
  const file: Teardown = { teardown: (stop) => void stops.push(stop) }
  server = await startAuthServer(file)
  await buildResource(server.db)
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

for (const [library, makeApp] of Object.entries(libraries)) {
  for (const method of ['client_secret_basic', 'client_secret_post'] as const) {
    test(`${library}: a web client (${method}) completes code and refresh, userinfo and a resource`, async (t) => {
      const client = await buildClient(server.db, { tokenEndpointAuthMethod: method })
      await complete(t, await makeApp(server.issuer, client, method), client)
    })

    test(`${library}: a service (${method}) completes client credentials`, async (t) => {
      const client = await buildClient(server.db, { kind: 'service', tokenEndpointAuthMethod: method })
      const app = await makeApp(server.issuer, client, method)
      const { access_token, scope } = await app.clientCredentials({ scope: 'orders:read', resource: API })
      t.is(scope, 'orders:read')
      t.like(await validate(access_token), { sub: client.client_id, client_id: client.client_id, scope: 'orders:read' })
    })
  }

  test(`${library}: a single-page app completes code and refresh, userinfo and a resource`, async (t) => {
    const client = await buildClient(server.db, { kind: 'spa' })
    await complete(t, await makeApp(server.issuer, client, 'none'), client)
  })

  test(`${library}: a native app completes code and refresh on a loopback port that was free`, async (t) => {
    const registered = await buildClient(server.db, { kind: 'native', redirectUris: ['http://127.0.0.1/callback'] })
    const listener = await listenOnLoopback(t)
    const client = { ...registered, redirect_uri: listener.redirectUri }
    await complete(t, await makeApp(server.issuer, client, 'none'), client, listener.visit)
  })

  test(`${library}: an answer with a foreign iss, without one, with another state or nonce is refused`, async (t) => {
    const client = await buildClient(server.db, { kind: 'spa', firstParty: true })
    const app = await makeApp(server.issuer, client, 'none')
    const [browser, person] = [new Visitor(server.issuer), await buildUser(server.db)]
    const answer = async () => {
      const begun = await app.begin({ scope: 'openid', redirect_uri: client.redirect_uri })
      return { ...begun, callback: await signInAt(browser, begun.url, person) }
    }
    const { callback, finish } = await answer()
    t.is(callback.searchParams.get('iss'), server.issuer)
    for (const [name, value] of [
      ['iss', 'https://other.example.com'],
      ['iss', undefined],
      ['state', 'other'],
    ] as const) {
      const bent = new URL(callback)
      if (value === undefined) bent.searchParams.delete(name)
      else bent.searchParams.set(name, value)
      await t.throwsAsync(finish(bent), undefined, `${name} ${value}`)
    }
    const another = await answer()
    const swapped = new URL(another.callback)
    swapped.searchParams.set('state', callback.searchParams.get('state') ?? '')
    await t.throwsAsync(finish(swapped), undefined, 'the code of another request: neither PKCE nor nonce fit')
    t.truthy((await finish(callback)).sub, 'the answer as it came is good')
  })
}

test('both well-known documents say the same, and each library finds its way by either', async (t) => {
  const documents = await Promise.all(
    ['openid-configuration', 'oauth-authorization-server'].map(async (name) => {
      const response = await fetch(`${server.issuer}/.well-known/${name}`)
      t.is(response.status, 200)
      return (await response.json()) as Record<string, unknown>
    }),
  )
  t.deepEqual(documents[0], documents[1])
  t.like(documents[0], {
    issuer: server.issuer,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  })
  const urls = Object.entries(documents[0] ?? {}).filter(([name]) => /_(endpoint|uri)$/.test(name))
  t.true(urls.length >= 5)
  for (const [name, url] of urls) t.true(String(url).startsWith(`${server.issuer}/`), name)

  for (const algorithm of ['oidc', 'oauth2'] as const) {
    const found = await oidc.discovery(new URL(server.issuer), 'x', undefined, oidc.None(), { algorithm, ...insecure })
    t.like(found.serverMetadata(), { issuer: server.issuer, jwks_uri: `${server.issuer}/jwks` })
    t.like(await discover(server.issuer, algorithm), { issuer: server.issuer, jwks_uri: `${server.issuer}/jwks` })
  }
})

/**
 * Everything an app does with a person: sign-in for userinfo, refresh with rotation, and a second time with a resource.
 * @param visit what the browser does with the address it is sent back to
 */
async function complete(
  t: ExecutionContext,
  app: App,
  client: TestClient,
  visit = (url: URL) => Promise.resolve(url),
): Promise<void> {
  const browser = new Visitor(server.issuer)
  const person = await buildUser(server.db, { name: 'Robin Example' })
  const redirect_uri = client.redirect_uri
  const plain = await app.begin({ scope: 'openid profile', redirect_uri })
  const first = await plain.finish(await visit(await signInAt(browser, plain.url, person)))
  t.is(first.sub, person.id)
  t.is((await app.userinfo(first.access_token, person.id)).name, 'Robin Example')
  const second = await app.refresh(first.refresh_token ?? '')
  const third = await app.refresh(second.refresh_token ?? '')
  t.is(new Set([first, second, third].map(({ refresh_token }) => refresh_token)).size, 3)
  t.is(third.sub, person.id)
  t.is((await app.userinfo(third.access_token, person.id)).sub, person.id)

  const narrow = await app.begin({ scope: 'openid orders:read', resource: API, redirect_uri })
  const forApi = await narrow.finish(await visit(await signInAt(browser, narrow.url, person)))
  for (const { access_token } of [forApi, await app.refresh(forApi.refresh_token ?? '')]) {
    const expected = { sub: person.id, client_id: client.client_id, scope: 'orders:read' }
    t.like(await validate(access_token), expected)
  }
}

/** The person's part: opens the address, signs in and consents as far as asked. @returns where the browser ends */
async function signInAt(browser: Visitor, url: string, person: Credentials): Promise<URL> {
  let page = await browser.open(url.slice(server.issuer.length))
  if (page.html.includes('name="password"')) page = await browser.signIn(page, person)
  if (page.html.includes('value="allow"')) page = await browser.allow(page)
  return new URL(page.url)
}

/** RFC 9068 §4, by a library: signature, typ, iss, aud, exp and what must be in it. */
async function validate(accessToken: string): Promise<oauth.JWTAccessTokenClaims> {
  const request = new Request(API, { headers: { authorization: `Bearer ${accessToken}` } })
  return oauth.validateJwtAccessToken(await discover(server.issuer), request, API, { ...plainHttp })
}

/** A native app's own listener, on whatever port was free (RFC 8252 §7.3). */
async function listenOnLoopback(t: Teardown): Promise<{ redirectUri: string; visit: (url: URL) => Promise<URL> }> {
  const received: string[] = []
  const listener = createServer((request, response) => {
    received.push(request.url ?? '')
    response.end('you may close this window')
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.close())
  const origin = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  return {
    redirectUri: `${origin}/callback`,
    async visit(url) {
      await fetch(url)
      return new URL(received.at(-1) ?? '', origin)
    },
  }
}

/** The issuer is on loopback, without TLS: both libraries want to be told that this is meant. */
const insecure: oidc.DiscoveryRequestOptions = {
  execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
}
const plainHttp = { [oauth.allowInsecureRequests]: true } as const

async function withOpenidClient(issuer: string, client: TestClient, method: AuthMethod): Promise<App> {
  const { client_id, client_secret } = client
  const auth = {
    client_secret_basic: oidc.ClientSecretBasic,
    client_secret_post: oidc.ClientSecretPost,
    none: oidc.None,
  }
  const config = await oidc.discovery(new URL(issuer), client_id, undefined, auth[method](client_secret), insecure)
  const result = (answer: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers): Tokens => ({
    ...answer,
    sub: answer.claims()?.sub,
  })
  return {
    async begin(parameters) {
      const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
      const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()]
      const url = oidc.buildAuthorizationUrl(config, {
        ...parameters,
        state: expectedState,
        nonce: expectedNonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
      })
      const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }
      return {
        url: url.href,
        finish: async (callback) => result(await oidc.authorizationCodeGrant(config, callback, checks)),
      }
    },
    refresh: async (token) => result(await oidc.refreshTokenGrant(config, token)),
    userinfo: (accessToken, sub) => oidc.fetchUserInfo(config, accessToken, sub),
    clientCredentials: (parameters) => oidc.clientCredentialsGrant(config, parameters),
  }
}

async function withOauth4webapi(issuer: string, client: TestClient, method: AuthMethod): Promise<App> {
  const as = await discover(issuer)
  const self = { client_id: client.client_id }
  const secret = client.client_secret ?? ''
  const auth = {
    client_secret_basic: oauth.ClientSecretBasic,
    client_secret_post: oauth.ClientSecretPost,
    none: oauth.None,
  }[method](secret)

  async function result(response: Response, answer: oauth.TokenEndpointResponse): Promise<Tokens> {
    await oauth.validateApplicationLevelSignature(as, response, plainHttp)
    return { ...answer, sub: oauth.getValidatedIdTokenClaims(answer)?.sub }
  }

  return {
    async begin(parameters) {
      const verifier = oauth.generateRandomCodeVerifier()
      const [state, expectedNonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
      const query = new URLSearchParams({
        ...parameters,
        ...self,
        response_type: 'code',
        state,
        nonce: expectedNonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      })
      return {
        url: `${as.authorization_endpoint}?${query}`,
        async finish(callback) {
          const answer = oauth.validateAuthResponse(as, self, callback, state)
          const redirectUri = parameters.redirect_uri ?? REDIRECT
          const response = await oauth.authorizationCodeGrantRequest(
            as,
            self,
            auth,
            answer,
            redirectUri,
            verifier,
            plainHttp,
          )
          const checks = { expectedNonce, requireIdToken: true }
          return result(response, await oauth.processAuthorizationCodeResponse(as, self, response, checks))
        },
      }
    },
    async refresh(token) {
      const response = await oauth.refreshTokenGrantRequest(as, self, auth, token, plainHttp)
      return result(response, await oauth.processRefreshTokenResponse(as, self, response))
    },
    async userinfo(accessToken, sub) {
      const response = await oauth.userInfoRequest(as, self, accessToken, plainHttp)
      return oauth.processUserInfoResponse(as, self, sub, response)
    },
    async clientCredentials(parameters) {
      const response = await oauth.clientCredentialsGrantRequest(as, self, auth, parameters, plainHttp)
      return oauth.processClientCredentialsResponse(as, self, response)
    },
  }
}

async function discover(issuer: string, algorithm: 'oidc' | 'oauth2' = 'oidc'): Promise<oauth.AuthorizationServer> {
  const response = await oauth.discoveryRequest(new URL(issuer), { algorithm, ...plainHttp })
  return oauth.processDiscoveryResponse(new URL(issuer), response)
}

/** A sign-in that an API finds too old or too weak (RFC 9470), mended at the authorization server. */
import test from 'ava'
import { decodeJwt } from 'jose'
import { createTokenVerifier, TokenError } from '../../src/resource-server/index.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { fileScope } from '../support/demo.ts'
import { API, buildClient, buildResource, buildUser, REDIRECT, type TestClient } from '../support/registry.ts'
import { redeem, Visitor, type Answer, type AuthorizationOptions, type Credentials } from '../support/visitor.ts'

const file = fileScope()
let server: TestServer
test.before(async () => {
  server = await startAuthServer(file)
  await buildResource(server.db)
})
test.after.always(() => file.end())

const scope = 'openid orders:read'

test('a request with max_age makes the person sign in anew, and the token says when and how', async (t) => {
  const client = await buildClient(server.db, { kind: 'spa', firstParty: true })
  const [browser, person] = [new Visitor(server.issuer), await buildUser(server.db)]
  const verifier = createTokenVerifier({ issuer: server.issuer, audience: API })
  const tokenOf = async (parameters: Record<string, string> = {}) => {
    const answer = await browser.authorize(client, person, { scope, resource: API, parameters })
    return (await redeem(server.issuer, client, answer)).body.access_token ?? ''
  }
  await tokenOf()
  await age(person.id)
  const old = await tokenOf()
  const error = await t.throwsAsync(verifier.verify(old, { maxAgeSeconds: 300 }), { instanceOf: TokenError })
  const { max_age } = /(?<name>max_age)="(?<max_age>\d+)"/.exec(error.challenge ?? '')?.groups ?? {}
  const fresh = await tokenOf({ max_age: max_age ?? '' })
  const acr = ['urn:grantry:acr:password']
  await t.notThrowsAsync(verifier.verify(fresh, { maxAgeSeconds: 300, acr }))
  t.true(Number(decodeJwt(fresh).auth_time) - Number(decodeJwt(old).auth_time) >= 600)
})

for (const pushed of [false, true]) {
  const how = pushed ? 'pushed' : 'by address'
  test(`a native app without OpenID Connect steps up, too; its request is ${how}`, async (t) => {
    const client = await buildClient(server.db, { kind: 'native', redirectUris: [REDIRECT], openidScopes: [] })
    const [browser, person] = [new Visitor(server.issuer), await buildUser(server.db)]
    const tokenOf = async (parameters: Record<string, string> = {}) => {
      const options = { scope: 'orders:read', resource: API, parameters }
      const { body } = await redeem(server.issuer, client, await arrive(browser, client, { person, options, pushed }))
      t.is(body.id_token, undefined)
      return body.access_token ?? ''
    }
    await tokenOf()
    await age(person.id)
    const old = await tokenOf()
    const verifier = createTokenVerifier({ issuer: server.issuer, audience: API })
    const acr = ['urn:grantry:acr:password']
    const needed = { maxAgeSeconds: 300, acr }
    const { challenge = '' } = (await t.throwsAsync(verifier.verify(old, needed), { instanceOf: TokenError })) ?? {}
    const { max_age = '' } = /max_age="(?<max_age>\d+)"/.exec(challenge)?.groups ?? {}
    const fresh = await tokenOf({ max_age, acr_values: acr.join(' ') })
    await t.notThrowsAsync(verifier.verify(fresh, needed))
    t.true(Number(decodeJwt(fresh).auth_time) - Number(decodeJwt(old).auth_time) >= 600)

    const silent = (parameters: Record<string, string>) => {
      const options = { scope: 'orders:read', resource: API, prompt: 'none', parameters }
      return arrive(browser, client, { person, options, pushed: false })
    }
    t.is((await silent({ max_age: '0' })).error, 'login_required')
    t.is((await silent({ max_age: 'soon' })).error, 'invalid_request')
    t.is((await silent({ nonce: 'x' })).error, 'invalid_request', 'what belongs to ID tokens still needs openid')
  })
}

interface Arrival {
  person: Credentials
  options: AuthorizationOptions
  pushed: boolean
}

/** Where an authorization request ends, whose parameters go by address, or to /par before. */
async function arrive(browser: Visitor, client: TestClient, { person, options, pushed }: Arrival): Promise<Answer> {
  if (!pushed) return browser.authorize(client, person, options)
  const asked = browser.request_uri(client, options)
  const body = new URLSearchParams(asked.url.split('?')[1])
  const response = await fetch(`${server.issuer}/par`, { method: 'POST', body })
  const { request_uri = '' } = (await response.json()) as { request_uri?: string }
  const gone = Object.fromEntries([...body.keys()].map((name) => [name, undefined]))
  const parameters = { ...gone, client_id: client.client_id, request_uri }
  return { ...(await browser.authorize(client, person, { parameters })), verifier: asked.verifier }
}

/** The person has signed in ten minutes before they did. */
async function age(userId: string): Promise<void> {
  await server.db.pool.query(
    `update sessions set payload = (payload::jsonb || jsonb_build_object('loginTs', (payload->>'loginTs')::int - 600))::json
     where user_id = $1`,
    [userId],
  )
}

test('with prompt=none and a sign-in that is too old, login_required', async (t) => {
  const client = await buildClient(server.db, { kind: 'spa', firstParty: true })
  const [browser, person] = [new Visitor(server.issuer), await buildUser(server.db)]
  await browser.authorize(client, person, { scope, resource: API })
  const asked = { scope, resource: API, prompt: 'none', parameters: { max_age: '0' } }
  t.is((await browser.authorize(client, person, asked)).error, 'login_required')
})

test('discovery names the one kind of sign-in there is', async (t) => {
  const metadata = (await (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json()) as object
  t.like(metadata, { acr_values_supported: ['urn:grantry:acr:password'] })
})

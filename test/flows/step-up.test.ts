/** A sign-in that an API finds too old or too weak (RFC 9470), mended at the authorization server. */
import test from 'ava'
import { decodeJwt } from 'jose'
import { createTokenVerifier, TokenError } from '../../src/resource-server/index.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { fileScope } from '../support/demo.ts'
import { API, buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, Visitor } from '../support/visitor.ts'

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
  await server.db.pool.query(
    `update sessions set payload = (payload::jsonb || jsonb_build_object('loginTs', (payload->>'loginTs')::int - 600))::json
     where user_id = $1`,
    [person.id],
  )
  const old = await tokenOf()
  const error = await t.throwsAsync(verifier.verify(old, { maxAgeSeconds: 300 }), { instanceOf: TokenError })
  const { max_age } = /(?<name>max_age)="(?<max_age>\d+)"/.exec(error.challenge ?? '')?.groups ?? {}
  const fresh = await tokenOf({ max_age: max_age ?? '' })
  const acr = ['urn:grantry:acr:password']
  await t.notThrowsAsync(verifier.verify(fresh, { maxAgeSeconds: 300, acr }))
  t.true(Number(decodeJwt(fresh).auth_time) - Number(decodeJwt(old).auth_time) >= 600)
})

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

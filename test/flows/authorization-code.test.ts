import test from 'ava'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { startAuthServer } from '../support/auth-server.ts'
import { API, buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, token, Visitor } from '../support/visitor.ts'

const setup = async (t: Parameters<typeof startAuthServer>[0]) => {
  const server = await startAuthServer(t)
  await buildResource(server.db, { tokenClaims: ['auth_time', 'acr', 'roles'] })
  const person = await buildUser(server.db, { roles: ['support'] })
  return { ...server, person }
}

test('a person signs in, consents, and the client gets an RFC 9068 access token for the resource', async (t) => {
  const { issuer, db, person } = await setup(t)
  const client = await buildClient(db)
  const answer = await new Visitor(issuer).authorize(client, person, {
    scope: 'openid profile orders:read',
    resource: API,
  })
  t.is(answer.parameters.get('iss'), issuer)
  t.is(answer.parameters.get('state'), answer.state)

  const { status, body } = await redeem(issuer, client, answer)
  t.is(status, 200, JSON.stringify(body))
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`))
  const verified = await jwtVerify(body.access_token ?? '', keys, {
    issuer,
    audience: API,
    typ: 'at+jwt',
    algorithms: ['RS256'],
  })
  t.is(verified.payload.sub, person.id)
  t.is(verified.payload.client_id, client.client_id)
  t.is(verified.payload.scope, 'orders:read')
  t.deepEqual(verified.payload.roles, ['support'])
  t.is(verified.payload.acr, 'urn:grantry:acr:password')
  t.is(typeof verified.payload.auth_time, 'number')
  t.is((verified.payload.exp ?? 0) - (verified.payload.iat ?? 0), 300)
  t.is(decodeJwt(body.id_token ?? '').sub, person.id)
  t.truthy(body.refresh_token)
})

test('without a resource the access token is opaque and opens userinfo', async (t) => {
  const { issuer, db, person } = await setup(t)
  const client = await buildClient(db)
  const answer = await new Visitor(issuer).authorize(client, person, { scope: 'openid profile' })
  const { body } = await redeem(issuer, client, answer)
  t.false(body.access_token?.includes('.'))
  const userinfo = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${body.access_token}` } })
  t.is(userinfo.status, 200)
  t.like(await userinfo.json(), { sub: person.id, preferred_username: person.username })
})

test('a remembered consent holds in another browser, and is asked again for a new scope', async (t) => {
  const { issuer, db, person } = await setup(t)
  const client = await buildClient(db)
  await new Visitor(issuer).authorize(client, person, { scope: 'openid orders:read', resource: API })

  const other = new Visitor(issuer)
  const again = other.request_uri(client, { scope: 'openid orders:read', resource: API })
  const direct = await other.signIn(await other.open(again.url), person)
  t.true(direct.url.startsWith(client.redirect_uri), 'no consent page the second time')

  const more = await other.open(other.request_uri(client, { scope: 'openid orders:write', resource: API }).url)
  t.regex(more.html, /value="allow"/)
})

test('a public client on a loopback redirect is asked every time (RFC 8252 §8.6)', async (t) => {
  const { issuer, db, person } = await setup(t)
  const client = await buildClient(db, { kind: 'spa', redirectUris: ['http://localhost:5173/callback'] })
  const visitor = new Visitor(issuer)
  await visitor.authorize(client, person)
  const second = await visitor.open(visitor.request_uri(client).url)
  t.regex(second.html, /value="allow"/)
})

test('refusing consent goes back to the client with access_denied', async (t) => {
  const { issuer, db, person } = await setup(t)
  const client = await buildClient(db)
  const visitor = new Visitor(issuer)
  const consent = await visitor.signIn(await visitor.open(visitor.request_uri(client).url), person)
  const end = new URL((await visitor.submit(consent, /\/cancel$/, { decision: 'deny' })).url)
  t.is(end.searchParams.get('error'), 'access_denied')
  t.is(end.searchParams.get('iss'), issuer)
})

test('a first-party client skips consent, and that leaves an event', async (t) => {
  const { issuer, db, person } = await setup(t)
  const client = await buildClient(db, { firstParty: true })
  const visitor = new Visitor(issuer)
  const page = await visitor.signIn(await visitor.open(visitor.request_uri(client).url), person)
  t.true(page.url.startsWith(client.redirect_uri))
  t.like(await db.knex('events').where({ type: 'consent.skipped' }).first(), {
    client_id: client.client_id,
    user_id: person.id,
  })
})

test('a code is refused with a wrong verifier, without one, and to another client', async (t) => {
  const { issuer, db, person } = await setup(t)
  const [client, thief] = await Promise.all([buildClient(db), buildClient(db)])
  const visitor = new Visitor(issuer)
  for (const [who, verifier] of [
    [client, 'x'.repeat(43)],
    [client, undefined],
    [thief, 'right'],
  ] as const) {
    const answer = await visitor.authorize(client, person)
    const code_verifier = verifier === 'right' ? answer.verifier : verifier
    const { status, body } = await token(issuer, who, {
      grant_type: 'authorization_code',
      code: answer.code,
      redirect_uri: client.redirect_uri,
      code_verifier,
    })
    t.is(status, 400)
    t.is(body.error, 'invalid_grant')
  }
})

test('a code redeemed twice revokes the tokens that it issued', async (t) => {
  const { issuer, db, person, logs } = await setup(t)
  const client = await buildClient(db)
  const answer = await new Visitor(issuer).authorize(client, person, { scope: 'openid' })
  const first = await redeem(issuer, client, answer)
  t.is(first.status, 200)
  const second = await redeem(issuer, client, answer)
  t.is(second.body.error, 'invalid_grant')
  const userinfo = await fetch(`${issuer}/userinfo`, {
    headers: { authorization: `Bearer ${first.body.access_token}` },
  })
  t.is(userinfo.status, 401)
  t.is((await db.knex('events').where({ type: 'authorization_code.reuse_detected' })).length, 1)
  t.true(logs.some(({ event }) => event === 'authorization_code.reuse_detected'))
})

test('PKCE is demanded of every client, and only S256', async (t) => {
  const { issuer, db } = await setup(t)
  const client = await buildClient(db)
  const visitor = new Visitor(issuer)
  for (const parameters of [
    { code_challenge: undefined, code_challenge_method: undefined },
    { code_challenge_method: 'plain' },
    { code_challenge_method: undefined },
  ]) {
    const end = new URL((await visitor.open(visitor.request_uri(client, { parameters }).url)).url)
    t.is(end.searchParams.get('error'), 'invalid_request', JSON.stringify(parameters))
  }
})

test('implicit and hybrid response types and the password grant are refused', async (t) => {
  const { issuer, db, person } = await setup(t)
  const client = await buildClient(db)
  const visitor = new Visitor(issuer)
  for (const response_type of ['token', 'id_token', 'code id_token', 'none']) {
    const { url } = visitor.request_uri(client, { parameters: { response_type, nonce: 'n' } })
    const end = await visitor.open(url)
    t.is(
      new URL(end.url).searchParams.get('error') ?? new URLSearchParams(new URL(end.url).hash.slice(1)).get('error'),
      'unsupported_response_type',
    )
  }
  const password = await token(issuer, client, {
    grant_type: 'password',
    username: person.username,
    password: person.password,
  })
  t.is(password.body.error, 'unsupported_grant_type')
})

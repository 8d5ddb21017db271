import { createHash } from 'node:crypto'
import test from 'ava'
import { buildClient, type TestClient } from '../support/registry.ts'
import { redeem, refresh, token, Visitor, type Answer } from '../support/visitor.ts'
import { notLogged, underAttack } from './target.ts'

const target = underAttack()

let victim: Visitor
const code = (client: TestClient, scope = 'openid', parameters: Record<string, string> = {}) =>
  victim.authorize(client, target().person, { scope, parameters })

test.before(async () => {
  victim = new Visitor(target().issuer)
  await code(target().spa)
})

function exchange(client: TestClient, answer: Answer, changes: Record<string, string | string[] | undefined>) {
  const { verifier: code_verifier } = answer
  const { redirect_uri } = client
  return token(target().issuer, client, {
    grant_type: 'authorization_code',
    code: answer.code,
    redirect_uri,
    code_verifier,
    ...changes,
  })
}

/** A stolen or bent redemption fails, and the code is still good for the one that it was meant for. */
const refused = test.macro<[string, Record<string, string | string[] | undefined>, string?]>({
  title: (_, what) => `a code is not redeemed ${what}, and stays good for its owner`,
  async exec(t, _what, changes, error = 'invalid_grant') {
    for (const client of [target().spa, target().web]) {
      const answer = await code(client)
      const attempt = await exchange(client, answer, changes)
      t.is(attempt.status, 400)
      t.is(attempt.body.error, error)
      t.is(attempt.body.access_token, undefined)
      t.is((await redeem(target().issuer, client, answer)).status, 200)
    }
  },
})

const OTHER = 'x'.repeat(43)
test(refused, "with another session's verifier", { code_verifier: OTHER })
test(refused, 'without a verifier', { code_verifier: undefined })
test(refused, 'with an empty verifier', { code_verifier: '' })
test(refused, 'with a verifier of 42 characters', { code_verifier: 'x'.repeat(42) }, 'invalid_request')
test(refused, 'with a verifier of 129 characters', { code_verifier: 'x'.repeat(129) }, 'invalid_request')
test(refused, 'with a verifier of 50 kB', { code_verifier: 'x'.repeat(50_000) }, 'invalid_request')
test(refused, 'with a verifier in other characters', { code_verifier: `${OTHER}\0` }, 'invalid_request')
test(refused, 'with a verifier in other letters', { code_verifier: 'ä'.repeat(43) }, 'invalid_request')
test(refused, 'with two verifiers', { code_verifier: [OTHER, OTHER] }, 'invalid_request')
test(refused, 'at another redirect URI', { redirect_uri: 'https://app.example.com/other' })
test(refused, 'at the redirect URI with a slash', { redirect_uri: 'https://app.example.com/callback/' })
test(
  refused,
  'with two redirect URIs',
  { redirect_uri: ['https://app.example.com/callback', 'x:y'] },
  'invalid_request',
)
test(refused, 'with a method at the token endpoint', { code_challenge_method: 'plain', code_verifier: OTHER })
test(refused, 'as a refresh token', { grant_type: 'refresh_token' }, 'invalid_request')

test('the challenge itself is no verifier', async (t) => {
  const answer = await code(target().spa)
  const code_verifier = createHash('sha256').update(answer.verifier).digest('base64url')
  t.is((await exchange(target().spa, answer, { code_verifier })).body.error, 'invalid_grant')
})

test('a code injected into the session of another client or person gives nothing and harms nothing', async (t) => {
  const { issuer, db, spa } = target()
  const thief = await buildClient(db, { kind: 'spa', firstParty: true })
  const stolen = await code(spa)
  t.is((await exchange(thief, stolen, {})).body.error, 'invalid_grant')
  const { body } = await redeem(issuer, spa, stolen)
  t.is((await exchange(thief, stolen, {})).body.error, 'invalid_grant', 'nor after it was used')
  t.is((await refresh(issuer, spa, body.refresh_token)).status, 200, 'the tokens of the owner live')
})

test('a refresh token, an access token and an ID token are no codes', async (t) => {
  const { issuer, spa } = target()
  const answer = await code(spa)
  const { body } = await redeem(issuer, spa, answer)
  for (const stolen of [body.refresh_token, body.access_token, body.id_token]) {
    t.is((await exchange(spa, answer, { code: stolen })).body.error, 'invalid_grant')
  }
  for (const stolen of [body.access_token, body.id_token, answer.code]) {
    t.is((await refresh(issuer, spa, stolen)).body.error, 'invalid_grant')
  }
  t.is((await refresh(issuer, spa, body.refresh_token)).status, 200)
})

test('a replay is noticed even when the code was brought to the account page in between', async (t) => {
  const { issuer, db } = target()
  // A client of its own: a replay ends the family, which is everything that this client got in this session.
  const spa = await buildClient(db, { kind: 'spa', firstParty: true })
  const answer = await code(spa)
  const { body } = await redeem(issuer, spa, answer)
  const wiped = await fetch(`${issuer}/account/callback?state=x&code=${answer.code}`, { redirect: 'manual' })
  t.is(wiped.status, 303)
  t.is((await redeem(issuer, spa, answer)).body.error, 'invalid_grant')
  const userinfo = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${body.access_token}` } })
  t.is(userinfo.status, 401)
})

test('the account page does not use up the code of another client', async (t) => {
  const { issuer, spa } = target()
  const answer = await code(spa)
  await fetch(`${issuer}/account/callback?state=x&code=${answer.code}`, { redirect: 'manual' })
  t.is((await redeem(issuer, spa, answer)).status, 200)
})

/** PKCE can't be talked down at the authorization endpoint: the client is told, by an answer with `iss` and `state`. */
const downgrade = test.macro<[string, Record<string, string | undefined>]>({
  title: (_, what) => `no code comes for ${what}`,
  async exec(t, _what, parameters) {
    for (const client of [target().spa, target().web, target().native]) {
      const { url, state } = victim.request_uri(client, { parameters })
      const end = new URL((await victim.open(url)).url)
      t.true(end.href.startsWith(client.redirect_uri), end.href)
      t.is(end.searchParams.get('error'), 'invalid_request')
      t.is(end.searchParams.get('code'), null)
      t.is(end.searchParams.get('state'), state)
      t.is(end.searchParams.get('iss'), target().issuer)
    }
  },
})

test(downgrade, 'no challenge', { code_challenge: undefined, code_challenge_method: undefined })
test(downgrade, 'an empty challenge', { code_challenge: '' })
test(downgrade, 'a method without a challenge', { code_challenge: undefined })
test(downgrade, 'a challenge without a method, which would mean plain', { code_challenge_method: undefined })
test(downgrade, 'the plain method', { code_challenge_method: 'plain' })
test(downgrade, 'the method in lower case', { code_challenge_method: 's256' })
test(downgrade, 'an unknown method', { code_challenge_method: 'S512' })
test(downgrade, 'a short challenge', { code_challenge: 'x'.repeat(42) })
test(downgrade, 'a long challenge', { code_challenge: 'x'.repeat(129) })
test(downgrade, 'a challenge in other characters', { code_challenge: `${'x'.repeat(43)}=` })

test('codes, verifiers and tokens are not logged, whether they are good or not', async (t) => {
  const { issuer, web } = target()
  const answer = await code(web)
  await exchange(web, answer, { code_verifier: 'wrong-verifier-'.repeat(4) })
  await exchange(web, answer, { code: `${answer.code}x` })
  const { body } = await redeem(issuer, web, answer)
  await refresh(issuer, web, `${body.refresh_token}x`)
  notLogged(t, target(), {
    code: answer.code,
    verifier: answer.verifier,
    'wrong verifier': 'wrong-verifier-',
    'client secret': web.client_secret,
    'access token': body.access_token,
    'refresh token': body.refresh_token,
    'ID token': body.id_token,
    session: victim.cookies.get('session')?.value,
  })
})

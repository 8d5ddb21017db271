import test from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { API, buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, refresh, Visitor, type Credentials, type Page } from '../support/visitor.ts'

async function setup(t: Teardown) {
  const server = await startAuthServer(t)
  await buildResource(server.db)
  const person = await buildUser(server.db, { name: 'Ada Example' })
  return { server, person }
}

async function openAccount(
  { issuer }: TestServer,
  person: Credentials,
  visitor = new Visitor(issuer),
): Promise<{ visitor: Visitor; page: Page }> {
  const first = await visitor.open('/account')
  const page = first.html.includes('name="password"') ? await visitor.signIn(first, person) : first
  return { visitor, page }
}

test('a person signs in to the account page without being asked for consent, and leaves no code behind', async (t) => {
  const { server, person } = await setup(t)
  const { page } = await openAccount(server, person)
  t.is(page.status, 200)
  t.is(new URL(page.url).pathname, '/account')
  t.regex(page.html, /Ada Example/)
  t.is((await server.db.knex('artifacts').where({ model: 'AuthorizationCode' })).length, 0)
})

test('the answer to a sign-in that this browser did not ask for signs nobody in', async (t) => {
  const { server } = await setup(t)
  const page = await new Visitor(server.issuer).open('/account/callback?code=planted&state=planted')
  t.regex(page.html, /name="password"/, 'asked to sign in')
})

test('revoking an app ends its tokens and asks for consent again', async (t) => {
  const { server, person } = await setup(t)
  const client = await buildClient(server.db, { name: 'Shop' })
  const app = new Visitor(server.issuer)
  const tokens = (
    await redeem(
      server.issuer,
      client,
      await app.authorize(client, person, { scope: 'openid orders:read', resource: API }),
    )
  ).body
  const { visitor, page } = await openAccount(server, person)
  t.regex(page.html, /Shop/)
  const after = await visitor.submit(page, '/account/apps/revoke')
  t.notRegex(after.html, /Shop/)
  t.is((await refresh(server.issuer, client, tokens.refresh_token)).body.error, 'invalid_grant')
  t.regex(
    (await app.open(app.request_uri(client, { scope: 'openid orders:read', resource: API }).url)).html,
    /value="allow"/,
  )
})

test('ending another session signs that browser out', async (t) => {
  const { server, person } = await setup(t)
  const phone = await openAccount(server, person)
  const laptop = await openAccount(server, person)
  await laptop.visitor.submit(laptop.page, '/account/sessions/end-others')
  t.regex((await phone.visitor.open('/account')).html, /name="password"/)
  t.is(new URL((await laptop.visitor.open('/account')).url).pathname, '/account')
})

test('changing the password ends other sessions and all access, and keeps this browser signed in', async (t) => {
  const { server, person } = await setup(t)
  const client = await buildClient(server.db)
  const app = new Visitor(server.issuer)
  const tokens = (await redeem(server.issuer, client, await app.authorize(client, person))).body
  const { visitor, page } = await openAccount(server, person)
  const password = 'nine green herons waltz'
  const fields = { current_password: person.password, new_password: password, repeat_password: password }
  const after = await visitor.submit(page, '/account/password', fields)
  t.is(new URL(after.url).searchParams.get('notice'), 'password-changed')

  t.is((await refresh(server.issuer, client, tokens.refresh_token)).body.error, 'invalid_grant')
  t.regex((await app.open('/account')).html, /name="password"/, 'the other browser')
  const again = await visitor.authorize(client, person)
  t.truthy(again.code, 'this browser is still signed in, and may use apps')
  t.is((await redeem(server.issuer, client, again)).status, 200)
  t.regex((await openAccount(server, person)).page.html, /role="alert"/, 'the old password is worth nothing')
  t.is((await openAccount(server, { ...person, password })).page.status, 200)
})

test('a password change with a wrong present password, a mismatch or a weak new one changes nothing', async (t) => {
  const { server, person } = await setup(t)
  const { visitor, page } = await openAccount(server, person)
  const good = 'nine green herons waltz'
  for (const [fields, status] of [
    [{ current_password: 'not the password at all', new_password: good, repeat_password: good }, 403],
    [{ current_password: person.password, new_password: good, repeat_password: `${good}!` }, 422],
    [{ current_password: person.password, new_password: 'short', repeat_password: 'short' }, 422],
  ] as const) {
    const answer = await visitor.submit(page, '/account/password', fields)
    t.is(answer.status, status)
    t.regex(answer.html, /role="alert"/)
    t.notRegex(answer.html, new RegExp(good))
  }
  t.is((await openAccount(server, person)).page.status, 200)
})

test('signing out from the account page ends the session', async (t) => {
  const { server, person } = await setup(t)
  const { visitor, page } = await openAccount(server, person)
  const after = await visitor.submit(page, '/account/sign-out')
  t.is(new URL(after.url).pathname, '/logout/success')
  t.regex((await visitor.open('/account')).html, /name="password"/)
})

import { userInfo } from 'node:os'
import test from 'ava'
import type { AuditEntry } from '../../src/events/audit-queries.ts'
import { operator } from '../cli/operator.ts'
import { startAuthServer } from '../support/auth-server.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, Visitor } from '../support/visitor.ts'
import { entries } from './fixture.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const AGENT = 'Adas Browser/1.0'

/** A browser that can be told from others. */
class Browser extends Visitor {
  override request(target: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('user-agent', AGENT)
    headers.set('traceparent', `00-${TRACE}-b7ad6b7169203331-01`)
    return super.request(target, { ...init, headers })
  }
}

const told = ({ action, actor, channel }: AuditEntry) => `${action} by ${actor}, ${channel}`

test('what a person does in a browser is recorded with address, browser and trace; what we do ourselves, as ours', async (t) => {
  const { issuer, db } = await startAuthServer(t)
  await buildResource(db)
  const person = await buildUser(db)
  const shop = await buildClient(db)
  const own = await buildClient(db, { firstParty: true })
  const began = (await entries(db.knex)).length
  const log = async () => (await entries(db.knex)).slice(began)
  const browser = new Browser(issuer)
  const scope = { scope: 'openid orders:read', resource: API }

  await browser.authorize(own, person, scope)
  const answer = await browser.authorize(shop, person, scope)
  const first = (await redeem(issuer, shop, answer)).body
  await refresh(issuer, shop, first.refresh_token)
  await db.knex.raw(`update refresh_tokens set consumed_at = consumed_at - interval '1 minute'`)
  await refresh(issuer, shop, first.refresh_token)
  const another = await browser.authorize(shop, person, scope)
  await redeem(issuer, shop, another)
  await redeem(issuer, shop, another)
  const third = (await redeem(issuer, shop, await browser.authorize(shop, person, scope))).body
  await revoke(issuer, shop, String(third.refresh_token))

  const phone = new Visitor(issuer)
  await phone.signIn(await phone.open('/account'), person)
  let page = await browser.open('/account')
  page = await browser.submit(page, '/account/sessions/end-others')
  page = await browser.submit(page, '/account/apps/revoke')
  const password = 'nine green herons waltz'
  const fields = { current_password: person.password, new_password: password, repeat_password: password }
  page = await browser.submit(page, '/account/password', fields)
  await browser.submit(await browser.open('/logout'), /\/logout\/confirm$/, { logout: 'yes' })

  const all = (await log()).filter(({ subject_id: subject }) => subject !== 'cli_grantryaccountpage22222222')
  const me = `by ${person.id}, page`
  t.deepEqual(all.map(told), [
    `consent.skip ${me}`,
    `consent.grant ${me}`,
    'grant.revoke_after_token_reuse by system, system',
    'grant.revoke_after_code_reuse by system, system',
    `grant.revoke by ${shop.client_id}, api`,
    `session.end ${me}`,
    `consent.withdraw ${me}`,
    `user.set_password ${me}`,
    `session.end ${me}`,
  ])
  for (const { actor, action, address, user_agent, trace_id, user_id } of all) {
    t.regex(address ?? '', /^(127\.0\.0\.1|::1)$/, action)
    t.is(user_id, person.id, action)
    if (actor !== person.id) continue
    t.deepEqual([user_agent, trace_id], [AGENT, TRACE], action)
  }
  t.like(all[0], { subject_id: own.client_id, after: { openid: ['openid'], resources: { [API]: ['orders:read'] } } })
  t.like(all.at(-1), { subject_kind: 'session', before: { user_agent: AGENT }, after: null })
  t.regex(String(all.at(-1)?.before?.signed_in_at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

  const text = JSON.stringify(await log())
  const cookies = [...browser.cookies.values(), ...phone.cookies.values()].map(({ value }) => value)
  const codes = [answer, another].map(({ code }) => code)
  const secrets = [...cookies, ...codes, first.refresh_token, first.access_token, third.refresh_token, password]
  for (const secret of secrets) t.false(text.includes(String(secret)), String(secret))
})

test('keys that the server makes and turns over by itself are recorded as its own doing', async (t) => {
  const { db } = await startAuthServer(t)
  const log = await entries(db.knex)
  t.true(log.length > 0)
  t.deepEqual([...new Set(log.map(told))], ['key.publish by system, system'])
})

test('commands are recorded with the account that ran them, and list what was recorded', async (t) => {
  const { json, run } = await operator(t)
  const { id: user } = await json(['user', 'create', '--username', 'ada', '--name', 'Ada'])
  const { id: client } = await json(['client', 'create', '--kind', 'service', '--name', 'Machine'])
  await json(['user', 'update', 'ada', '--name', '\u202eevil'.slice(1)])
  await json(['client', 'disable', client])

  const all = await json(['audit', 'list'])
  t.deepEqual(
    all.map(({ action, subject_id }: AuditEntry) => [action, subject_id]),
    [
      ['user.create', user],
      ['client.create', client],
      ['user.update', user],
      ['client.disable', client],
    ],
  )
  for (const entry of all) t.like(entry, { actor: 'cli', channel: 'cli', os_user: userInfo().username, address: null })
  t.deepEqual(all[2].before, { name: 'Ada' })
  t.deepEqual(await json(['audit', 'list', '--subject', user]), [all[0], all[2]])
  t.deepEqual(await json(['audit', 'list', '--actor', 'cli', '--limit', '1']), [all[3]])
  t.deepEqual(await json(['audit', 'list', '--actor', user]), [])

  const { stdout } = await run(['audit', 'list', '--subject', client])
  t.regex(stdout, /^ID +AT +ACTOR +FROM +ACTION +SUBJECT +FIELDS\n/)
  t.regex(stdout, /cli \(.+\) +cli +client\.disable +cli_\w+ +disabled disabled_at\n$/)
  t.regex((await run(['audit', 'list', '--limit', '0'])).stderr, /^grantry: --limit must be .*\n$/)
})

async function revoke(issuer: string, { client_id, client_secret }: TestClient, token: string): Promise<void> {
  await fetch(`${issuer}/revoke`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
    body: new URLSearchParams({ token, token_type_hint: 'refresh_token' }),
  })
}

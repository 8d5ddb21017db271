/** While the database is out of reach every endpoint says in its own language that it passes; afterwards all is as before. */
import test, { type ExecutionContext } from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { callerWithKey } from '../support/api-caller.ts'
import { keyedDatabase } from '../support/database.ts'
import { fileScope } from '../support/demo.ts'
import { buildClient, buildResource, buildUser } from '../support/registry.ts'
import { refresh, redeem, Visitor, type Page } from '../support/visitor.ts'
import { startNetwork, type Network } from './network.ts'

const scope = fileScope()
let server: TestServer
let network: Network

test.before(async () => {
  const { url, masterKey } = await keyedDatabase(scope)
  network = await startNetwork(scope, url)
  server = await startAuthServer(scope, { DATABASE_URL: network.url, MASTER_KEY: masterKey, REGISTRATION: 'open' })
})
test.after.always(() => scope.end())

function post(fields: Record<string, string>, headers: Record<string, string> = {}): RequestInit {
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  return { method: 'POST', headers: { ...type, ...headers }, body: new URLSearchParams(fields).toString() }
}

type Language = 'oauth' | 'page' | 'problem'

function passes(t: ExecutionContext, { status, headers, html }: Page, language: Language, what: string): void {
  t.is(status, 503, `${what} ${html}`)
  t.regex(headers.get('retry-after') ?? '', /^[1-9]\d?$/, what)
  t.is(headers.get('cache-control'), 'no-store', what)
  t.is(headers.get('location'), null, what)
  t.notRegex(html, /ECONN|terminated|postgres|\.ts\b/i, what)
  const type = headers.get('content-type') ?? ''
  if (language === 'page') t.regex(type, /^text\/html/, what)
  if (language === 'oauth') t.is((JSON.parse(html) as { error: string }).error, 'temporarily_unavailable', what)
  if (language === 'problem') t.is(type, 'application/problem+json', what)
}

test.serial('a database that is lost for a while: 503 with Retry-After everywhere, no bug is reported', async (t) => {
  const { issuer, db, logs } = server
  await buildResource(db)
  const [web, person] = [await buildClient(db, { firstParty: true }), await buildUser(db)]
  const browser = new Visitor(issuer)
  const first = await redeem(issuer, web, await browser.authorize(web, person))
  const login = await browser.open(browser.request_uri(web, { prompt: 'login' }).url)
  const { code, verifier } = await browser.authorize(web, person)
  const { value: key } = await callerWithKey(server)
  const authorization = `Basic ${btoa(`${web.client_id}:${web.client_secret}`)}`
  const grant = { grant_type: 'authorization_code', code: code!, code_verifier: verifier, redirect_uri: web.redirect_uri } // prettier-ignore
  const old = { token: first.body.refresh_token! }
  const json = { 'content-type': 'application/json' }
  const app = { method: 'POST', headers: json, body: '{"redirect_uris":["https://app.example/cb"]}' }

  network.cut()
  const began = logs.length
  const attempts: [Language, string, RequestInit?][] = [
    ['page', browser.request_uri(web).url],
    ['page', browser.request_uri(web, { prompt: 'none' }).url],
    ['page', '/account'],
    ['page', '/logout', { headers: { accept: 'text/html' } }],
    ['oauth', '/logout'],
    ['oauth', '/token', post({ grant_type: 'client_credentials' }, { authorization })],
    ['oauth', '/token', post({ grant_type: 'refresh_token', refresh_token: old.token }, { authorization })],
    ['oauth', '/token', post(grant, { authorization })],
    ['oauth', '/userinfo', { headers: { authorization: 'Bearer something-opaque' } }],
    ['oauth', '/introspect', post(old, { authorization })],
    ['oauth', '/revoke', post(old, { authorization })],
    ['oauth', '/par', post({ response_type: 'code' }, { authorization })],
    ['oauth', '/device_authorization', post({ client_id: web.client_id })],
    ['oauth', '/register', app],
    ['problem', '/api/v1/clients', { headers: { authorization: `Bearer ${key}` } }],
    [
      'problem',
      '/api/v1/clients',
      { method: 'POST', headers: { ...json, authorization: `Bearer ${key}` }, body: '{}' },
    ],
  ]
  for (const [language, path, init] of attempts) {
    passes(t, await browser.open(path, init), language, `${init?.method ?? 'GET'} ${path}`)
  }
  passes(t, await browser.signIn(login, person), 'page', 'sign-in')
  const told = logs.slice(began).filter(({ level }) => level === 'error' || level === 'fatal')
  t.deepEqual(told, [])

  network.heal()
  t.is((await refresh(issuer, web, old.token)).status, 200)
  t.is((await browser.open('/token', post(grant, { authorization }))).status, 200)
  t.is((await browser.open(browser.request_uri(web, { prompt: 'none' }).url)).status, 303)
})

test.serial('public documents need no database', async (t) => {
  network.cut()
  t.teardown(() => network.heal())
  for (const path of ['/jwks', '/.well-known/openid-configuration', '/health/live']) {
    t.is((await fetch(server.issuer + path)).status, 200, path)
  }
  t.is((await fetch(`${server.issuer}/health/ready`)).status, 503)
})

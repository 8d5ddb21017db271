/** What every answer tells a browser, as it is told behind TLS, and what no answer is. */
import test from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { freePort } from '../support/free-port.ts'
import { buildClient, buildUser, type TestClient } from '../support/registry.ts'
import { Visitor, type Credentials } from '../support/visitor.ts'

const ISSUER = 'https://login.example.com'
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

const stops: (() => unknown)[] = []
let server: TestServer
let instance: string
let app: TestClient
test.before(async () => {
  const port = String(await freePort())
  instance = `http://localhost:${port}`
  const settings = { ISSUER, PORT: port, TRUST_PROXY: '1', DATABASE_POOL_MAX: '3' }
  server = await startAuthServer({ teardown: (stop) => void stops.push(stop) }, settings)
  app = await buildClient(server.db, { access: [] })
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

/** Keeps every answer it got. */
class Listener extends Visitor {
  readonly heard: { target: string; response: Response; body: string }[] = []

  override async request(target: string, init: RequestInit = {}): Promise<Response> {
    const response = await super.request(target, init)
    this.heard.push({ target, response, body: await response.clone().text() })
    return response
  }
}

function newBrowser(): Listener {
  return new Listener(ISSUER, [instance])
}

/** Sign-in, consent, account page and logout, with what comes in between. */
async function visit(browser: Listener, person: Credentials): Promise<void> {
  await browser.authorize(app, person)
  await browser.submit(await browser.open('/device'), '/device', { user_code: 'BBBB-BBBB' })
  await browser.open('/account')
  await browser.submit(await browser.open('/logout'), /\/logout\/confirm$/, { logout: 'yes' })
}

/** One of each kind that gets past the first lines of the edge: pages, documents, redirects, refusals, errors. */
async function answersOfEachKind(): Promise<Listener> {
  const browser = newBrowser()
  await visit(browser, await buildUser(server.db))
  const html = browser.heard.map(({ body }) => body).join('')
  const asset = /href="(\/assets\/[^"]+\.css)"/.exec(html)?.[1] ?? 'no style sheet'
  for (const path of ['/health/live', '/health/ready', `/${'x'.repeat(9_000)}`, '/authorize?state=%00'])
    await browser.request(path)
  for (const path of [asset, '/jwks', '/.well-known/openid-configuration', '/', '/nowhere', '/userinfo', '/authorize'])
    await browser.request(path)
  await browser.request('/token', { method: 'POST', headers: FORM, body: 'grant_type=client_credentials' })
  await browser.request('/token')
  await browser.request('/token', { method: 'OPTIONS' })
  await browser.request('/nowhere', { headers: { accept: 'application/json' } })
  await browser.request('/account/sign-out', { method: 'POST', headers: FORM, body: 'csrf=x' })
  return browser
}

test('every answer says how long TLS is meant, what may frame it, what it may load and that its type is its type', async (t) => {
  const { heard } = await answersOfEachKind()
  const statuses = new Set(heard.map(({ response }) => response.status))
  for (const status of [200, 303, 400, 401, 404, 405]) t.true(statuses.has(status), `there is no ${status} among them`)
  for (const { target, response } of heard) {
    const { headers } = response
    const policy = headers.get('content-security-policy') ?? ''
    t.is(headers.get('strict-transport-security'), 'max-age=63072000; includeSubDomains', target)
    t.is(headers.get('x-content-type-options'), 'nosniff', target)
    t.is(headers.get('referrer-policy'), 'no-referrer', target)
    t.regex(policy, /default-src 'none'/, target)
    t.regex(policy, /base-uri 'none'/, target)
    t.regex(policy, /frame-ancestors 'none'/, target)
    const isPublic = /^\/(?:jwks|\.well-known)/.test(target)
    t.is(headers.get('cross-origin-resource-policy'), isPublic ? 'cross-origin' : 'same-site', target)
  }
})

test('no answer is a script, and none becomes one by asking for a callback', async (t) => {
  const { heard } = await answersOfEachKind()
  for (const { target, response } of heard) t.notRegex(response.headers.get('content-type') ?? '', /script/, target)
  for (const path of ['/jwks', '/.well-known/openid-configuration', '/userinfo']) {
    const response = await newBrowser().request(`${path}?callback=steal&jsonp=steal&format=js`)
    t.regex(response.headers.get('content-type') ?? '', /^application\/json|^application\/jwk-set\+json/, path)
    const text = await response.text()
    t.notThrows(() => JSON.parse(text) as unknown, path)
    t.false(text.includes('steal'), path)
  }
})

test('the session id travels in Set-Cookie alone, and no cookie is longer than browsers keep', async (t) => {
  const browser = newBrowser()
  const person = await buildUser(server.db)
  const long = { state: 'x'.repeat(5_000), login_hint: 'y'.repeat(1_000) }
  await browser.open(browser.request_uri(app, { parameters: long }).url)
  await visit(browser, person)
  const ids = new Set<string>()
  for (const { target, response } of browser.heard) {
    for (const cookie of response.headers.getSetCookie()) {
      const pair = cookie.split(';')[0] ?? ''
      t.true(pair.length <= 4096, `${target}: ${pair.length}`)
      const value = /^__Host-session=(.+)$/.exec(pair)?.[1]
      if (value) ids.add(value)
    }
  }
  t.true(ids.size >= 2)
  for (const { target, response, body } of browser.heard) {
    const headers = [...response.headers].filter(([name]) => name !== 'set-cookie')
    const elsewhere = `${target} ${JSON.stringify(headers)} ${body}`
    for (const id of ids) t.false(elsewhere.includes(id), target)
  }
})

test('an address that changes something answers to POST alone', async (t) => {
  const { knex } = server.db
  const person = await buildUser(server.db)
  const browser = newBrowser()
  const login = await browser.open(browser.request_uri(app).url)
  const { pathname } = new URL(login.url)
  const csrf = (html: string) => /name="(?:csrf|xsrf)" value="([^"]+)"/.exec(html)?.[1] ?? ''
  const credentials = new URLSearchParams({ csrf: csrf(login.html), login: person.username, password: person.password })
  t.is((await browser.request(`${pathname}/login?${credentials}`)).status, 404)
  const consent = await browser.signIn(login, person)
  const asked = new URL(consent.url).pathname
  for (const [action, more] of Object.entries({ consent: 'decision=allow', cancel: '', 'switch-account': '' })) {
    t.is((await browser.request(`${asked}/${action}?csrf=${csrf(consent.html)}&${more}`)).status, 404, action)
  }
  await browser.allow(consent)
  const account = await browser.open('/account')
  const logout = await browser.open('/logout')
  const before = await stateOf(person.id)
  const uid = before.sessions[0] ?? ''
  const password = 'nine green herons sing'
  for (const [path, parameters] of Object.entries({
    '/account/sessions/end': { uid },
    '/account/sessions/end-others': {},
    '/account/apps/revoke': { client_id: app.client_id },
    '/account/password': { current_password: person.password, new_password: password, repeat_password: password },
    '/account/sign-out': {},
    '/logout/confirm': { xsrf: csrf(logout.html), logout: 'yes' },
  })) {
    const query = new URLSearchParams({ csrf: csrf(account.html), ...parameters } as Record<string, string>)
    for (const method of ['GET', 'HEAD']) {
      const { status } = await browser.request(`${path}?${query}`, { method })
      t.true([404, 405].includes(status), `${method} ${path}: ${status}`)
    }
  }
  t.deepEqual(await stateOf(person.id), before)

  async function stateOf(userId: string) {
    const sessions = await knex('sessions').where({ user_id: userId }).whereNull('ended_at').pluck<string[]>('uid')
    const consents = await knex('consents').where({ user_id: userId }).select('client_id')
    const user = await knex('users').where({ id: userId }).first<{ password_hash: string }>('password_hash')
    return { sessions, consents, hash: user.password_hash }
  }
})

test('a browser that keeps no cookies is told that the page is not valid, and sends its password nowhere', async (t) => {
  const first = await newBrowser().request(newBrowser().request_uri(app).url)
  const page = await newBrowser().open(first.headers.get('location') ?? '')
  t.is(page.status, 400)
  t.regex(page.html, /<h1>This page is no longer valid<\/h1>/)
  t.notRegex(page.html, /<form|type="password"/)
})

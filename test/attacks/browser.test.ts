import test, { type ExecutionContext } from 'ava'
import { startAuthServer } from '../support/auth-server.ts'
import { freePort } from '../support/free-port.ts'
import { buildClient, buildUser, type TestClient } from '../support/registry.ts'
import { Visitor, type Page } from '../support/visitor.ts'
import { APP_SCHEME, LOOPBACK, underAttack } from './target.ts'

const target = underAttack()

/** An app that has to ask: what a first-party app would be spared. */
let app: TestClient
test.before(async () => {
  const { db } = target()
  app = await buildClient(db, { postLogoutRedirectUris: ['https://app.example.com/bye'] })
})

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

function tokenOf({ html }: Page): string {
  return /name="(?:csrf|xsrf)" value="([^"]+)"/.exec(html)?.[1] ?? ''
}

interface Form {
  browser: Visitor
  path: string
  /** What the person would send. */
  fields: Record<string, string>
  /** True once the form has had its effect. */
  happened: () => Promise<boolean>
}

/** A new person in front of each form, so that no test disturbs another. */
async function person() {
  const { issuer, db } = target()
  return { browser: new Visitor(issuer), account: await buildUser(db) }
}

async function atInteraction(action: 'login' | 'consent' | 'cancel' | 'switch-account'): Promise<Form> {
  const { browser, account } = await person()
  let page = await browser.open(browser.request_uri(app).url)
  if (action !== 'login') page = await browser.signIn(page, account)
  const path = `${new URL(page.url).pathname}/${action}`
  const credentials = { login: account.username, password: account.password }
  const own = action === 'login' ? credentials : action === 'consent' ? { decision: 'allow' } : {}
  const before = new URL(page.url).pathname
  const happened = async () => (await browser.open(before)).html !== page.html
  const fields = { csrf: tokenOf(page), ...own }
  // Changing the account decides nothing yet: the sign-in that it leads to does.
  return { browser, path, fields, happened: action === 'switch-account' ? async () => false : happened }
}

async function atAccount(action: string, fields: Record<string, string> = {}): Promise<Form> {
  const { browser, account } = await person()
  const { db } = target()
  await browser.authorize(app, account)
  const page = await browser.open('/account')
  const state = async () => {
    const sessions = await db.knex('sessions').where({ user_id: account.id }).whereNull('ended_at')
    const consents = await db.knex('consents').where({ user_id: account.id })
    const user = await db.knex('users').where({ id: account.id }).first<{ password_hash: string }>('password_hash')
    return JSON.stringify([sessions.map(({ uid }: { uid: string }) => uid), consents.length, user.password_hash])
  }
  const before = await state()
  const uid = /name="uid" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  const own = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value === 'UID' ? uid : value]))
  const current_password = account.password
  const password = 'current' in own ? { current_password, new_password: own.new!, repeat_password: own.new! } : own
  return {
    browser,
    path: `/account/${action}`,
    fields: { csrf: tokenOf(page), ...password },
    happened: async () => (await state()) !== before,
  }
}

async function atLogout(): Promise<Form> {
  const { browser, account } = await person()
  await browser.authorize(app, account)
  const page = await browser.open('/logout')
  const session = () => target().db.knex('sessions').where({ user_id: account.id }).whereNull('ended_at')
  const happened = async () => (await session()).length === 0
  return { browser, path: '/logout/confirm', fields: { xsrf: tokenOf(page), logout: 'yes' }, happened }
}

const forms: Record<string, () => Promise<Form>> = {
  'sign-in': () => atInteraction('login'),
  consent: () => atInteraction('consent'),
  cancel: () => atInteraction('cancel'),
  'switch account': () => atInteraction('switch-account'),
  'end a session': () => atAccount('sessions/end', { uid: 'UID' }),
  'revoke an app': () => atAccount('apps/revoke', { client_id: app.client_id }),
  'change the password': () => atAccount('password', { current: 'yes', new: 'nine green herons sing' }),
  'sign out': () => atAccount('sign-out'),
  logout: () => atLogout(),
}

const send = ({ browser, path }: Form, fields: Record<string, string> | string, headers: Record<string, string> = {}) =>
  browser.request(path, {
    method: 'POST',
    headers: { ...FORM, ...headers },
    body: new URLSearchParams(fields).toString(),
  })

const secretOf = ({ fields }: Form): [string, string] =>
  'xsrf' in fields ? ['xsrf', fields.xsrf!] : ['csrf', fields.csrf!]

async function refuses(t: ExecutionContext, form: Form, response: Response, what: string): Promise<void> {
  t.true([400, 403].includes(response.status), `${what}: ${response.status}`)
  t.is(response.headers.get('location'), null)
  t.false(await form.happened(), what)
}

for (const [name, open] of Object.entries(forms)) {
  test(`${name}: only the form that this page was given is accepted`, async (t) => {
    const form = await open()
    const [field, secret] = secretOf(form)
    t.true(secret.length >= 32)
    const [, another] = secretOf(await open())
    t.not(another, secret)
    const { [field]: _secret, ...bare } = form.fields
    for (const [what, fields] of Object.entries<Record<string, string> | string>({
      'no token': bare,
      'an empty token': { ...bare, [field]: '' },
      "another page's token": { ...bare, [field]: another },
      'half of the token': { ...bare, [field]: secret.slice(0, 20) },
      'more than the token': { ...bare, [field]: `${secret}A` },
      'the token in capitals': { ...bare, [field]: secret.toUpperCase() },
      'a token of other letters': { ...bare, [field]: 'ä'.repeat(secret.length) },
      'the token in another field': { ...bare, token: secret },
      'the token twice': `${new URLSearchParams(form.fields).toString()}&${field}=x`,
    })) {
      await refuses(t, form, await send(form, fields), what)
    }
    const wrongType = { method: 'POST', body: new URLSearchParams(form.fields).toString() }
    for (const type of ['text/plain', 'application/json', 'multipart/form-data; boundary=x']) {
      const { status } = await form.browser.request(form.path, { ...wrongType, headers: { 'content-type': type } })
      t.true([400, 415].includes(status), type)
    }
    const inUrl = { ...form, path: `${form.path}?${field}=${secret}` }
    await refuses(t, form, await send(inUrl, bare), 'the token in the URL')
    const stranger = { ...form, browser: new Visitor(target().issuer) }
    const asStranger = await send(stranger, form.fields)
    t.true([303, 400].includes(asStranger.status))
    t.false(await form.happened(), 'the right token in another browser')
    t.true((await send(form, form.fields)).status === 303, 'and the right form is accepted')
  })
}

for (const [name, open] of Object.entries(forms)) {
  if (name === 'logout') continue
  test(`${name}: another site can not send the form, even with the right token`, async (t) => {
    const form = await open()
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'cross-site', origin: target().issuer },
      { origin: 'https://evil.test' },
      { origin: `${target().issuer}.evil.test` },
      { origin: target().issuer.replace('localhost', 'LOCALHOST') },
      { origin: target().issuer.replace('http', 'https') },
    ]) {
      await refuses(t, form, await send(form, form.fields, headers as Record<string, string>), JSON.stringify(headers))
    }
    const own = { 'sec-fetch-site': 'same-origin', origin: 'null' }
    t.is((await send(form, form.fields, own)).status, 303)
  })
}

test('ending the sessions of somebody else, or revoking as somebody else, touches only what is mine', async (t) => {
  const mine = await atAccount('sessions/end')
  const theirs = await atAccount('sessions/end', { uid: 'UID' })
  await send(mine, { ...mine.fields, uid: theirs.fields.uid! })
  t.false(await theirs.happened())
  for (const uid of ["' or 1=1--", '%', '', '__proto__', 'x'.repeat(5_000), '\ud800', '\r\n']) {
    t.is((await send(mine, { ...mine.fields, uid })).status, 303)
    t.false(await mine.happened(), uid.slice(0, 20))
  }
  for (const client_id of ["' or 1=1--", '%', '', app.client_id.toUpperCase(), 'x'.repeat(5_000)]) {
    t.is((await send({ ...mine, path: '/account/apps/revoke' }, { ...mine.fields, client_id })).status, 400)
  }
})

/** Every page: framed by nobody, without script, stored nowhere, telling nobody where it was; forms only to where they lead. */
function guarded(t: ExecutionContext, { status, headers, html }: Page, expected: number, formAction: string): void {
  t.is(status, expected, html)
  const policy = new Map(
    (headers.get('content-security-policy') ?? '').split(/; */).map((directive) => {
      const [name = '', ...sources] = directive.split(' ')
      return [name, sources.join(' ')] as const
    }),
  )
  t.is(policy.get('default-src'), "'none'")
  t.is(policy.get('base-uri'), "'none'")
  t.is(policy.get('frame-ancestors'), "'none'")
  t.is(policy.get('form-action'), formAction)
  t.notRegex(headers.get('content-security-policy') ?? '', /unsafe|\*/)
  t.is(headers.get('x-frame-options'), 'DENY')
  t.is(headers.get('x-content-type-options'), 'nosniff')
  t.is(headers.get('referrer-policy'), 'no-referrer')
  t.is(headers.get('cache-control'), 'no-store')
  t.is(headers.get('server'), null)
  t.is(headers.get('x-powered-by'), null)
  t.notRegex(html, /<script|\son\w+=|javascript:/i)
}

test('every page is guarded against frames, scripts, caches and stray forms', async (t) => {
  const { browser, account } = await person()
  const self = "'self'"
  const client = "'self' https://app.example.com"
  const login = await browser.open(browser.request_uri(app).url)
  guarded(t, login, 200, client)
  guarded(t, await browser.signIn(login, { ...account, password: 'wrong' }), 401, client)
  const consent = await browser.signIn(login, account)
  guarded(t, consent, 200, client)
  await browser.allow(consent)
  guarded(t, await browser.open('/account'), 200, self)
  guarded(t, await browser.open('/logout'), 200, self)
  const back = `/logout?client_id=${app.client_id}&post_logout_redirect_uri=https://app.example.com/bye`
  guarded(t, await browser.open(back), 200, client)
  guarded(t, await browser.open('/logout/success'), 200, self)
  guarded(t, await browser.open('/nowhere', { headers: { accept: 'text/html' } }), 404, self)
  guarded(t, await browser.open(new URL(login.url).pathname), 400, self)
  guarded(t, await browser.open('/authorize', { headers: { accept: 'text/html' } }), 400, self)
  guarded(t, await browser.open('/authorize/unknown', { headers: { accept: 'text/html' } }), 400, self)
  const noToken = { method: 'POST', headers: FORM, body: 'a=b' }
  guarded(t, await browser.open('/account/sign-out', noToken), 403, self)
})

test('form-action lets exactly the redirect pass, of whatever kind', async (t) => {
  const { db } = target()
  const redirectUris = [LOOPBACK, 'http://[::1]/callback', APP_SCHEME]
  const native = await buildClient(db, { kind: 'native', redirectUris })
  for (const [redirect_uri, source] of [
    ['http://127.0.0.1:51234/callback', 'http://127.0.0.1:51234'],
    [LOOPBACK, 'http://127.0.0.1'],
    // No policy can name an IPv6 address.
    ['http://[::1]:51234/callback', 'http:'],
    [APP_SCHEME, 'com.example.app:'],
  ] as const) {
    const browser = new Visitor(target().issuer)
    guarded(t, await browser.open(browser.request_uri(native, { redirect_uri }).url), 200, `'self' ${source}`)
  }
})

interface Cookie {
  name: string
  value: string
  attributes: string[]
}

function cookiesOf(headers: Headers): Cookie[] {
  return headers.getSetCookie().map((line) => {
    const [pair = '', ...attributes] = line.split(/; */)
    const at = pair.indexOf('=')
    return {
      name: pair.slice(0, at),
      value: pair.slice(at + 1),
      attributes: attributes.map((attribute) => attribute.toLowerCase()).filter((text) => !text.startsWith('expires=')),
    }
  })
}

/** Every cookie that a whole visit sets and takes back: account page, sign-in, consent, logout. */
async function cookiesOfVisit(browser: Visitor, client: TestClient, account: { username: string; password: string }) {
  const seen: Cookie[] = []
  const request = browser.request.bind(browser)
  browser.request = async (...args) => {
    const response = await request(...args)
    seen.push(...cookiesOf(response.headers))
    return response
  }
  await browser.signIn(await browser.open('/account'), account)
  await browser.authorize(client, account)
  await browser.submit(await browser.open('/logout'), /\/logout\/confirm$/, { logout: 'yes' })
  return seen
}

test('cookies are for this host, out of reach of scripts and of other sites', async (t) => {
  const { browser, account } = await person()
  const cookies = await cookiesOfVisit(browser, app, account)
  t.deepEqual(
    [...new Set(cookies.map(({ name }) => name))].sort(),
    ['account_state', 'interaction', 'interaction.sig', 'resume', 'resume.sig', 'session', 'session.sig'].sort(),
  )
  for (const { name, attributes } of cookies) {
    t.true(attributes.includes('httponly'), name)
    t.true(attributes.includes('samesite=lax'), `${name} ${attributes.join()}`)
    t.false(
      attributes.some((attribute) => attribute.startsWith('domain')),
      name,
    )
    const path = attributes.find((attribute) => attribute.startsWith('path='))
    const wanted = { session: /^path=\/$/, interaction: /^path=\/interaction\/./, resume: /^path=\/authorize\/./ }
    t.regex(path ?? '', wanted[name.replace('.sig', '') as 'session'] ?? /^path=\/account\/callback$/)
  }
})

test('behind TLS cookies carry the prefixes that pin them, and HSTS is set', async (t) => {
  const port = await freePort()
  const issuer = 'https://login.example.com'
  const settings = { ISSUER: issuer, PORT: String(port), TRUST_PROXY: '1', DATABASE_POOL_MAX: '3' }
  const server = await startAuthServer(t, settings)
  const client = await buildClient(server.db, { access: [] })
  const browser = new Visitor(issuer, [`http://localhost:${port}`])
  const cookies = await cookiesOfVisit(browser, client, await buildUser(server.db))
  t.deepEqual(
    [...new Set(cookies.map(({ name }) => name.replace('.sig', '')))].sort(),
    ['__Host-session', '__Secure-account_state', '__Secure-interaction', '__Secure-resume'].sort(),
  )
  for (const { name, attributes } of cookies) {
    t.true(attributes.includes('secure'), name)
    t.true(attributes.includes('httponly'), name)
    if (name.startsWith('__Host-')) t.true(attributes.includes('path=/'), name)
    t.false(
      attributes.some((attribute) => attribute.startsWith('domain')),
      name,
    )
  }
  const page = await browser.open('/logout/success')
  t.regex(page.headers.get('strict-transport-security') ?? '', /max-age=\d{8,}/)
})

const jarOf = (browser: Visitor) => new Map([...browser.cookies].filter(([, { path }]) => path === '/'))

/** Whether this browser sits at somebody's account page. */
async function isSignedIn(browser: Visitor): Promise<boolean> {
  return (await browser.request('/account')).status === 200
}

test('a session id that was planted before the sign-in opens nothing after it', async (t) => {
  const { issuer } = target()
  const attacker = new Visitor(issuer)
  await attacker.open('/logout')
  const planted = jarOf(attacker)
  t.true(planted.has('session'), 'a real session of the server, signed by it')
  const { browser, account } = await person()
  for (const [name, cookie] of planted) browser.cookies.set(name, cookie)
  await browser.authorize(app, account)
  t.true(await isSignedIn(browser))
  t.not(browser.cookies.get('session')?.value, planted.get('session')?.value)
  t.false(await isSignedIn(attacker))
})

test("a planted session of the attacker's own does not become the victim's", async (t) => {
  const { issuer, db } = target()
  const attacker = new Visitor(issuer)
  const attackerAccount = await buildUser(db)
  await attacker.authorize(app, attackerAccount)
  const { browser, account } = await person()
  for (const [name, cookie] of jarOf(attacker)) browser.cookies.set(name, cookie)
  const login = await browser.open(browser.request_uri(app, { prompt: 'login' }).url)
  await browser.signIn(login, account)
  const seen = await attacker.open('/account')
  t.false(seen.html.includes(account.username))
})

test('the session id changes at sign-in and at consent, and the old one is dead for others', async (t) => {
  const { browser, account } = await person()
  await browser.open('/logout')
  const ids = [browser.cookies.get('session')?.value]
  const consent = await browser.signIn(await browser.open(browser.request_uri(app).url), account)
  ids.push(browser.cookies.get('session')?.value)
  await browser.allow(consent)
  ids.push(browser.cookies.get('session')?.value)
  t.is(new Set(ids).size, 3)
})

test('a session id without its signature, or with another, is no session', async (t) => {
  const { browser, account } = await person()
  await browser.authorize(app, account)
  const { value } = browser.cookies.get('session')!
  const signature = browser.cookies.get('session.sig')!.value
  const other = new Visitor(target().issuer)
  await other.open('/logout')
  for (const cookie of [
    `session=${value}`,
    `session=${value}; session.sig=`,
    `session=${value}; session.sig=${signature.slice(1)}x`,
    `session=${value}; session.sig=${other.cookies.get('session.sig')!.value}`,
    `session=${other.cookies.get('session')!.value}; session.sig=${signature}`,
    `session=${value.toLowerCase()}; session.sig=${signature}`,
    `session=x; session=${value}; session.sig=${signature}`,
    "session=' or 1=1--; session.sig=x",
    'session=__proto__; __proto__=x; constructor=y',
    `session=%00%ff${'x'.repeat(3_000)}`,
    ';;;=;==;,',
  ]) {
    const response = await fetch(`${target().issuer}/account`, { headers: { cookie }, redirect: 'manual' })
    t.is(response.status, 303, cookie)
  }
})

test('an interaction belongs to the browser that began it', async (t) => {
  const { browser, account } = await person()
  const page = await browser.open(browser.request_uri(app).url)
  const { pathname } = new URL(page.url)
  const stranger = new Visitor(target().issuer)
  await stranger.open(stranger.request_uri(app).url)
  for (const path of [pathname, pathname.replace('interaction', 'authorize')]) {
    const answer = await stranger.request(path)
    t.is(answer.status, 400)
    t.false((await answer.text()).includes('name="password"'))
  }
  const fields = { csrf: tokenOf(page), login: account.username, password: account.password }
  const body = new URLSearchParams(fields).toString()
  t.is((await stranger.request(`${pathname}/login`, { method: 'POST', headers: FORM, body })).status, 400)
})

test('a decision can not be made on the wrong page, and is made once', async (t) => {
  const { browser, account } = await person()
  const login = await browser.open(browser.request_uri(app).url)
  const { pathname } = new URL(login.url)
  const csrf = tokenOf(login)
  const post = (path: string, fields: Record<string, string>) =>
    browser.request(path, { method: 'POST', headers: FORM, body: new URLSearchParams(fields).toString() })
  t.is((await post(`${pathname}/consent`, { csrf, decision: 'allow' })).status, 400, 'consent before sign-in')
  const consent = await browser.signIn(login, account)
  const second = new URL(consent.url).pathname
  const token = tokenOf(consent)
  t.is(
    (await post(`${second}/login`, { csrf: token, login: account.username, password: account.password })).status,
    400,
  )
  for (const decision of ['', 'deny', 'ALLOW', 'allow,deny']) {
    t.is((await post(`${second}/consent`, { csrf: token, decision })).status, 400)
  }
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => post(`${second}/consent`, { csrf: token, decision: 'allow' })),
  )
  t.true(answers.every(({ status }) => status === 303 || status === 400))
  const resumes = await Promise.all(
    answers.filter(({ status }) => status === 303).map(({ headers }) => browser.request(headers.get('location')!)),
  )
  const codes = resumes.filter(({ headers }) => headers.get('location')?.includes('code='))
  t.is(codes.length, 1)
})

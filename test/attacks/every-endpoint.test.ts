import test from 'ava'
import { Visitor } from '../support/visitor.ts'
import { harmless, notLogged, request, underAttack } from './target.ts'

const target = underAttack()

interface Browser {
  cookie: string
  uid: string
  csrf: { interaction: string; account: string }
}

/** Somebody who is signed in and stands before a sign-in form at the same time: every handler is reached. */
let present: Browser
/** Somebody else, because resuming an interaction uses it up. */
let resuming: Browser
let asset: string
test.before(async () => {
  present = await newBrowser()
  resuming = await newBrowser()
})

async function newBrowser(): Promise<Browser> {
  const { issuer, web, person } = target()
  const browser = new Visitor(issuer)
  await browser.authorize(web, person)
  const account = await browser.open('/account')
  const login = await browser.open(browser.request_uri(web, { prompt: 'login' }).url)
  const tokenOf = (html: string) => /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? ''
  asset = /href="(\/assets\/[^"]+\.css)"/.exec(login.html)?.[1] ?? ''
  const uid = new URL(login.url).pathname.split('/')[2] ?? ''
  const jar = [...browser.cookies].filter(([, { path }]) => path === '/' || path.endsWith(uid))
  return {
    cookie: jar.map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; '),
    uid,
    csrf: { interaction: tokenOf(login.html), account: tokenOf(account.html) },
  }
}

/** Every path that answers, and the methods that it has; those of pages are not told. */
const endpoints: [string, string?][] = [
  ['/authorize', 'GET, HEAD'],
  ['/authorize/UID', 'GET, HEAD'],
  ['/token', 'POST, OPTIONS'],
  ['/par', 'POST, OPTIONS'],
  ['/register', 'POST, OPTIONS'],
  ['/userinfo', 'GET, HEAD, OPTIONS, POST'],
  ['/jwks', 'GET, HEAD, OPTIONS'],
  ['/.well-known/openid-configuration', 'GET, HEAD, OPTIONS'],
  ['/.well-known/oauth-authorization-server', 'GET, HEAD, OPTIONS'],
  ['/device_authorization', 'POST, OPTIONS'],
  ['/device', 'GET, HEAD, POST'],
  ['/device/UID', 'GET, HEAD'],
  ['/logout', 'GET, HEAD'],
  ['/logout/confirm', 'POST'],
  ['/logout/success', 'GET, HEAD'],
  ['/interaction/UID'],
  ['/interaction/UID/login'],
  ['/interaction/UID/consent'],
  ['/interaction/UID/nonsense'],
  ['/account'],
  ['/account/callback'],
  ['/account/sessions/end'],
  ['/account/apps/revoke'],
  ['/account/password'],
  ['/health/live'],
  ['/health/ready'],
  ['ASSET'],
  ['/'],
  ['/nowhere'],
  ['/TOKEN'],
  ['/token/'],
  ['/token/more'],
]

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND']

const NAMES = [
  'client_id',
  'user_code',
  'client_secret',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'resource',
  'prompt',
  'grant_type',
  'code',
  'code_verifier',
  'refresh_token',
  'access_token',
  'id_token_hint',
  'post_logout_redirect_uri',
  'xsrf',
  'logout',
  'login',
  'password',
  'decision',
  'uid',
  'current_password',
  'new_password',
  'repeat_password',
  'notice',
  'error',
  'ui_locales',
  'max_age',
]

const VALUES = [
  '',
  ' ',
  '%00',
  '%0d%0aX-Injected:%20yes',
  '%ED%A0%80',
  '%FF%FE',
  '%',
  '%zz',
  '%F0%9F%A6%A6',
  "'%20or%201=1--",
  '%22%3E%3Cscript%3Ealert(1)%3C/script%3E',
  '__proto__',
  'constructor',
  'null',
  'undefined',
  'NaN',
  '-1',
  '1e999',
  '%5B%5D',
  '%7B%7D',
  '../../../../etc/passwd',
  '..%2f..%2fpackage.json',
  'javascript:alert(1)',
  '//evil.test',
  'https://evil.test/',
  '%24%7B7*7%7D',
  '%3C%25=7*7%25%3E',
  'x'.repeat(3_000),
]

/** Query strings and form bodies: every value under every name, the names that matter twice, lists, objects, odd shapes. */
function soups(): string[] {
  const single = [
    'client_id',
    'redirect_uri',
    'response_type',
    'resource',
    'access_token',
    'xsrf',
    'csrf',
    'uid',
    'state',
  ]
  return [
    ...VALUES.map((value) => NAMES.map((name) => `${name}=${value.slice(0, 60)}`).join('&')),
    ...single.map((name, index) => `${name}=${VALUES[index]}&${name}=b`),
    ...['[]', '[x]', '.y', '[0][__proto__]'].map((suffix) => NAMES.map((name) => `${name}${suffix}=a`).join('&')),
    `client_id=${VALUES.at(-1)}&state=${VALUES.at(-1)}`,
    '__proto__=x&constructor=y&toString=z&hasOwnProperty=w&__defineGetter__=v',
    '&&&&====;;;;?=&=&#',
    'a'.repeat(5_000),
  ]
}

const BODIES: [string | undefined, string][] = [
  ['application/json', '{"grant_type":"client_credentials","__proto__":{"x":1}}'],
  ['application/json', '{'],
  ['application/json', '[]'],
  ['application/json; charset=utf-7', 'null'],
  ['application/xml', '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'],
  ['multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\ny\r\n--x--\r\n'],
  ['multipart/form-data', 'x'],
  ['text/plain', 'a=b'],
  ['application/octet-stream', '\0\xff\xfe'],
  ['application/x-www-form-urlencoded; charset=utf-16', 'a=b'],
  ['application/x-www-form-urlencoded; charset=nonsense', 'a=b'],
  ['application/x-www-form-urlencoded; charset=', 'a=b'],
  ['application/x-www-form-urlencoded', '\0\xff\xfe=\x80'],
  ['APPLICATION/X-WWW-FORM-URLENCODED', 'a=b'],
  ['application/x-www-form-urlencoded, text/plain', 'a=b'],
  ['nonsense', 'a=b'],
  ['/', 'a=b'],
  [undefined, 'a=b'],
]

const browserAt = (path: string) => (path.startsWith('/authorize/') ? resuming : present)
const place = (path: string) => path.replace('UID', browserAt(path).uid).replace('ASSET', asset)
const known = () => [target().web.redirect_uri]

for (const [path, methods] of endpoints) {
  test(`${path}: every method gets an answer of its own`, async (t) => {
    for (const method of METHODS) {
      const answer = await request(target(), place(path), {
        method,
        headers: [`Cookie: ${browserAt(path).cookie}`, 'Accept: text/html'],
      })
      harmless(t, target(), answer, `${method} ${path}`, known())
      t.is(answer.headers.get('access-control-allow-credentials'), null)
      if (methods && !methods.split(', ').includes(method)) {
        t.is(answer.status, 405, `${method} ${path}`)
        t.is(answer.headers.get('allow'), methods)
      }
      if (method === 'TRACE') t.false(answer.text.includes(present.cookie), 'the request is not sent back')
    }
  })

  test(`${path}: no query makes it fail`, async (t) => {
    for (const soup of soups()) {
      const answer = await request(target(), `${place(path)}?${soup}`, {
        headers: [`Cookie: ${browserAt(path).cookie}`],
      })
      harmless(t, target(), answer, `${path}?${soup.slice(0, 80)}`, known())
      t.is(answer.headers.get('x-injected'), null)
      t.notRegex(answer.body, /<script>alert|root:|"name": "grantry"/)
    }
  })

  test(`${path}: no body makes it fail`, async (t) => {
    const token = path.startsWith('/account') ? present.csrf.account : present.csrf.interaction
    for (const soup of soups()) {
      const headers = [`Cookie: ${browserAt(path).cookie}`, 'Content-Type: application/x-www-form-urlencoded']
      const body = `${/(?:^|&)csrf/.test(soup) ? '' : `csrf=${token}&`}${soup}`
      const answer = await request(target(), place(path), { method: 'POST', headers, body })
      harmless(t, target(), answer, `${path} ${soup.slice(0, 80)}`, known())
      t.is(answer.headers.get('x-injected'), null)
    }
    for (const [type, body] of BODIES) {
      const headers = [`Cookie: ${browserAt(path).cookie}`, ...(type === undefined ? [] : [`Content-Type: ${type}`])]
      for (const method of type?.startsWith('text') ? ['POST', 'PUT', 'PATCH', 'DELETE'] : ['POST']) {
        const answer = await request(target(), place(path), { method, headers, body })
        harmless(t, target(), answer, `${method} ${path} ${type}`, known())
        t.false(answer.status === 200 && path.includes('account'), `${path} takes ${type}`)
      }
    }
  })
}

test.serial('odd headers make nothing fail', async (t) => {
  const odd = [
    'Accept: ',
    'Accept: */*;q=0',
    'Accept: text/html;q=nonsense',
    'Accept: application/json',
    `Accept: ${'a/b,'.repeat(2_000)}`,
    'Accept-Language: __proto__',
    `Accept-Language: ${'de-'.repeat(3_000)}`,
    'Accept-Language: *;q=-1',
    'Accept-Encoding: identity;q=0, *;q=0',
    'Accept-Charset: utf-7',
    'Cookie: ;;;=;==',
    'Cookie: session',
    'Cookie: __proto__=x; constructor=y',
    'Cookie: session=%zz; session.sig=%zz',
    'Authorization: ',
    'Authorization: Basic',
    'Authorization: Bearer \x80\xff',
    'Origin: ',
    'Origin: null',
    'Origin: \x80',
    'Referer: javascript:alert(1)',
    'If-None-Match: *',
    'If-Modified-Since: yesterday',
    'Range: bytes=0-0,-1',
    'Sec-Fetch-Site: nonsense',
    'traceparent: 00-x-y-z',
    `traceparent: 00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`,
    'X-HTTP-Method-Override: DELETE',
    'X-Request-Id: evil',
    'User-Agent: ',
    `User-Agent: \xff${'x'.repeat(9_000)}`,
    'DPoP: x',
    'Content-Type: text/html',
    'Content-Encoding: br',
    'Prefer: wait=100',
    'Via: 1.1 evil',
    'Max-Forwards: 0',
    'TE: trailers',
  ]
  for (const [path] of endpoints) {
    for (const line of odd) {
      const answer = await request(target(), place(path), { headers: [line] })
      harmless(t, target(), answer, `${path} ${line.slice(0, 60)}`, known())
      t.not(answer.headers.get('x-request-id'), 'evil')
    }
  }
})

test('files outside the assets can not be had', async (t) => {
  const wishes = [
    '/assets/../package.json',
    '/assets/..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/....//package.json',
  ]
  const more = [
    '/assets/',
    '/assets/__proto__',
    '/assets/constructor',
    '/views/login.eta',
    '/package.json',
    '/.env',
    '/src/server.ts',
    '/data/master.key',
  ]
  for (const path of [
    ...wishes,
    ...more,
    `${asset}/../../../package.json`,
    `${asset}%00.eta`,
    asset.replace('app', 'APP'),
  ]) {
    const { status, body } = await request(target(), path)
    t.true([400, 404].includes(status), path)
    t.notRegex(body, /"name": "grantry"|MASTER_KEY|import /)
  }
})

test.after('none of it is in the log as an error, no secret at all, and the person is where they were', async (t) => {
  const { logs, web, person } = target()
  t.deepEqual(
    logs.filter(({ level }) => level === 'error'),
    [],
  )
  // Not everything was turned away at the door.
  for (const [path, status] of [
    ['/interaction/:uid/login', 401],
    ['/account/password', 403],
    ['/account/sessions/end', 303],
  ]) {
    t.true(
      logs.some((line) => line.path === path && line.status === status),
      `${path} ${status}`,
    )
  }
  for (const { cookie, uid, csrf } of [present, resuming]) {
    const values = Object.fromEntries(cookie.split('; ').map((pair) => pair.split('=') as [string, string]))
    notLogged(t, target(), { secret: web.client_secret, password: person.password, ...csrf, uid, ...values })
  }
  for (const path of ['/account', `/interaction/${present.uid}`]) {
    t.is((await request(target(), path, { headers: [`Cookie: ${present.cookie}`] })).status, 200, path)
  }
})

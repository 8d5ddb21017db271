import test from 'ava'
import { buildClient, type TestClient } from '../support/registry.ts'
import { Visitor } from '../support/visitor.ts'
import { APP_SCHEME, harmless, LOOPBACK, post, request, underAttack } from './target.ts'

const target = underAttack()

let victim: Visitor
let many: TestClient
test.before(async () => {
  const { issuer, db, web, person } = target()
  victim = new Visitor(issuer)
  await victim.authorize(web, person)
  const redirectUris = ['https://app.example.com/callback', 'https://app.example.com/other?tab=1']
  many = await buildClient(db, {
    firstParty: true,
    redirectUris,
    postLogoutRedirectUris: ['https://app.example.com/bye'],
  })
})

function cookies(path: string): string {
  const jar = [...victim.cookies].filter(([, cookie]) => cookie.path === '/' || path.startsWith(cookie.path))
  return `Cookie: ${jar.map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ')}`
}

/**
 * The person is signed in and has consented, so that a good request would go straight back with a code. A bad redirect URI
 * ends on a page of our own, in the request as in its error, and nothing leads away from there.
 */
const stays = test.macro<[string, string]>({
  title: (_, what) => `nobody is sent to ${what}`,
  async exec(t, _what, uri) {
    for (const [client, extra] of [
      [target().web, {}],
      [many, {}],
      // Each of these alone would be an error that goes back to the client.
      [many, { response_type: 'nonsense' }],
      [many, { code_challenge: undefined }],
      [many, { scope: 'orders:nonsense' }],
      [many, { prompt: 'none login' }],
      [many, { response_mode: 'fragment', prompt: 'none' }],
      [many, { response_mode: 'form_post', prompt: 'none' }],
    ] as const) {
      const { url } = victim.request_uri(client, { redirect_uri: 'PLACE', parameters: extra })
      const answer = await request(target(), url.replace('PLACE', uri), {
        headers: [cookies('/authorize'), 'Accept: text/html'],
      })
      t.is(answer.status, 400, answer.text)
      t.is(answer.headers.get('location'), null)
      t.regex(answer.headers.get('content-type') ?? '', /^text\/html/)
      t.notRegex(answer.body, /evil|javascript:|<form|http-equiv="?refresh|<script/i)
      t.regex(answer.headers.get('content-security-policy') ?? '', /form-action 'self'(;|$)/)
    }
  },
})

const tricks: [string, string][] = [
  ['another host', 'https://evil.test/callback'],
  ['our host as user name', 'https://app.example.com@evil.test/callback'],
  ['our host as user name and password', 'https://app.example.com:x@evil.test/callback'],
  ['our host with a user name', 'https://evil.test@app.example.com/callback'],
  ['a host that ends like ours', 'https://evil.test.app.example.com/callback'],
  ['a host that begins like ours', 'https://app.example.com.evil.test/callback'],
  ['a host with a dot at its end', 'https://app.example.com./callback'],
  ['a host in capitals', 'https://APP.example.com/callback'],
  ['a scheme in capitals', 'HTTPS://app.example.com/callback'],
  ['a path in capitals', 'https://app.example.com/Callback'],
  ['a host in full-width letters', `https://${encodeURIComponent('ａpp.example.com')}/callback`],
  ['an escaped host', 'https://app%252eexample.com/callback'],
  ['a path with a slash at its end', 'https://app.example.com/callback/'],
  ['a path with an escaped slash', 'https://app.example.com%252fcallback'],
  ['a path with an escaped letter', 'https://app.example.com/%2563allback'],
  ['a path with two slashes', 'https://app.example.com//callback'],
  ['a deeper path', 'https://app.example.com/callback/evil'],
  ['a longer path', 'https://app.example.com/callbackevil'],
  ['a path that climbs', 'https://app.example.com/x/../callback'],
  ['a path that climbs by escapes', 'https://app.example.com/x/%252e%252e/callback'],
  ['a path with parameters', 'https://app.example.com/callback;evil'],
  ['a backslash', 'https://app.example.com%5C@evil.test/callback'],
  ['a backslash for a slash', 'https:%5C%5Capp.example.com/callback'],
  ['one slash', 'https:/app.example.com/callback'],
  ['no scheme', '//app.example.com/callback'],
  ['a path alone', '/callback'],
  ['another port', 'https://app.example.com:8443/callback'],
  ['the default port', 'https://app.example.com:443/callback'],
  ['a port without digits', 'https://app.example.com:/callback'],
  ['another scheme', 'http://app.example.com/callback'],
  ['a scheme of an app', APP_SCHEME],
  ['loopback', LOOPBACK],
  ['a fragment', 'https://app.example.com/callback%23'],
  ['a fragment with a code', 'https://app.example.com/callback%23code=evil'],
  ['an extra query', 'https://app.example.com/callback%3Fx=evil'],
  ['an empty query', 'https://app.example.com/callback%3F'],
  ['a space in front', '%20https://app.example.com/callback'],
  ['a space behind', 'https://app.example.com/callback%20'],
  ['a tab inside', 'https://app.exa%09mple.com/callback'],
  ['a line break inside', 'https://app.example.com/callback%0d%0aLocation:%20https://evil.test'],
  ['a letter that looks the same', `https://${encodeURIComponent('аpp.example.com')}/callback`],
  ['a wildcard', 'https://*.example.com/callback'],
  ['a list', 'https://app.example.com/callback,https://evil.test'],
  ['javascript', 'javascript:alert(1)//https://app.example.com/callback'],
  ['data', 'data:text/html,evil'],
  ['blob', 'blob:https://app.example.com/callback'],
  ['a view of source', 'view-source:https://app.example.com/callback'],
  ['the issuer itself', 'https://localhost/account/callback'],
  ['markup', '%22%3E%3Cscript%3Ealert(1)%3C/script%3E'],
  ['an object', '%5Bobject%20Object%5D'],
]
for (const [what, uri] of tricks) test(stays, what, uri)

test('a native app may come back to any port of its loopback address, and to nothing else there', async (t) => {
  const { issuer, native } = target()
  const open = async (redirect_uri: string) => {
    const { url } = victim.request_uri(native, { redirect_uri, parameters: { prompt: 'none' } })
    return request(target(), url, { headers: [cookies('/authorize')] })
  }
  for (const good of [LOOPBACK, 'http://127.0.0.1:1/callback', 'http://127.0.0.1:65535/callback', APP_SCHEME]) {
    const location = (await open(good)).headers.get('location') ?? ''
    t.true(location.startsWith(`${good}?error=interaction_required`), location)
    t.is(new URL(location).searchParams.get('iss'), issuer)
  }
  for (const bad of [
    'http://localhost/callback',
    'http://[::1]/callback',
    'http://127.0.0.2/callback',
    'http://127.1/callback',
    'http://2130706433/callback',
    'http://0/callback',
    'https://127.0.0.1/callback',
    'http://127.0.0.1:80@evil.test/callback',
    'http://127.0.0.1.evil.test/callback',
    'http://127.0.0.1:99999/callback',
    'http://127.0.0.1:1/other',
    'http://127.0.0.1:1/callback?x=1',
    'com.example.app:/other',
    'com.example.app:callback',
    'com.example.app://evil/callback',
    'COM.example.app:/callback',
    'com.example.evil:/callback',
  ]) {
    const answer = await open(bad)
    t.is(answer.status, 400, bad)
    t.is(answer.headers.get('location'), null, bad)
  }
})

test('a web app may not come back to another port', async (t) => {
  const { db } = target()
  const local = await buildClient(db, { kind: 'spa', redirectUris: ['http://127.0.0.1:5173/callback'] })
  const { url } = victim.request_uri(local, { redirect_uri: 'http://127.0.0.1:5174/callback' })
  const answer = await request(target(), url, { headers: [cookies('/authorize')] })
  t.is(answer.status, 400)
  t.is(answer.headers.get('location'), null)
})

test('a redirect URI given twice never counts with its bad half', async (t) => {
  for (const client of [target().web, many]) {
    for (const [first, second] of [
      [client.redirect_uri, 'https://evil.test/callback'],
      ['https://evil.test/callback', client.redirect_uri],
    ]) {
      const { url } = victim.request_uri(client, { redirect_uri: first! })
      const path = `${url}&redirect_uri=${encodeURIComponent(second!)}`
      const answer = await request(target(), path, { headers: [cookies('/authorize')] })
      harmless(t, target(), answer, second!, [client.redirect_uri])
      t.false(answer.text.includes('evil.test'))
      t.notRegex(answer.headers.get('location') ?? '', /[?&]code=/)
    }
  }
})

test('without a redirect URI a client of several gets a page, and none is guessed', async (t) => {
  const { url } = victim.request_uri(many, { parameters: { redirect_uri: undefined } })
  for (const path of [url, `${url}&redirect_uri=`, `${url}&redirect_uri[]=${encodeURIComponent(many.redirect_uri)}`]) {
    const answer = await request(target(), path, { headers: [cookies('/authorize')] })
    t.is(answer.status, 400)
    t.is(answer.headers.get('location'), null)
  }
})

test('a registered query stays as it is, and nothing sent along overrides it', async (t) => {
  const { url } = victim.request_uri(many, {
    redirect_uri: 'https://app.example.com/other?tab=1',
    parameters: { tab: '2', code: 'evil', iss: 'https://evil.test' },
  })
  const { headers } = await request(target(), url, { headers: [cookies('/authorize')] })
  const end = new URL(headers.get('location') ?? '')
  t.deepEqual(end.searchParams.getAll('tab'), ['1'])
  t.deepEqual(end.searchParams.getAll('iss'), [target().issuer])
  t.is(end.searchParams.getAll('code').length, 1)
  t.not(end.searchParams.get('code'), 'evil')
})

/** Where the browser goes after logout is a redirect like any other (RP-Initiated Logout 1.0 §3). */
const logsOutHere = test.macro<[string, string]>({
  title: (_, what) => `logout sends nobody to ${what}`,
  async exec(t, _what, uri) {
    for (const client_id of [many.client_id, undefined, target().web.client_id]) {
      const query = `post_logout_redirect_uri=${uri}${client_id ? `&client_id=${client_id}` : ''}`
      const page = await request(target(), `/logout?${query}`)
      harmless(t, target(), page, query)
      t.notRegex(page.text, /evil|javascript:/)
      if (page.status !== 200) continue
      // Nobody is signed in here: the page goes on by itself.
      const jar = page.headers.getSetCookie().map((cookie) => cookie.split(';')[0])
      const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
      const end = await post(target(), '/logout/confirm', { xsrf, logout: 'yes' }, [`Cookie: ${jar.join('; ')}`])
      t.is(end.status, 303, end.text)
      t.is(new URL(end.headers.get('location') ?? '').origin, target().issuer)
    }
  },
})

const landings: [string, string][] = [
  ['another host', 'https://evil.test/bye'],
  ['our host as user name', 'https://app.example.com@evil.test/bye'],
  ['a suffix host', 'https://app.example.com.evil.test/bye'],
  ['a registered redirect URI', 'https://app.example.com/callback'],
  ['an extra query', 'https://app.example.com/bye%3Fevil'],
  ['a fragment', 'https://app.example.com/bye%23evil'],
  ['javascript', 'javascript:alert(1)'],
  ['a backslash', '%5C%5Cevil.test'],
  ['a network path', '//evil.test'],
]
for (const [what, uri] of landings) test(logsOutHere, what, uri)

test('the pages of ours never follow an address of the request', async (t) => {
  for (const path of [
    '//evil.test',
    '//evil.test/%2e%2e',
    '/%5Cevil.test',
    '/\\evil.test',
    '/account?returnTo=https://evil.test',
    '/account/callback?state=x&code=y&redirect_uri=https://evil.test',
    '/account/callback?error=x&error_uri=https://evil.test',
    '/logout/success?post_logout_redirect_uri=https://evil.test',
    '/?next=https://evil.test',
    '/account//evil.test',
    '/interaction/..%2f..%2fevil.test',
    '/authorize/https:%2f%2fevil.test',
  ]) {
    const answer = await request(target(), path, { headers: [cookies('/'), 'Referer: https://evil.test/'] })
    harmless(t, target(), answer, path)
    t.false(answer.text.includes('evil.test'), path)
  }
})

import test from 'ava'
import { decodeJwt } from 'jose'
import { token, Visitor, type AuthorizationOptions } from '../support/visitor.ts'
import { harmless, request, underAttack } from './target.ts'

const target = underAttack()

let person: Visitor
test.before(async () => {
  person = new Visitor(target().issuer)
  await person.authorize(target().web, target().person)
})

type Parameters = Record<string, string | undefined>

interface Outcome {
  answer: URLSearchParams
  state: string
  verifier: string
}

/** How the request of a person who is signed in and has consented ends: the parameters that reach the client. */
async function outcome(options: AuthorizationOptions): Promise<Outcome> {
  const { web } = target()
  const { url, state, verifier } = person.request_uri(web, options)
  const page = await person.open(url)
  const end = new URL(page.url)
  if (!end.href.startsWith(web.redirect_uri)) throw new Error(`stopped at ${end.href}`)
  // A code in an address: not kept, not passed on, and no form is sent on with it (RFC 9700 §4.2, §4.12).
  const { status, headers } = page
  const guards = [status, headers.get('cache-control'), headers.get('referrer-policy')].join()
  if (guards !== '303,no-store,no-referrer') throw new Error(`answered with ${guards}`)
  return { answer: end.hash ? new URLSearchParams(end.hash.slice(1)) : end.searchParams, state, verifier }
}

/** RFC 9207: whoever mixes up two authorization servers must notice, so every answer names its issuer, errors too. */
const answers = test.macro<[string, Parameters, string?]>({
  title: (_, what, _parameters, error) => `${what} gets ${error ?? 'a code'}, with issuer and state`,
  async exec(t, _what, parameters, error) {
    const { answer, state } = await outcome({ parameters })
    t.is(answer.get('error'), error ?? null)
    t.is(answer.has('code'), error === undefined)
    t.deepEqual(answer.getAll('iss'), [target().issuer])
    t.deepEqual(answer.getAll('state'), 'state' in parameters ? [parameters.state ?? ''].filter(Boolean) : [state])
  },
})

test(answers, 'a plain request', {})
test(answers, 'a request in a fragment', { response_mode: 'fragment' })
test(answers, 'a request for silence', { prompt: 'none' })

test(answers, 'no response type', { response_type: undefined }, 'invalid_request')
for (const response_type of ['token', 'id_token', 'code id_token', 'code token', 'none', 'CODE', '__proto__']) {
  test(answers, `response type ${response_type}`, { response_type, nonce: 'n' }, 'unsupported_response_type')
}
for (const response_mode of [
  'web_message',
  'web_message.jwt',
  'cookie.jwt',
  '.jwt',
  'cookie',
  '__proto__',
  'constructor',
]) {
  test(answers, `response mode ${response_mode}`, { response_mode }, 'unsupported_response_mode')
}
test(answers, 'a request object', { request: 'eyJhbGciOiJub25lIn0.e30.' }, 'invalid_request_object')
test(answers, 'a request by reference', { request_uri: 'https://evil.test/request' }, 'request_uri_not_supported')
test(
  answers,
  'a request by an internal reference',
  { request_uri: 'http://localhost:5432/' },
  'request_uri_not_supported',
)
test(
  answers,
  'a pushed request that nobody pushed',
  { request_uri: 'urn:ietf:params:oauth:request_uri:x' },
  'invalid_request_uri',
)
test(
  answers,
  'a registration',
  { registration: '{"redirect_uris":["https://evil.test"]}' },
  'registration_not_supported',
)
for (const prompt of ['nonsense', 'none login', 'LOGIN', 'create', 'select_account', '__proto__', 'login,consent']) {
  test(answers, `prompt ${prompt}`, { prompt }, 'invalid_request')
}
for (const max_age of ['-1', 'x', '1.5', 'Infinity', '9'.repeat(30), '__proto__', '1;2']) {
  test(answers, `max_age ${max_age}`, { max_age }, 'invalid_request')
}
for (const scope of ['open"id', 'openid orders:nonsense', 'openid __proto__', 'öpenid', 'openid\torders:read']) {
  test(answers, `scope ${JSON.stringify(scope)}`, { scope }, 'invalid_scope')
}
for (const resource of ['nonsense', 'https://evil.test', 'https://api.example.com#x', 'javascript:alert(1)']) {
  test(answers, `resource ${resource}`, { resource }, 'invalid_target')
}
for (const [what, id_token_hint] of Object.entries({
  garbage: 'x',
  'three dots': '...',
  'nothing signed': 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.',
  'a null': `eyJhbGciOiJub25lIn0.${btoa('null')}.`,
})) {
  test(answers, `${what} as id_token_hint`, { id_token_hint, prompt: 'none' }, 'invalid_request')
}

/** Parameters that mean nothing here change nothing: not the grant, not the token, not the page. */
for (const [name, value] of Object.entries({
  claims: '{"id_token":{"email":{"essential":true}}}',
  broken_claims: '{',
  acr_values: '__proto__',
  display: 'javascript:alert(1)',
  ui_locales: '__proto__ constructor xx-yy-zz',
  claims_locales: '../../etc/passwd',
  login_hint: "' or 1=1--",
  audience: 'https://evil.test',
  access_token: 'x',
  client_secret: 'x',
  user: 'admin',
  account_id: 'usr_x',
  sub: 'usr_x',
  'resource[]': 'https://evil.test',
  '__proto__[scope]': 'admin',
  __proto__x: 'x',
  constructor: 'x',
  hasOwnProperty: 'x',
  toString: 'x',
})) {
  test(answers, `an unasked ${name}`, { [name.replace('broken_', '')]: value })
}

/** State and nonce belong to the client: they come back as they are, or the request is refused; never shortened or bent. */
const intact = test.macro<[string, string]>({
  title: (_, what) => `${what} as state and nonce come back as they were`,
  async exec(t, _what, state) {
    const { issuer, web } = target()
    for (const response_mode of ['query', 'fragment']) {
      const { answer, verifier } = await outcome({ parameters: { state, nonce: state, response_mode } })
      t.deepEqual(answer.getAll('state'), [state])
      t.is(answer.getAll('code').length, 1)
      t.deepEqual(answer.getAll('iss'), [issuer])
      const code = answer.get('code') ?? ''
      const { redirect_uri } = web
      const grant = { grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier }
      const { body } = await token(issuer, web, grant)
      t.is(decodeJwt(body.id_token ?? '').nonce, state)
    }
    const { answer } = await outcome({ parameters: { state, prompt: 'nonsense' } })
    t.is(answer.get('state'), state)
  },
})

test(intact, '3,000 letters', 'x'.repeat(3_000))
test(
  intact,
  'every visible character',
  Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index)).join(''),
)
test(intact, 'parameters', '&code=evil&iss=https://evil.test#code=evil?')
test(intact, 'a new header', '\r\nLocation: https://evil.test\r\nSet-Cookie: session=evil\r\n\r\n<script>')
test(intact, 'markup', `"'><script>alert(1)</script>`)
test(intact, 'escapes', '%00%0d%0a%2525+ +')
test(intact, 'other writing', 'ünïcødé 日本語 🦦 \u202e')
test(intact, 'template marks', '<%= process.env %>${7*7}{{7*7}}')

test('a URL that is too long is refused whole', async (t) => {
  const { url } = person.request_uri(target().web, { parameters: { state: 'x'.repeat(9_000) } })
  const answer = await request(target(), url)
  t.is(answer.status, 414)
  t.is(answer.headers.get('location'), null)
})

test('a form_post answer is a page of ours whose form leads to the client, with everything escaped', async (t) => {
  const state = `"><script>alert(1)</script><form action="https://evil.test">`
  for (const parameters of [
    { response_mode: 'form_post', state },
    { response_mode: 'form_post', state, prompt: 'nonsense' },
  ]) {
    const { url } = person.request_uri(target().web, { parameters })
    const { status, headers, html } = await person.open(url)
    harmless(t, target(), { status, headers, body: '' }, 'form_post')
    t.deepEqual(
      [...html.matchAll(/<form[^>]*action="([^"]*)"/g)].map(([, action]) => action),
      [target().web.redirect_uri],
    )
    t.is(html.match(/<script/g)?.length, 1, 'the one that sends the form')
    t.true(html.includes(`name="iss" value="${target().issuer}"`))
    const csp = headers.get('content-security-policy') ?? ''
    t.regex(csp, /script-src 'self' 'sha256-[\w+/=]+'/)
    t.regex(csp, /default-src 'none'/)
    t.is(headers.get('x-frame-options'), 'DENY')
    t.is(headers.get('referrer-policy'), 'no-referrer')
    t.is(headers.get('cache-control'), 'no-store')
  }
})

/** What comes before the client is known ends on a page of ours; nothing of the request becomes part of it unescaped. */
const page = test.macro<[string, string]>({
  title: (_, what) => `${what} ends on a page of ours`,
  async exec(t, _what, query) {
    const answer = await request(target(), `/authorize?${query}`, { headers: ['Accept: text/html'] })
    harmless(t, target(), answer, query)
    t.is(answer.status, 400)
    t.is(answer.headers.get('location'), null)
    t.regex(answer.headers.get('content-type') ?? '', /^text\/html/)
    t.notRegex(answer.body, /<script|onerror|evil\.test/)
  },
})

const ATTACK = encodeURIComponent(`"'><script src=//evil.test></script><img src=x onerror=alert(1)>`)
test(page, 'nothing at all', '')
test(page, 'no client', 'redirect_uri=https://evil.test&response_type=code')
test(page, 'an empty client', 'client_id=&redirect_uri=https://evil.test')
test(page, 'an unknown client', 'client_id=cli_aaaaaaaaaaaaaaaaaaaaaaaaaa&redirect_uri=https://evil.test&state=x')
test(page, 'markup for a client', `client_id=${ATTACK}&redirect_uri=${ATTACK}&state=${ATTACK}`)
test(page, 'SQL for a client', `client_id=${encodeURIComponent("' or 1=1; drop table clients;--")}`)
test(page, 'two clients', 'client_id=a&client_id=b&redirect_uri=https://evil.test')
test(page, 'a list of clients', 'client_id[]=a&client_id[0]=b&redirect_uri=https://evil.test')
test(page, 'a client that is a prototype', 'client_id=__proto__&redirect_uri=https://evil.test')
test(page, 'markup in the languages', `client_id=x&ui_locales=${ATTACK}`)

test('a request that is resumed without its browser is over, whatever its query says', async (t) => {
  const { web, native, issuer } = target()
  for (const query of [
    `client_id=${web.client_id}`,
    `client_id=${web.client_id}&redirect_uri=${encodeURIComponent(web.redirect_uri)}&state=x`,
    `client_id=${web.client_id}&redirect_uri=https://evil.test`,
    `client_id=${native.client_id}&redirect_uri=a&redirect_uri=b`,
    'client_id=x&error=y',
  ]) {
    for (const cookie of [[], ['Cookie: resume=x; resume.sig=y']]) {
      const answer = await request(target(), `/authorize/unknown?${query}`, { headers: cookie })
      t.is(answer.status, 400, query)
      t.is(answer.headers.get('location'), null)
      t.false(answer.body.includes('Test web'), 'no app is named that did not ask')
      harmless(t, { issuer }, answer, query)
    }
  }
})

test('a parameter given twice is an error for the client, whichever it is', async (t) => {
  const { web, issuer } = target()
  for (const name of [
    'response_type',
    'scope',
    'state',
    'nonce',
    'prompt',
    'max_age',
    'code_challenge',
    'code_challenge_method',
    'response_mode',
    'login_hint',
    'ui_locales',
    'id_token_hint',
    'acr_values',
    'display',
  ]) {
    const { url } = person.request_uri(web)
    const end = await person.open(`${url}&${name}=a&${name}=b`)
    const { searchParams, origin } = new URL(end.url)
    t.is(origin, new URL(web.redirect_uri).origin, name)
    t.is(searchParams.get('error'), 'invalid_request', name)
    t.is(searchParams.get('iss'), issuer)
    t.is(searchParams.get('code'), null)
  }
})

test('raw bytes that are no UTF-8, and a NUL, are refused before anything reads them', async (t) => {
  for (const query of [
    'state=%00',
    'state=%ff',
    'state=%ed%a0%80',
    'state=%c0%ae',
    'state=%',
    'state=%zz',
    'state=\xff',
    '%00=x',
  ]) {
    for (const path of [
      '/authorize',
      '/logout',
      '/account/callback',
      '/logout/success',
      '/authorize/x',
      '/interaction/x',
      '/nowhere',
    ]) {
      const answer = await request(target(), `${path}?${query}`)
      t.is(answer.status, 400, path + query)
      t.is(answer.headers.get('location'), null)
    }
  }
})

import test from 'ava'
import { fc } from '../support/property.ts'
import { API } from '../support/registry.ts'
import { redeem, Visitor } from '../support/visitor.ts'
import { APP_SCHEME, basic, harmIn, LOOPBACK, notLogged, request, underAttack } from './target.ts'

const target = underAttack()

const RUNS = 500
const LONGEST_MS = 2_000
const ENDPOINTS = [
  '/authorize',
  '/authorize/UID',
  '/token',
  '/userinfo',
  '/jwks',
  '/.well-known/openid-configuration',
  '/logout',
  '/logout/confirm',
  '/logout/success',
  '/interaction/UID',
  '/interaction/UID/login',
  '/interaction/UID/consent',
  '/account',
  '/account/callback',
  '/account/password',
  '/account/apps/revoke',
  '/account/sessions/end',
]

/** The vocabulary of the protocol and of our forms. */
const NAMES = (
  'client_id client_secret redirect_uri response_type response_mode scope state nonce resource prompt max_age claims ' +
  'acr_values id_token_hint login_hint ui_locales request request_uri registration code_challenge code_challenge_method ' +
  'grant_type code code_verifier refresh_token access_token username password client_assertion client_assertion_type ' +
  'post_logout_redirect_uri logout_hint xsrf logout csrf login decision uid current_password new_password repeat_password ' +
  'notice error error_description iss __proto__ constructor'
).split(' ')

/** Real values, which carry a request past its first checks, and secrets, which may turn up in any place. */
let real: Record<string, string>
let secrets: Record<string, string>
let cookie: string
/** Of an interaction that waits, and of one that is resumed, which uses it up. */
let uid: string
let resumed: string

test.before(async () => {
  const { issuer, web, spa, native, service, person } = target()
  const browser = new Visitor(issuer)
  const used = await redeem(
    issuer,
    web,
    await browser.authorize(web, person, { scope: 'openid orders:read', resource: API }),
  )
  const answer = await browser.authorize(spa, person)
  const login = await browser.open(browser.request_uri(web, { prompt: 'login' }).url)
  const account = await browser.open('/account')
  const csrfOf = (html: string) => /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? ''
  const second = await browser.open(browser.request_uri(web, { prompt: 'login' }).url)
  uid = new URL(login.url).pathname.split('/')[2] ?? ''
  resumed = new URL(second.url).pathname.split('/')[2] ?? ''
  const paths = ['/', `/interaction/${uid}`, `/authorize/${resumed}`]
  const jar = [...browser.cookies].filter(([, { path }]) => paths.includes(path))
  cookie = jar.map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ')
  secrets = {
    'client secret': web.client_secret ?? '',
    "service's secret": service.client_secret ?? '',
    code: answer.code ?? '',
    verifier: answer.verifier,
    'access token': used.body.access_token ?? '',
    'refresh token': used.body.refresh_token ?? '',
    'ID token': used.body.id_token ?? '',
    password: person.password,
    'form token': csrfOf(login.html),
    "account page's form token": csrfOf(account.html),
    session: browser.cookies.get('session')?.value ?? '',
    uid,
    resumed,
  }
  real = {
    web: web.client_id,
    spa: spa.client_id,
    native: native.client_id,
    service: service.client_id,
    redirect: web.redirect_uri,
    loopback: LOOPBACK,
    app: APP_SCHEME,
    api: API,
    person: person.username,
  }
})

const WORDS = (
  'code token id_token none openid offline_access orders:read orders:write query fragment form_post S256 plain login ' +
  'consent authorization_code refresh_token client_credentials password allow yes en de https://evil.test/ //evil.test ' +
  'javascript:alert(1) __proto__ -1 0 1e9 %00 %0d%0a %ff %zz %25 ../ [] {} null \' " < > ; & = #'
).split(' ')

/** A value as it stands on the wire, escaped or not. */
const hostile = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 8, arbitrary: fc.nat().map((pick) => `REAL${pick}`) },
  { weight: 3, arbitrary: fc.nat().map((pick) => `SECRET${pick}`) },
  {
    weight: 3,
    arbitrary: fc.string({ unit: 'binary', maxLength: 60 }).map((text) => encodeURIComponent(text.toWellFormed())),
  },
  {
    weight: 1,
    arbitrary: fc
      .uint8Array({ maxLength: 30 })
      .map((bytes) => [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')),
  },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 6_000 }).map((length) => 'x'.repeat(length)) },
)

const parameters = fc
  .array(
    fc.tuple(
      fc.constantFrom(...NAMES),
      fc.constantFrom('', '', '', '', '', '[]', '[x]'),
      fc.array(hostile, { minLength: 1, maxLength: 3 }),
    ),
    {
      maxLength: 12,
    },
  )
  .map((entries) => entries.map(([name, suffix, values]) => `${name}${suffix}=${values.join('')}`).join('&'))

const soup = fc.record({
  endpoint: fc.constantFrom(...ENDPOINTS),
  method: fc.constantFrom('GET', 'GET', 'POST', 'POST', 'HEAD', 'OPTIONS', 'PUT'),
  query: parameters,
  form: parameters,
  /** A request that is nearly right, so that the soup spoils one thing only. */
  nearly: fc.constantFrom('', '', 'authorize', 'token', 'form'),
  signedIn: fc.boolean(),
  authorization: fc.option(fc.constantFrom('service', 'web', 'bearer', 'nonsense'), { nil: undefined }),
  origin: fc.option(fc.constantFrom('https://app.example.com', 'https://evil.test', 'null'), { nil: undefined }),
})

function fill(text: string): string {
  const from = (values: Record<string, string>) => (_: string, pick: string) =>
    encodeURIComponent(Object.values(values)[Number(pick) % Object.keys(values).length] ?? '')
  return text.replaceAll(/REAL(\d+)/g, from(real)).replaceAll(/SECRET(\d+)/g, from(secrets))
}

function nearlyRight(kind: string): string {
  const { web, spa } = target()
  const redirect = encodeURIComponent(web.redirect_uri)
  const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
  if (kind === 'authorize') {
    const pkce = `code_challenge=${challenge}&code_challenge_method=S256`
    return `client_id=${web.client_id}&redirect_uri=${redirect}&response_type=code&scope=openid&${pkce}&`
  }
  if (kind === 'token') return `client_id=${spa.client_id}&grant_type=authorization_code&redirect_uri=${redirect}&`
  return kind === 'form' ? `csrf=${secrets['form token']}&` : ''
}

test(`no mixture of parameters makes any endpoint fail, stall, leak or redirect astray (${RUNS} mixtures)`, async (t) => {
  const { web, service } = target()
  const credentials: Record<string, string> = {
    service: basic(service),
    web: basic(web),
    bearer: `Authorization: Bearer ${secrets['access token']}`,
    nonsense: 'Authorization: Basic \x80:',
  }
  const registered = [web.redirect_uri, LOOPBACK, APP_SCHEME]
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(soup, async ({ endpoint, method, query, form, nearly, signedIn, authorization, origin }) => {
      const inForm = method === 'POST' || method === 'PUT'
      const path = `${endpoint.replace('UID', endpoint.startsWith('/authorize') ? resumed : uid)}?${inForm ? '' : nearlyRight(nearly)}${fill(query)}`
      const body = inForm ? nearlyRight(nearly) + fill(form) : ''
      const headers = [
        ...(inForm ? ['Content-Type: application/x-www-form-urlencoded'] : []),
        ...(signedIn ? [`Cookie: ${cookie}`] : []),
        ...(authorization ? [credentials[authorization] ?? ''] : []),
        ...(origin ? [`Origin: ${origin}`] : []),
      ]
      const send = async () => {
        const begun = performance.now()
        const answer = await request(target(), path.replaceAll(/[\s#]/g, '_'), { method, headers, body })
        return { answer, ms: performance.now() - begun }
      }
      const first = await send()
      // A machine that is busy with something else may be slow once; what stalls the server is slow again.
      const { answer, ms } = first.ms > LONGEST_MS ? await send() : first
      const harm = harmIn(target(), answer, registered) ?? (ms > LONGEST_MS ? `${Math.round(ms)} ms` : undefined)
      if (harm) throw new Error(`${harm} for ${method} ${path} ${body}`)
      seen.add(`${endpoint} ${answer.status}`)
    }),
    { numRuns: RUNS },
  )
  const statuses = new Set([...seen].map((line) => line.split(' ')[1]))
  for (const status of ['200', '303', '400', '401', '403', '405']) t.true(statuses.has(status), `never ${status}`)
  const waiting = await request(target(), `/interaction/${uid}`, { headers: [`Cookie: ${cookie}`] })
  t.is(waiting.status, 200, 'the handlers behind a pending interaction were reached')
  notLogged(t, target(), secrets)
  t.deepEqual(
    target().logs.filter(({ level }) => level === 'error'),
    [],
  )
})

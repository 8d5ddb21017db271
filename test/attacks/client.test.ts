import test from 'ava'
import { rotateSecret } from '../../src/registry/clients/rotate-secret.ts'
import { API, buildClient, buildResource } from '../support/registry.ts'
import { token, Visitor, type AuthorizationOptions } from '../support/visitor.ts'
import { basic, harmless, notLogged, post, request, underAttack, type Answer } from './target.ts'

const target = underAttack()

const GRANT = 'grant_type=client_credentials'
const UNKNOWN = 'cli_aaaaaaaaaaaaaaaaaaaaaaaaaa'

const errorOf = ({ body }: Answer) => (JSON.parse(body) as { error: string }).error

/** Headers that differ from request to request: time, number, and how many the address has left. */
const OF_THE_REQUEST = /^(date|x-request-id|ratelimit|x-ratelimit-(remaining|reset))$/

/** The whole of an answer that could tell two failures apart. */
const essence = ({ status, headers, body }: Answer) => ({
  status,
  body,
  headers: Object.fromEntries([...headers].filter(([name]) => !OF_THE_REQUEST.test(name))),
})

test('an unknown client, a wrong secret and a public client with a secret fail alike', async (t) => {
  const { web, spa } = target()
  const wrong = 'gcs_wrong'
  const byHeader = [web.client_id, spa.client_id, UNKNOWN, 'nonsense', "' or 1=1--"].map((client_id) =>
    post(target(), '/token', GRANT, [basic({ client_id, client_secret: wrong })]),
  )
  const byBody = [web.client_id, spa.client_id, UNKNOWN, 'nonsense', "' or 1=1--"].map((client_id) =>
    post(target(), '/token', { grant_type: 'client_credentials', client_id, client_secret: wrong }),
  )
  for (const [attempts, challenge] of [
    [byHeader, /^Basic realm="http/],
    [byBody, /^$/],
  ] as const) {
    const [first, ...others] = (await Promise.all(attempts)).map(essence)
    t.is(first?.status, 401)
    t.regex(first?.headers['www-authenticate'] ?? '', challenge)
    t.is((JSON.parse(first?.body ?? '') as { error: string }).error, 'invalid_client')
    for (const other of others) t.deepEqual(other, first)
  }
})

const unproven = test.macro<[string, () => { form: string; headers?: string[]; path?: string }, string, number?]>({
  title: (_, what) => `a client does not get in ${what}`,
  async exec(t, _what, attempt, error, status = 400) {
    const { form, headers = [], path = '/token' } = attempt()
    const answer = await post(target(), path, form, headers)
    harmless(t, target(), answer, form)
    t.is(answer.status, status)
    t.is(errorOf(answer), error)
  },
})

const inBody = () => `client_id=${target().service.client_id}&client_secret=${target().service.client_secret}`
const header = () => basic(target().service)
const custom = (credentials: string) => `Authorization: Basic ${Buffer.from(credentials, 'latin1').toString('base64')}`

test(
  unproven,
  'by two methods at once',
  () => ({ form: `${GRANT}&${inBody()}`, headers: [header()] }),
  'invalid_request',
)
test(
  unproven,
  'by a good header and a bad secret in the body',
  () => ({ form: `${GRANT}&client_secret=x`, headers: [header()] }),
  'invalid_request',
)
test(
  unproven,
  'by the header as another client',
  () => ({ form: `${GRANT}&client_id=${target().web.client_id}`, headers: [header()] }),
  'invalid_request',
)
test(unproven, 'by credentials in the URL', () => ({ form: GRANT, path: `/token?${inBody()}` }), 'invalid_request')
test(
  unproven,
  'by its id alone',
  () => ({ form: `${GRANT}&client_id=${target().service.client_id}` }),
  'invalid_client',
  401,
)
test(
  unproven,
  'with an empty secret',
  () => ({ form: GRANT, headers: [custom(`${target().service.client_id}:`)] }),
  'invalid_request',
)
test(
  unproven,
  'with its secret in capitals',
  () => ({
    form: GRANT,
    headers: [custom(`${target().service.client_id}:${target().service.client_secret?.toUpperCase()}`)],
  }),
  'invalid_client',
  401,
)
test(
  unproven,
  'with a NUL behind its secret',
  () => ({ form: GRANT, headers: [custom(`${target().service.client_id}:${target().service.client_secret}\0`)] }),
  'invalid_request',
)
test(
  unproven,
  'with its id in capitals',
  () => ({
    form: GRANT,
    headers: [custom(`${target().service.client_id.toUpperCase()}:${target().service.client_secret}`)],
  }),
  'invalid_client',
  401,
)
test(unproven, 'with invalid UTF-8', () => ({ form: GRANT, headers: [custom('\xff\xfe:\xff')] }), 'invalid_request')
test(unproven, 'without a colon', () => ({ form: GRANT, headers: [custom('abc')] }), 'invalid_request')
test(unproven, 'with broken Base64', () => ({ form: GRANT, headers: ['Authorization: Basic %%%'] }), 'invalid_request')
test(unproven, 'with a broken escape', () => ({ form: GRANT, headers: [custom('%zz:x')] }), 'invalid_request')
test(unproven, 'by a bearer token', () => ({ form: GRANT, headers: ['Authorization: Bearer x'] }), 'invalid_request')
test(unproven, 'by nothing', () => ({ form: GRANT }), 'invalid_request')
test(
  unproven,
  'by an unsigned assertion',
  () => ({
    form: `${GRANT}&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=${[
      '{"alg":"none"}',
      JSON.stringify({ sub: target().service.client_id, iss: target().service.client_id, aud: target().issuer }),
      '',
    ]
      .map((part) => Buffer.from(part).toString('base64url'))
      .join('.')}`,
  }),
  'invalid_client',
  401,
)
test(
  unproven,
  'as the account page of the server itself',
  () => ({ form: `${GRANT}&client_id=cli_grantryaccountpage22222222` }),
  'invalid_request',
)

test('a secret ends with its overlap', async (t) => {
  const { issuer, db } = target()
  const client = await buildClient(db, { kind: 'service' })
  const { secret } = await rotateSecret(db.knex, { clientId: client.client_id, overlapSeconds: 3600, actor: 'test' })
  const attempt = async (client_secret: string | undefined) =>
    (await token(issuer, { ...client, client_secret }, { grant_type: 'client_credentials' })).status
  t.deepEqual([await attempt(client.client_secret), await attempt(secret)], [200, 200])
  await db
    .knex('client_secrets')
    .where({ client_id: client.client_id })
    .whereNotNull('expires_at')
    .update({ expires_at: db.knex.raw("now() - interval '1 second'") })
  // The clock was put forward behind the server's back, which remembers when the secret was to end: a change makes it look.
  await db
    .knex('clients')
    .where({ id: client.client_id })
    .update({ updated_at: db.knex.raw('now()') })
  t.deepEqual([await attempt(client.client_secret), await attempt(secret)], [401, 200])
})

test('a disabled client has no say any more', async (t) => {
  const { issuer, db } = target()
  const client = await buildClient(db, { kind: 'service' })
  await db.knex('clients').where({ id: client.client_id }).update({ disabled_at: new Date() })
  const { status, body } = await token(issuer, client, { grant_type: 'client_credentials' })
  t.is(status, 401)
  t.is(body.error, 'invalid_client')
})

const notGranted = test.macro<
  [string, 'web' | 'spa' | 'native' | 'service', Record<string, string | string[]>, string]
>({
  title: (_, what, kind) => `a ${kind} client gets nothing by ${what}`,
  async exec(t, _what, kind, parameters, error) {
    const { status, body } = await token(target().issuer, target()[kind], parameters)
    t.is(status, 400, JSON.stringify(body))
    t.is(body.error, error)
    t.is(body.access_token, undefined)
  },
})

const credentials = { grant_type: 'client_credentials' }
test(notGranted, 'client_credentials, being public', 'spa', credentials, 'invalid_request')
test(notGranted, 'client_credentials, being public', 'native', credentials, 'invalid_request')
test(notGranted, 'client_credentials, not being registered for it', 'web', credentials, 'invalid_request')
test(
  notGranted,
  'a code',
  'service',
  { grant_type: 'authorization_code', code: 'x', redirect_uri: 'x:y' },
  'invalid_request',
)
test(notGranted, 'a refresh token', 'service', { grant_type: 'refresh_token', refresh_token: 'x' }, 'invalid_request')
for (const grant_type of [
  'password',
  'implicit',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
  'urn:ietf:params:oauth:grant-type:saml2-bearer',
  'urn:openid:params:grant-type:ciba',
  '__proto__',
  'constructor',
  'AUTHORIZATION_CODE',
  'client_credentials ',
  '\0',
]) {
  const parameters = { grant_type, username: 'a', password: 'b', assertion: 'c', subject_token: 'd', device_code: 'e' }
  test(notGranted, JSON.stringify(grant_type), 'web', parameters, 'unsupported_grant_type')
  test(notGranted, JSON.stringify(grant_type), 'service', parameters, 'unsupported_grant_type')
}
// The grant exists, and is not for these clients.
const byDevice = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: 'e' }
test(notGranted, 'a device code', 'web', byDevice, 'invalid_request')
test(notGranted, 'a device code', 'service', byDevice, 'invalid_request')
const byExchange = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token: 'd',
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
}
for (const kind of ['web', 'spa', 'native', 'service'] as const) {
  test(notGranted, 'token exchange', kind, byExchange, 'invalid_request')
}
test(
  notGranted,
  'two grants at once',
  'service',
  { grant_type: ['client_credentials', 'refresh_token'] },
  'invalid_request',
)
for (const scope of [
  'orders:nonsense',
  'orders:read orders:nonsense',
  'openid',
  'offline_access',
  'orders:READ',
  'orders:read,orders:write',
  'orders:*',
  '__proto__',
  "' or 1=1--",
  'orders:read\0',
  'orders:read"',
  'ördèrs',
]) {
  test(notGranted, `the scope ${JSON.stringify(scope)}`, 'service', { ...credentials, scope }, 'invalid_scope')
}
test(notGranted, 'two scopes', 'service', { ...credentials, scope: ['orders:read', 'orders:write'] }, 'invalid_request')
for (const resource of [
  'https://other.example.com',
  `${API}/`.replace('/', '//'),
  `${API}.evil.test`,
  `${API}@evil.test`,
  `${API}#x`,
  `${API}?x`,
  `${API}/deeper`,
  'http://api.example.com',
  'urn:x',
  'javascript:alert(1)',
  '__proto__',
  'nonsense',
  '\0',
]) {
  test(
    notGranted,
    `the resource ${JSON.stringify(resource)}`,
    'service',
    { ...credentials, resource },
    'invalid_target',
  )
}

test('a resource that exists is invalid_target for a client that is not registered for it, here and at authorize', async (t) => {
  const { issuer, db, service, spa } = target()
  await buildResource(db, { audience: 'https://secret.example.com', name: 'Secret' })
  const atToken = await token(issuer, service, { ...credentials, resource: 'https://secret.example.com' })
  const unknown = await token(issuer, service, { ...credentials, resource: 'https://unknown.example.com' })
  t.is(atToken.body.error, 'invalid_target')
  t.deepEqual(atToken.body, unknown.body, 'the answer does not tell that it exists')
  const requests: [AuthorizationOptions, string][] = [
    [{ resource: 'https://secret.example.com' }, 'invalid_target'],
    [{ resource: [API, 'https://secret.example.com'], scope: 'openid orders:read' }, 'invalid_target'],
    [{ scope: 'openid orders:nonsense' }, 'invalid_scope'],
    [{ scope: 'openid orders:nonsense', resource: API }, 'invalid_scope'],
    [{ scope: 'openid offline_access', prompt: 'consent' }, 'invalid_scope'],
  ]
  for (const [options, error] of requests) {
    const visitor = new Visitor(issuer)
    const end = new URL((await visitor.open(visitor.request_uri(spa, options).url)).url)
    t.is(end.searchParams.get('error'), error, JSON.stringify(options))
    t.is(end.searchParams.get('iss'), issuer)
  }
})

test('a token request can not widen what was granted', async (t) => {
  const { issuer, spa, person } = target()
  const visitor = new Visitor(issuer)
  const ask = async (more: Record<string, string>) => {
    const answer = await visitor.authorize(spa, person, { scope: 'openid orders:read', resource: API })
    const { code, verifier: code_verifier } = answer
    const { redirect_uri } = spa
    return token(issuer, spa, { grant_type: 'authorization_code', code, redirect_uri, code_verifier, ...more })
  }
  t.is((await ask({ resource: 'https://other.example.com' })).body.error, 'invalid_target')
  t.is((await ask({ scope: 'openid orders:read orders:write' })).body.scope, 'orders:read')
  t.is((await ask({ claims: '{"userinfo":{"email":null}}' })).body.scope, 'orders:read')
})

test('scripts reach the token endpoint from registered origins only, and the authorization endpoint from none', async (t) => {
  const { spa, web } = target()
  const ours = new URL(spa.redirect_uri).origin
  const form = `grant_type=authorization_code&code=x&redirect_uri=${spa.redirect_uri}&client_id=`
  const good = await post(target(), '/token', form + spa.client_id, [`Origin: ${ours}`])
  t.is(good.headers.get('access-control-allow-origin'), ours)
  t.is(good.headers.get('access-control-allow-credentials'), null)
  t.regex(good.headers.get('vary') ?? '', /origin/i)
  for (const origin of [
    'https://evil.test',
    'null',
    `${ours}.evil.test`,
    ours.replace('https', 'http'),
    `${ours}:8443`,
  ]) {
    const bad = await post(target(), '/token', form + spa.client_id, [`Origin: ${origin}`])
    t.is(bad.status, 400)
    t.is(bad.headers.get('access-control-allow-origin'), null, origin)
  }
  const unregistered = await post(target(), '/token', GRANT, [`Origin: ${ours}`, basic(web)])
  t.is(unregistered.headers.get('access-control-allow-origin'), null)
  for (const path of ['/authorize', '/logout', '/logout/success', '/account', '/interaction/x', '/health/live']) {
    for (const method of ['GET', 'OPTIONS']) {
      const headers = [
        `Origin: ${ours}`,
        'Access-Control-Request-Method: GET',
        'Access-Control-Request-Headers: cookie',
      ]
      const answer = await request(target(), path, { method, headers })
      harmless(t, target(), answer, path)
      t.deepEqual(
        [...answer.headers.keys()].filter((name) => name.startsWith('access-control')),
        [],
        `${method} ${path}`,
      )
    }
  }
})

test('a preflight promises no credentials', async (t) => {
  for (const path of ['/token', '/userinfo', '/jwks', '/.well-known/openid-configuration']) {
    const headers = ['Origin: https://evil.test', 'Access-Control-Request-Method: POST']
    const answer = await request(target(), path, { method: 'OPTIONS', headers })
    t.is(answer.status, 204)
    t.is(answer.headers.get('access-control-allow-credentials'), null)
  }
})

test('token answers are never stored and of the right type', async (t) => {
  const { service } = target()
  for (const headers of [[basic(service)], [basic({ ...service, client_secret: 'x' })], []]) {
    const answer = await post(target(), '/token', GRANT, headers)
    t.is(answer.headers.get('cache-control'), 'no-store')
    t.regex(answer.headers.get('content-type') ?? '', /^application\/json/)
    t.is(answer.headers.get('x-content-type-options'), 'nosniff')
  }
})

test('no secret of a client is logged, wherever it was sent', async (t) => {
  const secret = 'gcs_sent-to-every-place'
  const { web } = target()
  await post(target(), '/token', GRANT, [basic({ ...web, client_secret: secret })])
  await post(target(), '/token', { grant_type: 'client_credentials', client_id: web.client_id, client_secret: secret })
  await post(target(), `/token?client_secret=${secret}`, GRANT)
  await request(target(), `/authorize?client_id=${web.client_id}&client_secret=${secret}`)
  await post(target(), '/token', GRANT, [`Authorization: Bearer ${secret}`])
  await post(target(), '/token', `${GRANT}&client_secret=${secret}&client_secret=${secret}`)
  await post(target(), '/token', {
    grant_type: 'authorization_code',
    code: secret,
    code_verifier: secret,
    client_id: secret,
  })
  notLogged(t, target(), { secret, encoded: btoa(`${web.client_id}:${secret}`) })
})

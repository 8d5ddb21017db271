import test from 'ava'
import { parseList } from 'structured-headers'
import { createRateLimiter } from '../../src/http/rate-limit/rate-limiter.ts'
import { apiLimits } from '../../src/http/rate-limit/api-limits.ts'
import { Problem } from '../../src/http/problem.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { token, Visitor } from '../support/visitor.ts'

const ends: (() => unknown)[] = []
let server: TestServer
let service: TestClient

/** Every test comes from an address of its own. */
test.before(async () => {
  server = await startAuthServer(
    { teardown: (end) => void ends.unshift(end) },
    {
      RATE_LIMIT_TOKEN: 'fixed-window;q=4;w=600',
      RATE_LIMIT_LOGIN: 'token-bucket;q=2;w=600',
      AUTHORIZATIONS_PER_MINUTE: '20',
      TRUST_PROXY: '1',
    },
  )
  await buildResource(server.db)
  service = await buildClient(server.db, { kind: 'service' })
})
test.after.always(async () => {
  for (const end of ends) await end()
})

async function post(path: string, { address, body = '', basic }: { address: string; body?: string; basic?: string }) {
  return fetch(`${server.issuer}${path}`, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-forwarded-for': address,
      ...(basic && { authorization: `Basic ${btoa(basic)}` }),
    },
    body,
  })
}

test('token, revocation and introspection have one quota for each address, and the answers tell what is left of it', async (t) => {
  const address = '192.0.2.1'
  const basic = `${service.client_id}:${service.client_secret}`
  const good = await post('/token', { address, basic, body: `grant_type=client_credentials&resource=${API}` })
  t.is(good.status, 200)
  t.is(good.headers.get('ratelimit-policy'), '"token";q=4;w=600')
  t.regex(good.headers.get('ratelimit')!, /^"token";r=3;t=(600|599)$/)
  t.is(good.headers.get('x-ratelimit-remaining'), '3')
  t.is(good.headers.get('retry-after'), null)
  for (const path of ['/revoke', '/introspect', '/token']) t.not((await post(path, { address, basic })).status, 429)

  for (const path of ['/token', '/revoke', '/introspect']) {
    const refused = await post(path, { address, basic })
    t.is(refused.status, 429, path)
    t.deepEqual(await refused.json(), {
      error: 'temporarily_unavailable',
      error_description: 'too many requests from this address',
    })
    t.is(refused.headers.get('cache-control'), 'no-store')
    const [, fields] = parseList(refused.headers.get('ratelimit')!)[0]!
    t.is(fields.get('r'), 0)
    t.true(Number(refused.headers.get('retry-after')) >= Number(fields.get('t')))
    t.true(Number(refused.headers.get('retry-after')) > 500)
  }
  t.is((await token(server.issuer, service, { grant_type: 'client_credentials', resource: API })).status, 200)
})

test('whose name is used makes no difference: nobody can use up the quota of a client, nor get one by inventing names', async (t) => {
  for (let index = 0; index < 4; index += 1) {
    await post('/token', { address: '192.0.2.2', basic: `${service.client_id}:wrong` })
  }
  t.is((await post('/token', { address: '192.0.2.2', basic: 'cli_invented:wrong' })).status, 429)
  const basic = `${service.client_id}:${service.client_secret}`
  const body = `grant_type=client_credentials&resource=${API}`
  t.is((await post('/token', { address: '192.0.2.3', basic, body })).status, 200)
})

test('a preflight and a question for the keys cost nothing', async (t) => {
  for (let index = 0; index < 6; index += 1) {
    const preflight = await fetch(`${server.issuer}/token`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example.com',
        'access-control-request-method': 'POST',
        'x-forwarded-for': '192.0.2.4',
      },
    })
    t.not(preflight.status, 429)
    t.is((await fetch(`${server.issuer}/jwks`, { headers: { 'x-forwarded-for': '192.0.2.4' } })).status, 200)
  }
  t.not((await post('/token', { address: '192.0.2.4' })).status, 429)
})

test('attempts to sign in have a quota for each address, right or wrong; beyond it there is a page that says so', async (t) => {
  const client = await buildClient(server.db)
  const person = await buildUser(server.db)
  const visitor = new Visitor(server.issuer)
  const page = await visitor.open(visitor.request_uri(client).url)
  const [, uid] = /\/interaction\/([^/"]+)/.exec(page.html)!
  for (let index = 0; index < 2; index += 1) {
    const answer = await visitor.signIn(page, { ...person, password: 'wrong' })
    t.is(answer.status, 401)
    t.is(answer.headers.get('ratelimit'), null, 'a page tells nothing that another would tell differently')
  }
  const refused = await visitor.signIn(page, person)
  t.is(refused.status, 429)
  t.regex(refused.headers.get('content-type')!, /text\/html/)
  t.true(refused.html.includes('Too many requests'))
  t.regex(refused.headers.get('ratelimit')!, /^"login";r=0;t=(300|2\d\d)$/)
  t.true(Number(refused.headers.get('retry-after')) > 200)
  // The router takes these as well, so the limit must.
  for (const path of [`/interaction/${uid}/login/`, `/INTERACTION/${uid}/Login`]) {
    const response = await visitor.request(path, { method: 'POST', headers: { origin: server.issuer } })
    t.is(response.status, 429, path)
  }
  t.is((await visitor.open(`/interaction/${uid}`)).status, 200, 'looking at the form costs nothing')
})

test('the dam before authorization requests tells the same fields when it refuses', async (t) => {
  const ask = () => fetch(`${server.issuer}/authorize`, { headers: { 'x-forwarded-for': '192.0.2.6' } })
  let response = await ask()
  t.is(response.headers.get('ratelimit'), null)
  for (let index = 0; index < 20 && response.status !== 429; index += 1) response = await ask()
  t.is(response.status, 429)
  t.is(response.headers.get('ratelimit-policy'), '"authorize";q=20;w=60')
  t.regex(response.headers.get('ratelimit')!, /^"authorize";r=0;t=\d$/)
  t.regex(response.headers.get('retry-after')!, /^\d$/)
})

test('an API counts the address before it knows who calls and the caller after, and says which was too much', async (t) => {
  const policies = {
    address: { algorithm: 'fixed-window', quota: 3, windowSeconds: 60 },
    api: { algorithm: 'fixed-window', quota: 2, windowSeconds: 60 },
  } as const
  const limits = apiLimits(createRateLimiter({ pool: server.db.pool, policies }))
  const request = (ip: string) => {
    const headers: Record<string, string> = {}
    return { headers, ctx: { ip, set: (more: object) => void Object.assign(headers, more) } as never }
  }
  const caller = { kind: 'user', id: 'usr_a' } as const

  const first = request('2001:db8::1')
  await limits.address(first.ctx)
  t.is(first.headers['RateLimit-Policy'], '"address";q=3;w=60')
  await limits.principal(first.ctx, caller)
  t.is(first.headers['RateLimit-Policy'], '"address";q=3;w=60, "api";q=2;w=60')
  t.is(first.headers['X-RateLimit-Remaining'], '1')

  await limits.principal(request('192.0.2.7').ctx, caller)
  const third = request('2001:db8::2')
  await limits.address(third.ctx)
  const error = await t.throwsAsync(limits.principal(third.ctx, caller), { instanceOf: Problem })
  t.like(error, { code: 'too-many-requests', status: 429, details: { members: { violated_policies: ['api'] } } })
  t.regex(error!.details.headers!['Retry-After'] as string, /^[3-6]\d$/)
  t.is(third.headers['X-RateLimit-Limit'], '2')
  await t.notThrowsAsync(limits.principal(request('::1').ctx, { kind: 'api-key', id: 'apk_b' }))

  await limits.address(request('2001:db8::3').ctx)
  const last = await t.throwsAsync(limits.address(request('2001:db8::4').ctx), { instanceOf: Problem })
  t.like(last, { code: 'too-many-requests', details: { members: { violated_policies: ['address'] } } })
})

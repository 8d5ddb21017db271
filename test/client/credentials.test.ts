/** How the client gets its tokens: found by discovery, fetched once for everyone, renewed in time and once after a 401. */
import test from 'ava'
import {
  createGrantryClient,
  CredentialsError,
  DeadlineError,
  ProblemError,
  type ClientCredentials,
} from '../../src/client/index.ts'
import { answer, misbehavingServer, reset, testClock, type Seen, type Step } from './misbehaving-server.ts'
import type { Teardown } from '../support/database.ts'

const CREDENTIALS = { clientId: 'cli_a:b', clientSecret: 'gcs_ü&=% +' }
const SPELLED: ClientCredentials = { clientId: 'cli_a:b', clientSecret: 'gcs_&=% +' }
const READ = { method: 'GET', path: '/users/usr_1' }

interface Issuer {
  url: string
  seen: Seen[]
  /** What the endpoints do, in turn; the last stays. */
  metadata: Step[]
  token: Step[]
  api: Step
  issued: number
  of(path: string): Seen[]
}

/** An issuer with its API on one server. Each token is another, and only the newest is good. */
async function issuer(t: Teardown): Promise<Issuer> {
  const next = (steps: Step[]) => (steps.length > 1 ? steps.shift() : steps[0])
  const route: Step = (response, request) => {
    const [path = ''] = (request.url ?? '').split('?')
    const step = path === '/token' ? next(own.token) : path.startsWith('/.well-known/') ? next(own.metadata) : own.api
    step?.(response, request)
  }
  const { url, seen } = await misbehavingServer(t, route)
  const own: Issuer = {
    url,
    seen,
    issued: 0,
    metadata: [(...parts) => answer(200, { issuer: url, token_endpoint: `${url}/token` })(...parts)],
    token: [
      (...parts) => {
        own.issued += 1
        const body = { access_token: `token-${own.issued}`, token_type: 'Bearer', expires_in: 300 }
        answer(200, body)(...parts)
      },
    ],
    api: (response, request) => {
      const isGood = request.headers.authorization === `Bearer token-${own.issued}`
      answer(isGood ? 200 : 401, isGood ? { id: 'usr_1' } : undefined)(response, request)
    },
    of: (path) => seen.filter((request) => request.path.startsWith(path)),
  }
  return own
}

async function setUp(t: Teardown, credentials: Partial<ClientCredentials> = {}) {
  const server = await issuer(t)
  const clock = testClock()
  const given = { ...SPELLED, ...credentials }
  const client = createGrantryClient({ issuer: server.url, credentials: given, clock, random: () => 0.5 })
  return { server, clock, client }
}

test('a token is asked for as the metadata says, with the credentials form-encoded in Basic', async (t) => {
  const { server, client } = await setUp(t, { scope: 'users:read', resource: 'https://x.example' })
  t.is((await client.request(READ)).status, 200)
  t.is(server.of('/.well-known/')[0]?.path, '/.well-known/oauth-authorization-server')
  const [request] = server.of('/token')
  t.is(request?.body, 'grant_type=client_credentials&scope=users%3Aread&resource=https%3A%2F%2Fx.example')
  t.is(request?.headers['content-type'], 'application/x-www-form-urlencoded')
  const [, basic = ''] = (request?.headers.authorization ?? '').split(' ')
  t.is(Buffer.from(basic, 'base64').toString(), 'cli_a%3Ab:gcs_%26%3D%25+%2B')
})

test('client_secret_post puts the credentials into the body and nowhere else', async (t) => {
  const { server, client } = await setUp(t, { authMethod: 'client_secret_post' })
  await client.request(READ)
  const [request] = server.of('/token')
  t.is(request?.headers.authorization, undefined)
  t.is(new URLSearchParams(request?.body).get('client_secret'), SPELLED.clientSecret)
})

test('fifty calls at once fetch one token and the metadata once', async (t) => {
  const { server, client } = await setUp(t)
  await Promise.all(Array.from({ length: 50 }, () => client.request(READ)))
  t.is(server.of('/token').length, 1)
  t.is(server.of('/.well-known/').length, 1)
  t.is(server.of('/api/').length, 50)
})

test('a token is used until shortly before its end', async (t) => {
  const { server, clock, client } = await setUp(t)
  await client.request(READ)
  clock.pass(269_000)
  await client.request(READ)
  t.is(server.issued, 1)
  clock.pass(2_000)
  await client.request(READ)
  t.is(server.issued, 2)
})

test('after a 401 fifty calls get one new token and succeed; the body and the key are the same', async (t) => {
  const { server, client } = await setUp(t)
  await client.request(READ)
  server.issued = 100 // the token that is out counts no more
  const create = { method: 'POST', path: '/users', body: { name: 'Alice' } }
  const answers = await Promise.all(Array.from({ length: 50 }, () => client.request(create)))
  t.true(answers.every(({ status }) => status === 200))
  t.is(server.of('/token').length, 2)
  const posts = server.of('/api/').filter(({ method }) => method === 'POST')
  t.is(posts.length, 100)
  t.is(new Set(posts.map(({ headers }) => headers['idempotency-key'])).size, 50)
})

test('a second 401 is given up', async (t) => {
  const { server, client } = await setUp(t)
  server.api = answer(401)
  const error = await t.throwsAsync(client.request(READ), { instanceOf: ProblemError })
  t.is(error.status, 401)
  t.is(server.of('/api/').length, 2)
  t.is(server.of('/token').length, 2)
})

test('an API key that is refused is not sent again', async (t) => {
  const server = await issuer(t)
  const client = createGrantryClient({ issuer: server.url, credentials: { apiKey: 'grk_1' } })
  await t.throwsAsync(client.request(READ), { instanceOf: ProblemError })
  t.is(server.of('/api/').length, 1)
})

test('tokens of one’s own: asked again with the one that was refused; the same again ends the call', async (t) => {
  const server = await issuer(t)
  server.issued = 2
  const asked: (string | undefined)[] = []
  const credentials = {
    token: (rejected?: string) => {
      asked.push(rejected)
      return Promise.resolve(rejected === undefined ? 'token-1' : 'token-2')
    },
  }
  t.is((await createGrantryClient({ issuer: server.url, credentials }).request(READ)).status, 200)
  t.deepEqual(asked, [undefined, 'token-1'])

  const stubborn = createGrantryClient({ issuer: server.url, credentials: { token: () => Promise.resolve('old') } })
  const before = server.of('/api/').length
  const error = await t.throwsAsync(stubborn.request(READ), { instanceOf: ProblemError })
  t.is(error.status, 401)
  t.is(server.of('/api/').length, before + 1)
})

test('an issuer that stumbles is asked again; one that refuses is not, and its word is the error', async (t) => {
  const { server, client } = await setUp(t)
  server.metadata.unshift(reset)
  server.token.unshift(reset, answer(503))
  t.is((await client.request(READ)).status, 200)
  t.is(server.of('/token').length, 3)

  const refused = await setUp(t)
  refused.server.token = [answer(401, { error: 'invalid_client', error_description: 'no such client' })]
  const error = await t.throwsAsync(refused.client.request(READ), { instanceOf: CredentialsError })
  t.like(error, { error: 'invalid_client', status: 401 })
  t.is(error.message, 'the issuer gave no token: invalid_client: no such client')
  t.is(refused.server.of('/token').length, 1)
  t.is(refused.server.of('/api/').length, 0)
  await t.throwsAsync(refused.client.request(READ), { instanceOf: CredentialsError })
  t.is(refused.server.of('/token').length, 2, 'a failure is not kept')
})

test('metadata of somebody else, or an endpoint on an open network, gets no secret', async (t) => {
  for (const [told, message] of [
    [{ issuer: 'https://other.example', token_endpoint: 'https://other.example/token' }, /another issuer/],
    [{ token_endpoint: 'http://other.example/token' }, /no usable token_endpoint/],
    [{ token_endpoint: 7 }, /no usable token_endpoint/],
  ] as const) {
    const { server, client } = await setUp(t)
    server.metadata = [answer(200, { issuer: server.url, ...told })]
    await t.throwsAsync(client.request(READ), { instanceOf: CredentialsError, message })
    t.is(server.of('/token').length, 0)
  }
})

test('an answer without a bearer token is an error', async (t) => {
  for (const body of [
    {},
    { access_token: 'x', token_type: 'DPoP' },
    { access_token: 7, token_type: 'Bearer' },
    'x',
    '{',
  ]) {
    const { server, client } = await setUp(t)
    server.token = [answer(200, body)]
    await t.throwsAsync(client.request(READ), { instanceOf: CredentialsError })
  }
})

test('who goes away, or has no more time, leaves the token to the others', async (t) => {
  const { server, client } = await setUp(t)
  const held = Promise.withResolvers<void>()
  const give = server.token[0] as Step
  server.token = [(...parts) => void held.promise.then(() => give(...parts))]
  const stop = new AbortController()
  const gone = t.throwsAsync(client.request({ ...READ, signal: stop.signal }), { name: 'AbortError' })
  const late = t.throwsAsync(client.request({ ...READ, deadlineMs: 40 }), { instanceOf: DeadlineError })
  const patient = client.request(READ)
  stop.abort()
  await Promise.all([gone, late])
  held.resolve()
  t.is((await patient).status, 200)
  t.is(server.of('/token').length, 1)
})

test('credentials that can not be sent are refused at once', (t) => {
  t.throws(() => createGrantryClient({ issuer: 'http://localhost', credentials: CREDENTIALS }), {
    instanceOf: TypeError,
  })
})

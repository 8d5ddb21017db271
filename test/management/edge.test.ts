/** Under /api every answer is the API's own: whatever refuses a request, no page of the server does. */
import { request } from 'node:http'
import anyTest, { type TestFn } from 'ava'
import { callerWithKey } from '../support/api-caller.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'

const test = anyTest as TestFn<TestServer>
const ends: (() => unknown)[] = []
let server: TestServer

test.before(async () => {
  server = await startAuthServer({ teardown: (end) => void ends.unshift(end) })
})
test.beforeEach((t) => {
  t.context = server
})
test.after.always(async () => {
  for (const end of ends) await end()
})

interface Raw {
  status: number
  type: string
  headers: Record<string, string | string[] | undefined>
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

/** A request as a browser sends it, byte by byte as given. */
function raw(issuer: string, method: string, path: string, headers: Record<string, string> = {}): Promise<Raw> {
  const { hostname, port } = new URL(issuer)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers: { accept: 'text/html', ...headers } }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => {
        const type = response.headers['content-type'] ?? ''
        const body: unknown = type.includes('json') ? JSON.parse(text) : text
        resolve({ status: response.statusCode ?? 0, type, headers: response.headers, body })
      })
    })
    sent.once('error', reject).end()
  })
}

for (const [why, method, path, headers, status, code] of [
  ['no such path', 'GET', '/api/nothing', {}, 404, 'not-found'],
  ['no such path of the version', 'GET', '/api/v1/nothing', {}, 404, 'not-found'],
  ['no such version', 'GET', '/api/v99/clients', {}, 404, 'not-found'],
  ['a slash too much', 'GET', '/api/v1/clients/', {}, 404, 'not-found'],
  ['dots', 'GET', '/api/v1/clients/%2e%2e/users', {}, 404, 'not-found'],
  ['another host', 'GET', '/api/v1/clients', { host: 'evil.example' }, 421, 'misdirected-request'],
  ['a NUL', 'GET', '/api/v1/clients/%00', {}, 400, 'invalid-request'],
  ['a broken escape', 'GET', '/api/v1/clients?q=%E0', {}, 400, 'invalid-request'],
  ['a long URL', 'GET', `/api/v1/clients?q=${'a'.repeat(9000)}`, {}, 414, 'uri-too-long'],
  [
    'a form',
    'POST',
    '/api/v1/clients',
    { 'content-type': 'application/x-www-form-urlencoded' },
    401,
    'unauthenticated',
  ],
] as const) {
  test(`${why} is answered by a problem`, async (t) => {
    const reply = await raw(t.context.issuer, method, path, headers)
    t.is(`${reply.status} ${reply.type}`, `${status} application/problem+json`)
    t.like(reply.body, { type: `${t.context.issuer}/problems#${code}`, status })
    t.is(reply.body.trace_id, reply.headers['x-request-id'])
  })
}

test('what looks like the API and is not has pages as before', async (t) => {
  t.regex((await raw(t.context.issuer, 'GET', '/apis')).type, /^text\/html/)
  t.regex((await raw(t.context.issuer, 'GET', '/problems')).body, /id="privilege-raised"/)
})

test('a preflight gets no page and needs no credentials, whoever asks and wherever to', async (t) => {
  for (const path of ['/api/v1/clients', '/api/v1/nothing']) {
    const asking = { origin: 'https://stranger.example', 'access-control-request-method': 'POST' }
    const reply = await raw(t.context.issuer, 'OPTIONS', path, asking)
    t.true([204, 404].includes(reply.status), path)
    t.false(reply.type.includes('html'))
    t.is(reply.headers['access-control-allow-origin'], undefined)
  }
})

test('the problems that operations name are explained, and the document names each operation once', async (t) => {
  const document = await raw(t.context.issuer, 'GET', '/api/openapi.json')
  const operations = Object.values(document.body.paths as Record<string, Record<string, { operationId: string }>>)
  const ids = operations.flatMap((item) => Object.values(item).map(({ operationId }) => operationId))
  t.is(new Set(ids).size, ids.length)
  for (const id of [
    'createClient',
    'deleteClientSecret',
    'replaceResource',
    'rotateApiKey',
    'rotateKeys',
    'listUsers',
  ]) {
    t.true(ids.includes(id), id)
  }
})

test('an answer in German says the same in German', async (t) => {
  const admin = await callerWithKey(t.context)
  const reply = await admin.send('DELETE', '/clients/cli_grantryaccountpage22222222', {
    headers: { 'if-match': '*', 'accept-language': 'de-CH, en;q=0.5' },
  })
  t.is(reply.body.title, 'Das ist ein Teil von Grantry selbst')
})

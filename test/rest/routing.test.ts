import test from 'ava'
import { Problem } from '../../src/http/problem.ts'
import { fileScope } from '../support/demo.ts'
import { noteProblems, problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
const asked: string[] = []
let refusing: 'address' | 'principal' | undefined
let notes: NotesServer

function refuse(limit: typeof refusing, whom: string): void {
  asked.push(whom)
  if (refusing === limit) {
    throw new Problem('too-many-requests', noteProblems['too-many-requests'], { headers: { 'retry-after': '7' } })
  }
}

test.before(async () => {
  notes = await startNotes(scope, {
    limit: {
      address: async (ctx) => refuse('address', ctx.ip.replace('::ffff:', '')),
      principal: async (_, { id }) => refuse('principal', id),
    },
  })
})
test.after.always(() => scope.end())
test.beforeEach(() => {
  asked.length = 0
  refusing = undefined
})

test('an operation is found by its path and method, with its parameters decoded', async (t) => {
  const [id] = await notes.write(['first'])
  const read = await notes.call(`/api/v1/notes/${id}`)
  t.is(read.status, 200)
  t.is(read.headers.get('content-type'), 'application/json; charset=utf-8')
  t.like(await read.json(), { id, title: 'first', links: { self: `${notes.url}/api/v1/notes/${id}` } })
  t.is((await notes.call(`/api/v1/notes/${encodeURIComponent(id!).replace('-', '%2D')}`)).status, 200)
})

test('what is not there is 404: other paths, empty and broken segments, ids that nothing can have', async (t) => {
  const paths = ['/api/v1/nothing', '/api/v1/notes/', '/api/v1/notes/a/b', '/api/v9/notes', '/api/vx', '/api/v01/notes'] // prettier-ignore
  const ids = ['%ff', '%zz', '%00', 'a%00b', '%ed%a0%80', '%0a', 'x'.repeat(256), '%']
  for (const path of [...paths, ...ids.map((id) => `/api/v1/notes/${id}`)]) {
    t.is((await problemOf(await notes.call(path))).code, 'not-found', path)
  }
})

test('another method is 405 with Allow, one that nobody knows is 501', async (t) => {
  const wrong = await notes.call('/api/v1/notes', { method: 'DELETE' })
  t.is(wrong.headers.get('allow'), 'GET, HEAD, POST, OPTIONS')
  t.is((await problemOf(wrong)).code, 'method-not-allowed')
  t.is((await problemOf(await notes.call('/api/v1/notes', { method: 'PROPFIND' }))).code, 'not-implemented')
})

test('OPTIONS tells methods and media types without credentials', async (t) => {
  const list = await notes.call('/api/v1/notes', { method: 'OPTIONS', as: null })
  t.is(list.status, 204)
  t.is(list.headers.get('allow'), 'GET, HEAD, POST, OPTIONS')
  t.is(list.headers.get('accept-post'), 'application/json')
  const one = await notes.call('/api/v1/notes/x', { method: 'OPTIONS', as: null })
  t.is(one.headers.get('allow'), 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS')
  t.is(one.headers.get('accept-patch'), 'application/merge-patch+json, application/json')
})

test('HEAD answers as GET does, without the content', async (t) => {
  const [id] = await notes.write(['seen'])
  const [get, head] = [await notes.call(`/api/v1/notes/${id}`), await notes.call(`/api/v1/notes/${id}`, { method: 'HEAD' })] // prettier-ignore
  t.is(head.status, 200)
  for (const name of ['etag', 'content-type', 'content-length', 'cache-control', 'vary']) {
    t.is(head.headers.get(name), get.headers.get(name), name)
  }
  t.is(await head.text(), '')
})

test('without credentials 401 with a challenge, with too few 403 that names the scope, before anything is looked up', async (t) => {
  const none = await notes.call('/api/v1/notes/whatever', { as: null })
  t.is(none.headers.get('www-authenticate'), 'Bearer realm="notes", scope="notes:read"')
  t.is((await problemOf(none)).code, 'unauthenticated')
  const bad = await notes.call('/api/v1/notes/whatever', { as: 'mallory' })
  t.is(bad.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
  t.is((await problemOf(bad)).status, 401)
  const few = await notes.call('/api/v1/notes', { method: 'POST', as: 'reader', body: 'not json' })
  t.is(few.headers.get('www-authenticate'), 'Bearer realm="notes", error="insufficient_scope", scope="notes:write"')
  t.is((await problemOf(few)).code, 'insufficient-scope')
})

test('a public operation needs no credentials, knows those that come, and refuses bad ones', async (t) => {
  t.deepEqual(await (await notes.call('/api/v1/motd', { as: null })).json(), { text: 'Hello stranger' })
  t.deepEqual(await (await notes.call('/api/v1/motd')).json(), { text: 'Hello ada' })
  t.is((await notes.call('/api/v1/motd', { as: 'mallory' })).status, 401)
})

test('a link to what the caller may not do is left out', async (t) => {
  const [id] = await notes.write(['linked'])
  const linksFor = async (as: string) => ((await (await notes.call(`/api/v1/notes/${id}`, { as })).json()) as { links: object }).links // prettier-ignore
  t.deepEqual(Object.keys(await linksFor('ada')), ['self', 'edit'])
  t.deepEqual(Object.keys(await linksFor('reader')), ['self'])
})

test('a bug is a 500 that says nothing but its trace id, under which the log tells it', async (t) => {
  const response = await notes.call('/api/v1/notes', {
    method: 'POST',
    body: JSON.stringify({ title: 'bug' }),
    headers: { 'content-type': 'application/json' },
  })
  const { code, trace_id, detail } = await problemOf(response)
  t.deepEqual([code, detail], ['internal-error', undefined])
  t.regex(JSON.stringify(notes.logged.find((line) => line.level === 'error' && line.trace_id === trace_id)), /a bug/)
})

const bad = { accept: 'image/png', 'content-type': 'text/plain', 'if-match': 'malformed' }

test.serial('each check stands before the next: mended one by one, a request comes to the next refusal', async (t) => {
  const [id] = await notes.write(['ordered'])
  const path = `/api/v1/notes/${id}`
  const patch = (as: string | null, headers: Record<string, string>, body = '{"title":7}', url = path) =>
    notes.call(url, { method: 'PATCH', as, headers, body })
  const json = { 'content-type': 'application/json' }
  const tag = (await notes.call(path)).headers.get('etag')!
  const steps: [string, () => Promise<Response>][] = [
    ['version-unknown', () => patch(null, bad, 'x', '/api/v1/nothing?version=2')],
    ['not-found', () => patch(null, bad, 'x', '/api/v1/nothing')],
    ['method-not-allowed', () => patch(null, bad, 'x', '/api/v1/notes')],
    ['unauthenticated', () => patch(null, bad, 'x')],
    ['insufficient-scope', () => patch('reader', bad, 'x')],
    ['not-acceptable', () => patch('ada', bad, 'x')],
    ['unsupported-media-type', () => patch('ada', { ...bad, accept: '*/*' }, 'x')],
    ['content-too-large', () => patch('ada', { ...json, 'if-match': 'malformed' }, 'x'.repeat(70_000))],
    ['invalid-request', () => patch('ada', { ...json }, '{"title":7}')],
    ['precondition-required', () => patch('ada', json, '{"title":"x"}')],
    ['precondition-failed', () => patch('ada', { ...json, 'if-match': '"9-00000000"' }, '{"title":"x"}')],
  ]
  for (const [code, send] of steps) t.is((await problemOf(await send())).code, code)
  t.is((await patch('ada', { ...json, 'if-match': tag }, '{"title":"x"}')).status, 200)
})

test.serial('an address is limited before its credentials are looked at, a caller before what they may', async (t) => {
  refusing = 'address'
  const address = await notes.call('/api/v1/notes', { as: 'mallory' })
  t.is(address.headers.get('retry-after'), '7')
  t.is((await problemOf(address)).code, 'too-many-requests')
  t.deepEqual(asked, ['127.0.0.1'])
  refusing = 'principal'
  t.is((await notes.call('/api/v1/notes', { as: 'nobody' })).status, 429)
  t.deepEqual(asked, ['127.0.0.1', '127.0.0.1', 'nobody'])
})

test.serial('what is not there, and OPTIONS, cost nobody anything', async (t) => {
  await notes.call('/api/v1/nothing')
  await notes.call('/api/v1/notes', { method: 'OPTIONS' })
  await notes.call('/api/v1/notes', { method: 'PUT' })
  t.deepEqual(asked, [])
})

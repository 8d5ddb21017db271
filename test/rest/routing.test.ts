import test from 'ava'
import { fileScope } from '../support/demo.ts'
import { problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
let notes: NotesServer

test.before(async () => {
  notes = await startNotes(scope)
})
test.after.always(() => scope.end())

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
  t.is(none.headers.get('www-authenticate'), 'Bearer realm="notes", error="insufficient_scope", scope="notes:read"')
  t.is((await problemOf(none)).code, 'unauthenticated')
  const bad = await notes.call('/api/v1/notes/whatever', { as: 'mallory' })
  t.is(bad.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
  t.is((await problemOf(bad)).status, 401)
  const few = await notes.call('/api/v1/notes', { method: 'POST', as: 'reader', body: 'not json' })
  t.regex(few.headers.get('www-authenticate') ?? '', /scope="notes:write"/)
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

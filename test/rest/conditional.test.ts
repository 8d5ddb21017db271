import test from 'ava'
import { fileScope } from '../support/demo.ts'
import { problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
let notes: NotesServer

test.before(async () => {
  notes = await startNotes(scope)
})
test.after.always(() => scope.end())

async function newNote(title = 'a note') {
  const [id] = await notes.write([title])
  const path = `/api/v1/notes/${id}`
  return { path, tag: await tagOf(path) }
}

async function tagOf(path: string, headers = {}) {
  return (await notes.call(path, { headers: { 'accept-encoding': 'identity', ...headers } })).headers.get('etag') ?? ''
}

function change(path: string, headers: Record<string, string>, title = 'changed') {
  return notes.call(path, {
    method: 'PATCH',
    body: JSON.stringify({ title }),
    headers: { 'content-type': 'application/merge-patch+json', ...headers },
  })
}

test('a thing that counts its changes has a strong tag, which differs for each representation and each version', async (t) => {
  const { path, tag } = await newNote()
  t.regex(tag, /^"1-[0-9a-f]{8}"$/)
  const tags = [
    tag,
    await tagOf(`${path}?fields=title`),
    await tagOf(path, { accept: 'application/vnd.notes.v1+json' }),
  ]
  t.is(new Set(tags).size, 3)
  t.is(await tagOf(path), tag)
  t.is((await change(path, { 'if-match': tag })).status, 200)
  t.regex(await tagOf(path), /^"2-/)
})

test('whose links differ has another tag', async (t) => {
  const { path, tag } = await newNote()
  const reader = await notes.call(path, { as: 'reader', headers: { 'if-none-match': tag } })
  t.is(reader.status, 200)
  t.not(reader.headers.get('etag'), tag)
})

test('what is shown and changed without a version has another tag, which is good for a change all the same', async (t) => {
  const { path, tag } = await newNote()
  const id = path.split('/').at(-1)!
  await notes.db
    .knex('notes')
    .where({ id })
    .update({ created_at: new Date('2026-02-03T04:05:06Z') })
  const again = await notes.call(path, { headers: { 'if-none-match': tag, 'accept-encoding': 'identity' } })
  t.is(again.status, 200)
  t.regex(again.headers.get('etag') ?? '', /^"1-/)
  t.not(again.headers.get('etag'), tag)
  t.is((await notes.call(path, { headers: { 'if-none-match': '"1"' } })).status, 200)
  t.is((await change(path, { 'if-match': tag })).status, 200)
})

test('who has it already is answered 304, also through fetch, which asks caches to stay out', async (t) => {
  const { path, tag } = await newNote()
  for (const value of [tag, `W/${tag}`, `"other", ${tag}`, '*', `${tag.slice(0, -1)}-br"`]) {
    const response = await notes.call(path, { headers: { 'if-none-match': value } })
    t.is(response.status, 304, value)
    t.is(await response.text(), '')
    t.is(response.headers.get('etag'), value.includes('-br') ? value : tag)
    t.is(response.headers.get('cache-control'), 'private, no-cache')
    t.regex(response.headers.get('vary') ?? '', /Accept/)
    t.is(response.headers.get('content-type'), null)
  }
  t.is((await notes.call(path, { headers: { 'if-none-match': '"other"' } })).status, 200)
  t.is((await notes.call(path, { method: 'HEAD', headers: { 'if-none-match': tag } })).status, 304)
})

test('a list has a weak tag of its content', async (t) => {
  await notes.write(['on the list', 'too'], 'green')
  const path = '/api/v1/notes?color=green'
  const tag = await tagOf(path)
  t.regex(tag, /^W\/"/)
  t.is((await notes.call(path, { headers: { 'if-none-match': tag } })).status, 304)
  await notes.write(['one more'], 'green')
  t.is((await notes.call(path, { headers: { 'if-none-match': tag } })).status, 200)
  t.is((await notes.call(`${path}&sort=title`, { headers: { 'if-none-match': tag } })).status, 200)
})

test('a change without a precondition is 428', async (t) => {
  const { path } = await newNote()
  const { code, errors } = await problemOf(await change(path, {}))
  t.is(code, 'precondition-required')
  t.is(errors?.[0]?.header, 'If-Match')
  t.is((await notes.call(path, { method: 'DELETE' })).status, 428)
})

test('a change counts only for what the caller has seen; 412 tells what is current', async (t) => {
  const { path, tag } = await newNote()
  const [first, second] = [await change(path, { 'if-match': tag }), await change(path, { 'if-match': tag })]
  t.is(first.status, 200)
  t.is((await problemOf(second)).code, 'precondition-failed')
  t.is(second.headers.get('etag'), '"2"')
  t.regex(first.headers.get('etag') ?? '', /^"2-[0-9a-f]{8}"$/)
  t.is((await change(path, { 'if-match': second.headers.get('etag')! })).status, 200)
})

test('of two changes at once that both saw the same one wins', async (t) => {
  const { path, tag } = await newNote()
  const answers = await Promise.all(
    Array.from({ length: 5 }, (_, index) => change(path, { 'if-match': tag }, `${index}`)),
  )
  t.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412, 412, 412])
  for (const answer of answers.filter(({ status }) => status === 412)) t.regex(answer.headers.get('etag') ?? '', /^"2"/)
})

test('If-Match takes several tags, any, and a tag of whichever representation; weak ones never match', async (t) => {
  const { path } = await newNote()
  const fits: ((tag: string) => string | Promise<string>)[] = [
    (tag) => `"x", ${tag}`,
    () => '*',
    (tag) => `${tag.slice(0, -1)}-gzip"`,
    () => tagOf(`${path}?fields=title`),
    () => tagOf(path, { accept: 'application/vnd.notes.v1+json' }),
  ]
  for (const fit of fits) t.is((await change(path, { 'if-match': await fit(await tagOf(path)) })).status, 200)
  const tag = await tagOf(path)
  for (const value of [`W/${tag}`, '"1-00000000"', '"1"', '"x"', '"-1-00000000"']) {
    t.is((await change(path, { 'if-match': value })).status, 412, value)
  }
})

test('a malformed condition is 400, not passed over', async (t) => {
  const { path } = await newNote()
  for (const value of ['7', '"a" "b"', 'W/7', '"unclosed']) {
    const { code, errors } = await problemOf(await change(path, { 'if-match': value }))
    t.deepEqual([code, errors?.[0]?.header], ['invalid-request', 'If-Match'], value)
  }
})

test('what is not there is 404, whatever the condition', async (t) => {
  for (const headers of [{}, { 'if-match': '"1-00000000"' }, { 'if-match': '*' }]) {
    t.is((await change('/api/v1/notes/none', headers)).status, 404)
  }
})

test('PUT with If-None-Match: * makes what is not there, and nothing else', async (t) => {
  const put = (headers: Record<string, string>) =>
    notes.call('/api/v1/notes/chosen', {
      method: 'PUT',
      body: '{"title":"mine"}',
      headers: { 'content-type': 'application/json', ...headers },
    })
  t.is((await put({})).status, 428)
  t.is((await put({ 'if-match': '*' })).status, 412)
  const made = await put({ 'if-none-match': '*' })
  t.is(made.status, 201)
  t.is(made.headers.get('location'), `${notes.url}/api/v1/notes/chosen`)
  const again = await put({ 'if-none-match': '*' })
  t.is(again.status, 412)
  t.regex(made.headers.get('etag') ?? '', /^"1-/)
  t.is(again.headers.get('etag'), '"1"')
  t.is((await put({ 'if-match': made.headers.get('etag')! })).status, 200)
})

test('a change answers with the tag of what it made, which is that of a read', async (t) => {
  const { path, tag } = await newNote()
  const changed = await change(path, { 'if-match': tag })
  t.is(changed.headers.get('content-location'), notes.url + path)
  t.is(changed.headers.get('etag'), await tagOf(path))
})

test('a read under If-Match answers only the same representation', async (t) => {
  const { path, tag } = await newNote()
  t.is((await notes.call(path, { headers: { 'if-match': tag } })).status, 200)
  t.is((await notes.call(path, { headers: { 'if-match': '"1-00000000"' } })).status, 412)
})

test('a condition on what has no versions is refused, not passed over', async (t) => {
  const { path } = await newNote()
  const share = (value: string) => notes.call(`${path}/shares`, { method: 'POST', headers: { 'if-match': value } })
  t.is((await share('"1-00000000"')).status, 412)
  t.is((await share('*')).status, 201)
})

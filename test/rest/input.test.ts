import test from 'ava'
import { connect } from 'node:net'
import { MOST_DEPTH, parseJson } from '../../src/http/api/json.ts'
import { fileScope } from '../support/demo.ts'
import { fc } from '../support/property.ts'
import { problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
let notes: NotesServer

test.before(async () => {
  notes = await startNotes(scope)
})
test.after.always(() => scope.end())

type Body = Exclude<RequestInit['body'], null | undefined>

function post(body: Body, headers: Record<string, string> = { 'content-type': 'application/json' }, query = '') {
  return notes.call(`/api/v1/notes${query}`, { method: 'POST', body, headers })
}

/** Where, and what the code of it is. */
async function faults(response: Response) {
  const { code, errors = [] } = await problemOf(response)
  if (code !== 'invalid-request') throw new Error(`${code}, not invalid-request`)
  return errors.map(({ pointer, parameter, code }) => `${pointer ?? parameter}: ${code}`)
}

test('everything that is wrong is told at once, each at its place', async (t) => {
  const body = { title: '', color: 'blue', tags: ['fine', 7, 'x'.repeat(21)], extra: 1, 'a/b~c ü': 2 }
  t.deepEqual((await faults(await post(JSON.stringify(body), undefined, '?nothing=1'))).sort(), [
    '#/a~1b~0c%20%C3%BC: unknown',
    '#/color: value',
    '#/extra: unknown',
    '#/tags/1: type',
    '#/tags/2: range',
    '#/title: range',
    'nothing: unknown',
  ])
  t.deepEqual(await faults(await post('{}')), ['#/title: missing'])
  t.deepEqual(await faults(await post('[]')), ['#: type'])
  t.deepEqual(await faults(await post('null')), ['#: type'])
})

test('of very much that is wrong fifty are told', async (t) => {
  const body = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`x${index}`, 1]))
  t.is((await faults(await post(JSON.stringify(body)))).length, 50)
})

test('what is no JSON in UTF-8 is refused', async (t) => {
  const texts = ['', ' ', '{', '{"title":"a",}', "{'title':'a'}", '{"title":"a"}x', 'NaN', '{"title":"a\nb"}', '\ufeff{"title":"a"}'] // prettier-ignore
  for (const text of texts) t.deepEqual((await faults(await post(text)))[0]?.split(':')[0], '#', JSON.stringify(text))
  t.deepEqual(await faults(await post(Buffer.from([...Buffer.from('{"title":"'), 0xff, 0x22, 0x7d]))), ['#: format'])
  t.deepEqual(await faults(await post(Buffer.from('{"title":"a"}', 'utf16le'))), ['#: format'])
})

test('a name that stands twice, names that reach a prototype, half characters and NUL are refused where they stand', async (t) => {
  t.deepEqual(await faults(await post('{"title":"a","tags":[],"title":"b"}')), ['#/title: duplicate'])
  t.deepEqual(await faults(await post('{"title":"a","\\u0074itle":"b"}')), ['#/title: duplicate'])
  t.deepEqual(await faults(await post('{"x":[{"a":1},{"b":{"c":1,"c":2}}]}')), ['#/x/1/b/c: duplicate'])
  for (const name of ['__proto__', 'constructor', 'prototype', '__pr\\u006fto__']) {
    const pointer = `#/${JSON.parse(`"${name}"`)}: unknown`
    t.deepEqual(await faults(await post(`{"title":"a","${name}":{"admin":true}}`)), [pointer])
  }
  t.deepEqual(await faults(await post('{"title":"\\u0000"}')), ['#/title: format'])
  t.deepEqual(await faults(await post('{"tags":["a","\\ud800"],"title":"\\udc00"}')), [
    '#/tags/1: format',
    '#/title: format',
  ])
})

test('the same name in different objects, and quotes and brackets in strings, are no trouble', (t) => {
  for (const text of ['[{"a":1},{"a":2}]', '{"a":{"a":{"a":[]}}}', '{"a":"{\\"a\\":1,\\"a\\":2}","b":"]},\\\\"}']) {
    t.deepEqual(parseJson(Buffer.from(text)), { value: JSON.parse(text), errors: [] })
  }
})

test('content nests 32 levels deep and no deeper', (t) => {
  const nested = (levels: number) => Buffer.from('['.repeat(levels) + ']'.repeat(levels))
  t.deepEqual(parseJson(nested(MOST_DEPTH)).errors, [])
  t.is(parseJson(nested(MOST_DEPTH + 1)).errors[0]?.code, 'depth')
  t.is(parseJson(Buffer.from(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`)).errors.length, 1)
})

test('strict JSON reads every valid document as JSON.parse does', (t) => {
  const text = fc.string({ unit: 'grapheme' }).filter((string) => string.isWellFormed() && !string.includes('\0'))
  const name = text.filter((string) => !['__proto__', 'constructor', 'prototype'].includes(string))
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 6 }, text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null), tie('array'), tie('object')), // prettier-ignore
    array: fc.array(tie('value'), { maxLength: 5 }),
    object: fc.dictionary(name, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  }))
  fc.assert(
    fc.property(value, fc.constantFrom(0, 1, '\t'), (document, space) => {
      const bytes = Buffer.from(JSON.stringify(document, null, space))
      t.deepEqual(parseJson(bytes), { value: JSON.parse(bytes.toString()) as unknown, errors: [] })
    }),
    { numRuns: 200 },
  )
})

test('strict JSON refuses whatever JSON.parse refuses', (t) => {
  const soup = fc.array(fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '"a"', '1', 'null', ' '), { maxLength: 12 }) // prettier-ignore
  const outcome = (read: () => unknown) => {
    try {
      read()
      return 'read'
    } catch (error) {
      return error instanceof SyntaxError ? 'refused' : error
    }
  }
  fc.assert(
    fc.property(soup, (parts) => {
      const text = parts.join('')
      t.is(outcome(() => parseJson(Buffer.from(text))), outcome(() => JSON.parse(text))) // prettier-ignore
    }),
    { numRuns: 500 },
  )
})

test('another media type, charset or coding is 415, which tells what is taken', async (t) => {
  const types = ['text/plain', 'application/jsonp', 'application/json; charset=latin1', 'application/merge-patch+json', 'x', ''] // prettier-ignore
  for (const type of types) {
    const response = await post(Buffer.from('{"title":"a"}'), type ? { 'content-type': type } : {})
    t.is(response.headers.get('accept-post'), 'application/json', type)
    t.is((await problemOf(response)).code, 'unsupported-media-type')
  }
  const coded = await post('{"title":"a"}', { 'content-type': 'application/json', 'content-encoding': 'gzip' })
  t.is(coded.headers.get('accept-encoding'), 'identity')
  t.is(coded.status, 415)
  const patch = await notes.call('/api/v1/notes/x', { method: 'PATCH', body: 'a' })
  t.is(patch.headers.get('accept-patch'), 'application/merge-patch+json, application/json')
  t.is((await post('{"title":"a"}', { 'content-type': 'Application/JSON ; charset="UTF-8"' })).status, 201)
})

test('content beyond the limit is 413, told or not told beforehand', async (t) => {
  const large = JSON.stringify({ title: 'x'.repeat(16 * 1024) })
  t.is((await problemOf(await post(large))).code, 'content-too-large')
  const chunks = async function* () {
    yield Buffer.from(large)
  }
  const streamed = await notes.call('/api/v1/notes', {
    method: 'POST',
    body: chunks(),
    duplex: 'half',
    headers: { 'content-type': 'application/json' },
  } as Parameters<NotesServer['call']>[1])
  t.is((await problemOf(streamed)).code, 'content-too-large')
})

test('content where none is taken is refused, not passed over', async (t) => {
  const [id] = await notes.write(['kept'])
  const path = `/api/v1/notes/${id}`
  const headers = { 'content-type': 'application/json', 'if-match': '*' }
  t.deepEqual(await faults(await notes.call(path, { method: 'DELETE', body: '{}', headers })), ['#: unknown'])
  t.is((await notes.call(path)).status, 200)
})

test('content that may be left out may also be sent, and is checked', async (t) => {
  const [id] = await notes.write(['shared'])
  const share = (body?: string) =>
    notes.call(`/api/v1/notes/${id}/shares`, {
      method: 'POST',
      ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
    })
  t.is((await share()).status, 201)
  t.is((await share('{"padding":50}')).status, 201)
  t.deepEqual(await faults(await share('{"padding":"x"}')), ['#/padding: type'])
})

test('a request that ends before its content is answered, if anybody still listens', async (t) => {
  const socket = connect(Number(new URL(notes.url).port), '127.0.0.1')
  const answer = new Promise<string>((resolve) => {
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.on('close', () => resolve(text))
    socket.on('error', () => resolve(text))
  })
  socket.write('POST /api/v1/notes HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ada\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"ti') // prettier-ignore
  socket.end()
  await answer
  t.is((await notes.call('/api/v1/motd')).status, 200)
  t.deepEqual(notes.logged.filter(({ level, path }) => level === 'error' && path === '/api/v1/notes'), []) // prettier-ignore
})

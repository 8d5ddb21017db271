import test from 'ava'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { negotiate } from '../../src/http/api/negotiation.ts'
import { languageOf, type Language } from '../../src/http/language.ts'
import { fileScope } from '../support/demo.ts'
import { problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
let notes: NotesServer

test.before(async () => {
  notes = await startNotes(scope)
})
test.after.always(() => scope.end())

const OFFERED = ['application/json', 'application/vnd.notes.v1+json', 'text/csv']

test('the representation is chosen by weight, then by how exactly it was named, then by our preference', (t) => {
  const cases: [string, string | undefined][] = [
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['text/csv', 'text/csv'],
    ['text/*', 'text/csv'],
    ['application/json;q=0.5, text/csv;q=0.9', 'text/csv'],
    ['text/csv, */*', 'text/csv'],
    ['*/*, application/vnd.notes.v1+json', 'application/vnd.notes.v1+json'],
    ['application/*;q=0.2, application/json;q=0', 'application/vnd.notes.v1+json'],
    ['*/*;q=0.1, application/json;q=0, application/vnd.notes.v1+json;q=0', 'text/csv'],
    ['APPLICATION/JSON', 'application/json'],
    ['application/json; charset=utf-8', 'application/json'],
    ['application/json; charset="UTF-8"; profile="a,b;c"', 'application/json'],
    ['application/json; charset=latin1', undefined],
    ['application/xml', undefined],
    ['application/json;q=0', undefined],
    ['*/*;q=0', undefined],
    ['application/vnd.notes.v2+json', undefined],
    ['application/json;q=2, text/csv', 'text/csv'],
    [',,;;q=1', 'application/json'],
  ]
  for (const [accept, expected] of cases) t.is(negotiate(accept, OFFERED), expected, accept)
})

test('the answer tells its media type and what the choice depended on', async (t) => {
  const vendor = 'application/vnd.notes.v1+json'
  const response = await notes.call('/api/v1/notes', { headers: { accept: vendor } })
  t.is(response.headers.get('content-type'), `${vendor}; charset=utf-8`)
  const vary = (response.headers.get('vary') ?? '').split(', ')
  for (const name of ['Accept', 'Accept-Encoding', 'Authorization', 'X-API-Key']) t.true(vary.includes(name), name)
})

test('nothing acceptable is 406, which lists what there is, as a problem all the same', async (t) => {
  const { code, detail } = await problemOf(await notes.call('/api/v1/notes/x', { headers: { accept: 'text/csv' } }))
  t.is(code, 'not-acceptable')
  t.is(detail, 'There is application/json, application/vnd.notes.v1+json')
  t.is((await problemOf(await notes.call('/api/v1/notes/x', { headers: { accept: 'text/csv, */*' } }))).status, 404)
})

test('credentials are asked for before the representation', async (t) => {
  const headers = { accept: 'image/png', 'content-type': 'text/plain' }
  t.is((await notes.call('/api/v1/notes', { as: null, method: 'POST', body: 'x', headers })).status, 401)
  t.is((await notes.call('/api/v1/notes', { as: 'reader', method: 'POST', body: 'x', headers })).status, 403)
  t.is((await notes.call('/api/v1/notes', { method: 'POST', body: 'x', headers })).status, 406)
})

test('the language is looked up as RFC 4647 says', (t) => {
  const cases: [string, Language][] = [
    ['', 'en'],
    ['de', 'de'],
    ['de-CH', 'de'],
    ['fr, de;q=0.5', 'de'],
    ['en;q=0.5, de;q=0.9', 'de'],
    ['de;q=0', 'en'],
    ['fr-FR', 'en'],
    ['*', 'en'],
    ['*, de;q=0.5', 'en'],
    ['den', 'en'],
  ]
  for (const [header, expected] of cases) t.is(languageOf(header), expected, header)
})

test('a problem is titled in the language of its reader', async (t) => {
  const ask = async (headers = {}) => {
    const response = await notes.call('/api/v1/notes/none', { headers })
    t.regex(response.headers.get('vary') ?? '', /Accept-Language/)
    return [response.headers.get('content-language'), (await problemOf(response)).title]
  }
  t.deepEqual(await ask(), ['en', 'There is nothing here'])
  t.deepEqual(await ask({ 'accept-language': 'de-AT, en;q=0.5' }), ['de', 'Hier ist nichts'])
})

test('a problem without German words is told in English', async (t) => {
  const response = await notes.call('/api/v1/notes', {
    method: 'POST',
    body: '{"title":"full"}',
    headers: { 'accept-language': 'de', 'content-type': 'application/json' },
  })
  t.deepEqual([response.headers.get('content-language'), (await problemOf(response)).title], ['en', 'The note is full'])
})

/** As it comes over the wire: fetch would decode it. */
async function raw(path: string, headers: Record<string, string>, method = 'GET') {
  const request = httpRequest(notes.url + path, { method, headers: { authorization: 'Bearer ada', ...headers } }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks = (await response.toArray()) as Buffer[]
  return { headers: response.headers, status: response.statusCode, bytes: Buffer.concat(chunks) }
}

test('an answer of a kibibyte or more is compressed as the caller prefers, and has a tag of its own', async (t) => {
  const [id] = await notes.write(['x'.repeat(2000)])
  const path = `/api/v1/notes/${id}`
  const plain = await raw(path, {})
  t.is(plain.headers['content-encoding'], undefined)
  const tag = String(plain.headers.etag)
  const decoders = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync }
  for (const [coding, decode] of Object.entries(decoders)) {
    const { headers, bytes } = await raw(path, { 'accept-encoding': `${coding}, identity;q=0.1` })
    t.is(headers['content-encoding'], coding)
    t.is(headers.etag, `${tag.slice(0, -1)}-${coding}"`)
    t.true(bytes.length < 1000)
    t.deepEqual(decode(bytes), plain.bytes)
    t.is((await raw(path, { 'if-none-match': String(headers.etag) })).status, 304)
  }
  t.is((await raw(path, { 'accept-encoding': 'gzip;q=0.2, br;q=0.9' })).headers['content-encoding'], 'br')
  t.is((await raw(path, { 'accept-encoding': 'deflate' })).headers['content-encoding'], undefined)
  t.regex(String(plain.headers.vary), /Accept-Encoding/)
})

test('small answers, secrets and streams are not compressed', async (t) => {
  const [id] = await notes.write(['small'])
  const accept = { 'accept-encoding': 'gzip, br, zstd' }
  t.is((await raw(`/api/v1/notes/${id}`, accept)).headers['content-encoding'], undefined)
  const secret = await notes.call(`/api/v1/notes/${id}/shares`, {
    method: 'POST',
    body: '{"padding":3000}',
    headers: { 'content-type': 'application/json', ...accept },
  })
  t.is(secret.headers.get('content-encoding'), null)
  t.is(secret.headers.get('cache-control'), 'no-store')
  t.true((await secret.text()).length > 3000)
  const stream = await raw('/api/v1/stream', accept)
  t.deepEqual([stream.status, stream.headers['content-encoding']], [200, undefined])
  t.is(stream.headers['content-type'], 'text/event-stream; charset=utf-8')
})

test('an error below the API names its place without the query; other paths are none of its business', async (t) => {
  t.is((await notes.call('/apiary')).status, 404)
  t.not((await notes.call('/apiary')).headers.get('content-type'), 'application/problem+json')
  const missing = await problemOf(await notes.call('/api/nothing?token=secret'))
  t.is(missing.instance, '/api/nothing')
  t.is(missing.type, 'https://notes.example/problems#not-found')
  t.false(JSON.stringify(notes.logged).includes('token=secret'))
})

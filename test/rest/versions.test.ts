import test from 'ava'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { fileScope } from '../support/demo.ts'
import { noteOperations, problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
const operations = noteOperations()
const SINCE = new Date('2026-01-01T00:00:00Z')
const SUNSET = new Date('2027-06-30T23:59:59Z')
const DOCUMENTATION = 'https://notes.example/docs'
let now = Date.parse('2026-11-01T00:00:00Z')
let notes: NotesServer

test.before(async () => {
  notes = await startNotes(scope, {
    versions: [
      { number: 0, operations: [], removed: true },
      { number: 1, operations, deprecated: { since: SINCE, sunset: SUNSET, documentation: DOCUMENTATION } },
      { number: 2, operations },
      { number: 3, operations },
    ],
    defaultVersion: 2,
    now: () => now,
  })
})
test.after.always(() => scope.end())

test.serial('each of four places names the version, and without any it is the default', async (t) => {
  const versionOf = async (path: string, headers = {}) =>
    (await notes.call(path, { headers })).headers.get('api-version')
  t.is(await versionOf('/api/v3/notes'), '3')
  t.is(await versionOf('/api/notes', { 'api-version': '3' }), '3')
  t.is(await versionOf('/api/notes', { accept: 'application/vnd.notes.v3+json' }), '3')
  t.is(await versionOf('/api/notes?version=3'), '3')
  t.is(await versionOf('/api/notes'), '2')
})

test.serial('places that agree are fine, places that disagree are 400', async (t) => {
  const all = { 'api-version': '3', accept: 'application/vnd.notes.v3+json' }
  t.is((await notes.call('/api/v3/notes?version=3', { headers: all })).status, 200)
  for (const [path, headers] of [
    ['/api/v2/notes', { 'api-version': '3' }],
    ['/api/v2/notes?version=3', {}],
    ['/api/v2/notes', { accept: 'application/vnd.notes.v3+json' }],
    ['/api/notes?version=2', { 'api-version': '3' }],
    ['/api/notes', { 'api-version': '3', accept: 'application/vnd.notes.v2+json' }],
  ] as const) {
    t.is((await problemOf(await notes.call(path, { headers }))).code, 'version-conflict', path)
  }
})

test.serial('a version that nobody knows is 404 in the path, 406 in Accept, 400 elsewhere', async (t) => {
  t.is((await problemOf(await notes.call('/api/v9/notes'))).code, 'not-found')
  const accepted = await notes.call('/api/notes', { headers: { accept: 'application/vnd.notes.v9+json' } })
  t.is((await problemOf(accepted)).code, 'not-acceptable')
  const others = { accept: 'application/vnd.notes.v9+json, application/json;q=0.5' }
  t.is((await notes.call('/api/notes', { headers: others })).headers.get('api-version'), '2')
  for (const value of ['9', 'v2', '2.0', '2, 2', 'two']) {
    const named = await problemOf(await notes.call('/api/notes', { headers: { 'api-version': value } }))
    t.deepEqual([named.code, named.errors?.[0]?.header], ['version-unknown', 'API-Version'])
  }
  for (const value of ['9', 'v2', '']) {
    const asked = await problemOf(await notes.call(`/api/notes?version=${value}`))
    t.deepEqual([asked.code, asked.errors?.[0]?.parameter], ['version-unknown', 'version'])
  }
})

test.serial('an answer tells its version, where it stands under it, and what the choice depended on', async (t) => {
  const [id] = await notes.write(['versioned'])
  const response = await notes.call(`/api/notes/${id}?fields=title`, { headers: { 'api-version': '3' } })
  t.is(response.headers.get('api-version'), '3')
  t.is(response.headers.get('content-location'), `${notes.url}/api/v3/notes/${id}?fields=title`)
  t.regex(response.headers.get('vary') ?? '', /API-Version/)
  t.like(await response.json(), { links: { self: `${notes.url}/api/v3/notes/${id}` } })
  const inPath = await notes.call(`/api/v3/notes/${id}`)
  t.is(inPath.headers.get('content-location'), null)
  const problem = await notes.call('/api/v3/notes/none')
  t.is(problem.headers.get('api-version'), '3')
})

test.serial('the same version of a thing has another tag in another version of the API', async (t) => {
  const [id] = await notes.write(['tagged'])
  const tagIn = async (version: string) => (await notes.call(`/api/${version}/notes/${id}`)).headers.get('etag')
  t.not(await tagIn('v2'), await tagIn('v3'))
})

test.serial('a deprecated version says so in every answer, with the way on', async (t) => {
  for (const path of ['/api/v1/notes', '/api/v1/notes/none', '/api/notes?version=1']) {
    const { headers } = await notes.call(path)
    t.is(headers.get('deprecation'), '@1767225600')
    t.is(headers.get('sunset'), 'Wed, 30 Jun 2027 23:59:59 GMT')
    const link = headers.get('link') ?? ''
    t.true(link.includes(`<${DOCUMENTATION}>; rel="deprecation"; type="text/html"`))
    t.true(link.includes(`<${DOCUMENTATION}>; rel="sunset"; type="text/html"`))
    const below = new URL(path, notes.url).pathname.replace(/^\/api(\/v1)?/, '')
    t.true(link.includes(`<${notes.url}/api/v2${below}>; rel="successor-version"`), link)
  }
  t.is((await notes.call('/api/v2/notes')).headers.get('deprecation'), null)
})

test.serial('a removed version is 410 with the way on, wherever it is named', async (t) => {
  for (const [path, headers] of [
    ['/api/v0/notes', {}],
    ['/api/notes', { 'api-version': '0' }],
    ['/api/notes', { accept: 'application/vnd.notes.v0+json' }],
    ['/api/v0', {}],
  ] as const) {
    const response = await notes.call(path, { headers, as: null })
    t.regex(response.headers.get('link') ?? '', /^<[^>]*\/api\/v2[^>]*>; rel="successor-version"$/)
    t.is((await problemOf(response)).code, 'version-removed')
  }
})

test.serial('nothing that stands in a path breaks out of the links that are made of it', async (t) => {
  const request = get(`${notes.url}/api/v0/x>;rel="author"`, { path: '/api/v0/x>;rel="author"' })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.resume()
  t.is(response.statusCode, 410)
  t.is(response.headers.link, `<${notes.url}/api/v2/x%3E;rel=%22author%22>; rel="successor-version"`)
})

test.serial('on the day of its sunset a deprecated version is gone', async (t) => {
  now = SUNSET.getTime()
  t.is((await problemOf(await notes.call('/api/v1/notes'))).code, 'version-removed')
  now = SUNSET.getTime() - 1
  t.is((await notes.call('/api/v1/notes')).status, 200)
})

test.serial('the root tells where everything is, and which versions there are', async (t) => {
  const root = await notes.call('/api', { as: null })
  t.like(await root.json(), { title: 'Notes', links: { current: `${notes.url}/api/v2`, versions: `${notes.url}/api/versions` } }) // prettier-ignore
  t.regex(root.headers.get('link') ?? '', /<[^>]+\/api\/openapi.json>; rel="service-desc"/)
  t.regex(root.headers.get('link') ?? '', /<[^>]+\/api\/docs>; rel="service-doc"/)
  const { data } = (await (await notes.call('/api/versions', { as: null })).json()) as {
    data: Record<string, unknown>[]
  }
  t.deepEqual(
    data.map(({ version, status, successor }) => [version, status, successor]),
    [[0, 'removed', 2], [1, 'deprecated', 2], [2, 'current', null], [3, 'supported', null]], // prettier-ignore
  )
  t.like(data[1], { deprecated_at: SINCE.toISOString(), sunset_at: SUNSET.toISOString() })
  t.like(await (await notes.call('/api/v3', { as: null })).json(), { version: 3, status: 'supported' })
  t.is((await notes.call('/api', { method: 'DELETE' })).status, 405)
})

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

import test from 'ava'
import { EventEmitter, once } from 'node:events'
import { z } from 'zod'
import { createApi, type ApiOptions } from '../../src/http/api/api.ts'
import { operation, type Answer, type Operation } from '../../src/http/api/operation.ts'
import { Problem } from '../../src/http/problem.ts'
import { fileScope } from '../support/demo.ts'
import { noteProblems, problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
let notes: NotesServer

const thing = z.object({ id: z.string(), parts: z.array(z.object({ name: z.string() })) })
const declared = { 200: { description: 'A thing', schema: thing }, 204: { description: 'Nothing' } }

function answering(id: string, answer: () => Answer, responses: Operation['responses'] = declared): Operation {
  const base = { id, method: 'GET', path: `/${id}`, tag: 'Things', summary: id, access: 'public' } as const
  return operation({ ...base, responses, handle: async () => answer() })
}

class Collision extends Error {}

const signals = new EventEmitter()

const operations = [
  operation({
    id: 'wait',
    method: 'GET',
    path: '/wait',
    tag: 'Things',
    summary: 'Wait',
    access: 'public',
    responses: { 204: { description: 'Nothing came' } },
    async handle({ signal }) {
      signals.emit('waiting')
      await once(signal, 'abort')
      signals.emit('aborted')
      return {}
    },
  }),
  answering('good', () => ({ status: 200, body: { id: 'a', parts: [{ name: 'b' }] } })),
  answering('empty', () => ({ status: 204 })),
  answering('status', () => ({ status: 202, body: {} })),
  answering('undecided', () => ({ body: {} })),
  answering('type', () => ({ status: 200, body: { id: 1, parts: [] } })),
  answering('extra', () => ({ status: 200, body: { id: 'a', parts: [{ name: 'b', secret: 'c' }] } })),
  answering('bodiless', () => ({ status: 200 })),
  answering('made', () => ({ location: '/things/1' }), { 201: { description: 'Made' } }),
  answering('late', () => ({ headers: { 'retry-after': '5' } }), { 202: { description: 'Later' } }),
  answering('collision', () => {
    throw new Collision('row 7')
  }),
]

test.before(async () => {
  notes = await startNotes(scope, {
    versions: [{ number: 1, operations }],
    problemOf: (error) => {
      const { status, title, about } = noteProblems.conflict
      return error instanceof Collision
        ? new Problem('conflict', { status, title, about }, { cause: error })
        : undefined
    },
  })
})
test.after.always(() => scope.end())

test('an answer that is as declared passes', async (t) => {
  t.deepEqual(await (await notes.call('/api/v1/good')).json(), { id: 'a', parts: [{ name: 'b' }] })
  t.is((await notes.call('/api/v1/empty')).status, 204)
})

test('under test, an answer that is not as declared is a 500 that says where', async (t) => {
  const cases: [string, RegExp][] = [
    ['status', /^status answered what it does not declare: status 202/],
    ['type', /#\/id Invalid input/],
    ['extra', /#\/parts\/0\/secret is not declared/],
    ['bodiless', /no body/],
  ]
  for (const [path, detail] of cases)
    t.regex((await problemOf(await notes.call(`/api/v1/${path}`))).detail ?? '', detail)
  t.is((await notes.call('/api/v1/undecided')).status, 500)
})

test('an answer without content keeps its status and headers', async (t) => {
  const made = await notes.call('/api/v1/made')
  t.deepEqual([made.status, made.headers.get('location')], [201, `${notes.url}/api/v1/things/1`])
  t.is(made.headers.get('content-type'), null)
  const late = await notes.call('/api/v1/late')
  t.deepEqual([late.status, late.headers.get('retry-after'), await late.text()], [202, '5', ''])
})

test('errors of the domain are told as the API says', async (t) => {
  t.is((await problemOf(await notes.call('/api/v1/collision'))).code, 'conflict')
})

test('an operation learns when its caller goes away', async (t) => {
  const waiting = once(signals, 'waiting')
  const caller = new AbortController()
  const call = notes.call('/api/v1/wait', { signal: caller.signal })
  await waiting
  const aborted = once(signals, 'aborted')
  caller.abort()
  await t.throwsAsync(call, { name: 'AbortError' })
  await aborted
  t.is((await notes.call('/api/v1/good')).status, 200)
})

test('declarations that contradict each other, or promise what is not there, are no API', (t) => {
  const options = { ...({} as ApiOptions), title: '', base: '/api', origin: 'http://x', vendor: 'x', defaultVersion: 1, catalogue: noteProblems, cursorSecrets: [Buffer.from('x')] } // prettier-ignore
  const create = (operations: Operation[], more: Partial<ApiOptions> = {}) =>
    createApi({ ...options, versions: [{ number: 1, operations }], ...more })
  const good = operations[1]!
  const post = { ...good, method: 'POST', access: 'authenticated' } as const
  t.notThrows(() => create(operations))
  t.throws(() => create([good, { ...good, path: '/other' }]), { message: /declared twice/ })
  t.throws(() => create([good, { ...good, id: 'other' }]), { message: /declared twice/ })
  t.throws(() => create([{ ...good, problems: ['unheard-of'] }]), { message: /unheard-of/ })
  t.throws(() => create([{ ...post, idempotent: true }]), { message: /nowhere to keep/ })
  t.throws(() => create([{ ...post, idempotent: true, access: 'public' }], { idempotency: {} as never }), { message: /belongs to somebody/ }) // prettier-ignore
  t.throws(() => create([good], { defaultVersion: 2 }), { message: /default version/ })
  t.throws(() => create([good], { cursorSecrets: [] }), { message: /secret/ })
  const deprecated = { since: new Date(1), sunset: new Date(0) }
  t.throws(() => create([], { versions: [{ number: 1, operations: [], deprecated }] }), { message: /ends before/ })
})

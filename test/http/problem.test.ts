import test, { type ExecutionContext } from 'ava'
import Koa, { type Middleware } from 'koa'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Problem, commonProblems, problemsBelow, problemsOf, renderProblems } from '../../src/http/problem.ts'
import { trace } from '../../src/http/trace.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

/** What an app that does `handle` answers, and what it logs about the problem. */
async function answerOf(t: ExecutionContext, handle: Middleware, render = renderProblems) {
  const logged: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) }
  const log = createLogger({ level: 'info', destination })
  const app = new Koa()
  app
    .use(trace(log))
    .use(render({ log, typeBase: 'https://api.example.com/problems#' }))
    .use(handle)
  const server = createServer((request, response) => void app.callback()(request, response)).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/path?token=secret`)
  const body = (await response.json()) as Record<string, unknown>
  const answer: Answer = { status: response.status, headers: response.headers, body }
  return { answer, logged: logged.filter(({ msg }) => msg !== 'request') }
}

test('a problem is rendered with everything it says, and logged without the query', async (t) => {
  const problem = problemsOf({ ...commonProblems, 'too-late': { status: 410, title: 'It is too late', about: '' } })
  const errors = [{ pointer: '#/when', detail: 'is past' }]
  const { answer, logged } = await answerOf(t, () => {
    throw problem('too-late', {
      detail: 'By a day',
      errors,
      headers: { 'x-hint': 'earlier' },
      cause: new Error('inner'),
    })
  })
  t.is(answer.status, 410)
  t.is(answer.headers.get('content-type'), 'application/problem+json')
  t.is(answer.headers.get('cache-control'), 'no-store')
  t.is(answer.headers.get('x-hint'), 'earlier')
  const { trace_id, ...body } = answer.body
  t.regex(String(trace_id), /^[0-9a-f]{32}$/)
  t.deepEqual(body, {
    type: 'https://api.example.com/problems#too-late',
    title: 'It is too late',
    status: 410,
    detail: 'By a day',
    instance: '/path',
    errors,
  })
  t.like(logged[0], { level: 'info', trace_id, status: 410, problem: 'too-late', path: '/path' })
  t.notRegex(JSON.stringify(logged), /secret/)
})

test('a foreign error counts only when it says that it is meant for the caller', async (t) => {
  const throwing = (error: object) => () => {
    throw error
  }
  const meant = Object.assign(new Error('Slow down'), { status: 403, expose: true, headers: { 'x-a': 'b' } })
  const first = await answerOf(t, throwing(meant))
  t.like(first.answer.body, { status: 403, detail: 'Slow down', type: 'https://api.example.com/problems#forbidden' })
  t.is(first.answer.headers.get('x-a'), 'b')

  for (const inner of [
    Object.assign(new Error('row 7 of users'), { status: 403 }),
    Object.assign(new Error('row 7 of users'), { status: 403, expose: false }),
    Object.assign(new Error('row 7 of users'), { status: 200, expose: true }),
    Object.assign(new Error('row 7 of users'), { expose: true }),
    new Error('row 7 of users'),
    { toString: () => 'row 7 of users' },
  ]) {
    const { answer, logged } = await answerOf(t, throwing(inner))
    t.is(answer.status, 500)
    t.deepEqual(Object.keys(answer.body).toSorted(), ['instance', 'status', 'title', 'trace_id', 'type'])
    t.like(logged[0], { level: 'error', trace_id: answer.body.trace_id })
  }
})

test('what a handler had said before it failed is not said', async (t) => {
  const { answer } = await answerOf(t, (ctx) => {
    ctx.status = 201
    ctx.set({ etag: '"1"', location: '/made', 'content-type': 'text/csv' })
    ctx.body = 'half'
    throw new Problem('forbidden', commonProblems.forbidden)
  })
  t.is(answer.status, 403)
  t.deepEqual([answer.headers.get('etag'), answer.headers.get('location')], [null, null])
  t.is(answer.headers.get('content-type'), 'application/problem+json')
})

test('what is left unanswered is a problem with the headers that were set', async (t) => {
  const { answer } = await answerOf(t, (ctx) => {
    ctx.status = 405
    ctx.set('allow', 'GET')
  })
  t.like(answer.body, { status: 405, type: 'https://api.example.com/problems#method-not-allowed' })
  t.is(answer.headers.get('allow'), 'GET')
  t.is((await answerOf(t, () => undefined)).answer.status, 404)
})

test('what the edge of a server refuses below an API is a problem there, and stays what it is elsewhere', async (t) => {
  const refuse: Middleware = (ctx) => {
    ctx.status = 414
    ctx.body = { error: 'invalid_request', error_description: 'the URL is too long' }
  }
  const inside = await answerOf(t, refuse, (rendering) => problemsBelow('/path', rendering))
  t.like(inside.answer.body, {
    type: 'https://api.example.com/problems#uri-too-long',
    detail: 'the URL is too long',
    status: 414,
  })
  t.is(inside.answer.headers.get('content-type'), 'application/problem+json')
  const outside = await answerOf(t, refuse, (rendering) => problemsBelow('/pa', rendering))
  t.like(outside.answer.body, { error: 'invalid_request' })
})

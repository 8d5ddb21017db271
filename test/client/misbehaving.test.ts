/** The client against a real server that breaks off, hangs, refuses, or answers nonsense. */
import test from 'ava'
import { systemClock } from '../../src/client/clock.ts'
import {
  DeadlineError,
  NetworkError,
  ProblemError,
  UnexpectedAnswerError,
  type PlainRequest,
} from '../../src/client/index.ts'
import { freePort } from '../support/free-port.ts'
import { answer, clientOf, drip, half, halfChunked, hang, misbehavingServer, ok, reset } from './misbehaving-server.ts'

const READ: PlainRequest = { method: 'GET', path: '/users/usr_1' }
const CREATE: PlainRequest = { method: 'POST', path: '/users', body: { name: 'Alice' } }
const UNKEYED: PlainRequest = { ...CREATE, idempotencyKey: false }
const CHANGE: PlainRequest = { method: 'PATCH', path: '/users/usr_1', body: { name: 'Bob' }, ifMatch: '"7"' }
const REPLACE: PlainRequest = { ...CHANGE, method: 'PUT' }
const REMOVE: PlainRequest = { method: 'DELETE', path: '/users/usr_1' }
const LIMITED = { type: 'https://x.example/problems#rate-limited', title: 'Too many requests', status: 429 }

for (const [name, fault] of Object.entries({ reset, half: half(), halfChunked })) {
  test(`${name}: what can be repeated without harm is, until it succeeds`, async (t) => {
    for (const call of [READ, CREATE, REPLACE, REMOVE]) {
      const { url, seen } = await misbehavingServer(t, fault, fault, ok)
      const { client, clock } = clientOf(url)
      const { body, etag } = await client.request(call)
      t.deepEqual([body, etag], [{ id: 'usr_1', name: 'Alice' }, '"7"'])
      t.is(seen.length, 3)
      t.deepEqual(clock.slept, [50, 100], 'half of 100 ms, then of 200 ms')
      t.is(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size, 1, 'one key for all tries')
    }
  })

  test(`${name}: what may have been done already is not sent again`, async (t) => {
    for (const call of [UNKEYED, CHANGE]) {
      const { url, seen } = await misbehavingServer(t, fault, ok)
      const error = await t.throwsAsync(clientOf(url).client.request(call), { instanceOf: NetworkError })
      t.true(error.sent)
      t.is(seen.length, 1)
    }
  })
}

test('where nothing listens every call may be tried again, and the error says that nothing was sent', async (t) => {
  for (const call of [READ, CHANGE, UNKEYED]) {
    const { client, clock } = clientOf(`http://localhost:${await freePort()}`)
    const error = await t.throwsAsync(client.request(call), { instanceOf: NetworkError, message: /ECONNREFUSED/ })
    t.false(error.sent)
    t.deepEqual(clock.slept, [50, 100, 200])
  }
})

test('a hanging or dripping server is given up after the time of a try, and tried again', async (t) => {
  for (const fault of [hang, drip]) {
    const { url, seen } = await misbehavingServer(t, fault, ok)
    t.is((await clientOf(url, { tryTimeoutMs: 400 }).client.request(READ)).status, 200)
    t.true(seen.length >= 2)
  }
})

test('the deadline bounds everything: tries, waiting, and the last try too', async (t) => {
  const { url } = await misbehavingServer(t, hang)
  const { client } = clientOf(url, { clock: systemClock, tryTimeoutMs: 60, deadlineMs: 150, retries: 100 })
  const began = performance.now()
  const error = await t.throwsAsync(client.request(READ))
  t.true(error instanceof DeadlineError || error instanceof NetworkError)
  const took = performance.now() - began
  t.true(took < 2500, `${took} ms`)

  const short = clientOf(url, { clock: systemClock })
  await t.throwsAsync(short.client.request({ ...READ, deadlineMs: 80 }), { instanceOf: DeadlineError })
})

test('an abort ends a call that waits for an answer, with the reason of the one who aborted', async (t) => {
  const reason = new Error('the user went away')
  const stop = new AbortController()
  const { url, seen } = await misbehavingServer(t, () => stop.abort(reason))
  const { client } = clientOf(url)
  t.is(await t.throwsAsync(client.request({ ...CREATE, signal: stop.signal })), reason)
  t.is(await t.throwsAsync(client.request({ ...READ, signal: stop.signal })), reason)
  t.is(seen.length, 1)
})

test('an abort ends a call that waits for its next try, and one for the whole client ends all', async (t) => {
  const { url } = await misbehavingServer(t, answer(503, undefined, { 'retry-after': '20' }))
  const stop = new AbortController()
  const { client } = clientOf(url, { clock: systemClock, signal: stop.signal })
  const calls = [READ, CHANGE].map((call) => t.throwsAsync(client.request(call), { name: 'AbortError' }))
  setTimeout(() => stop.abort(), 50)
  const errors = await Promise.all(calls)
  t.is(errors.length, 2)
})

test('429 with Retry-After in seconds is waited for, by every method', async (t) => {
  for (const call of [READ, CREATE, UNKEYED, CHANGE, REPLACE, REMOVE]) {
    const { url, seen } = await misbehavingServer(t, answer(429, LIMITED, { 'retry-after': '7' }), ok)
    const { client, clock } = clientOf(url)
    t.is((await client.request(call)).status, 200)
    t.deepEqual(clock.slept, [7050])
    t.is(seen.length, 2)
  }
})

test('Retry-After as a date is held against the clock of the server', async (t) => {
  const wrongBy = 86_400_000
  const headers = {
    date: new Date(Date.UTC(2030, 0, 1) + wrongBy).toUTCString(),
    'retry-after': new Date(Date.UTC(2030, 0, 1) + wrongBy + 9_000).toUTCString(),
  }
  for (const status of [429, 503]) {
    const { url } = await misbehavingServer(t, answer(status, undefined, headers), ok)
    const { client, clock } = clientOf(url)
    t.is((await client.request(CHANGE)).status, 200)
    t.deepEqual(clock.slept, [9050])
  }
})

test('a Retry-After beyond the deadline ends the call at once, and the error says when to come back', async (t) => {
  const { url, seen } = await misbehavingServer(t, answer(429, LIMITED, { 'retry-after': '60' }))
  const { client, clock } = clientOf(url)
  const error = await t.throwsAsync(client.request(READ), { instanceOf: ProblemError })
  t.like(error, { code: 'rate-limited', status: 429, retryAfter: 60, message: 'Too many requests' })
  t.is(seen.length, 1)
  t.deepEqual(clock.slept, [])
})

test('which statuses are tried again depends on what a repetition could do', async (t) => {
  const tries = async (status: number, call: PlainRequest) => {
    const { url, seen } = await misbehavingServer(t, answer(status, undefined), ok)
    await clientOf(url)
      .client.request(call)
      .catch(() => undefined)
    return seen.length
  }
  for (const status of [408, 425, 429, 500, 502, 503, 504]) {
    for (const call of [READ, CREATE, REPLACE, REMOVE]) t.is(await tries(status, call), 2, `${status} ${call.method}`)
    for (const call of [CHANGE, UNKEYED]) {
      t.is(await tries(status, call), status === 429 || status === 503 ? 2 : 1, `${status} ${call.method}`)
    }
  }
  for (const status of [400, 403, 404, 409, 410, 412, 422, 501]) t.is(await tries(status, CREATE), 1, String(status))
})

test('a request whose first try is still under way on the server waits for its answer', async (t) => {
  const inFlight = answer(409, { type: 'https://x.example/problems#idempotency-in-flight' }, { 'retry-after': '1' })
  const { url, seen } = await misbehavingServer(t, reset, inFlight, answer(201, { id: 'usr_2' }))
  t.is((await clientOf(url).client.request(CREATE)).status, 201)
  t.is(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size, 1)
})

test('a refusal that may be the echo of an own success says so', async (t) => {
  for (const [call, status] of [
    [REPLACE, 412],
    [REMOVE, 404],
  ] as const) {
    const broken = await misbehavingServer(t, reset, answer(status, undefined))
    const afterReset = await t.throwsAsync(clientOf(broken.url).client.request(call), { instanceOf: ProblemError })
    t.like(afterReset, { status, mayHaveSucceeded: true })
    const whole = await misbehavingServer(t, answer(429), answer(status, undefined))
    const afterLimit = await t.throwsAsync(clientOf(whole.url).client.request(call), { instanceOf: ProblemError })
    t.like(afterLimit, { status, mayHaveSucceeded: false })
  }
})

test('a server that stays down is not hammered: repetitions are a tenth of the calls, once the free ones are used up', async (t) => {
  const { url, seen } = await misbehavingServer(t, answer(503))
  const { client } = clientOf(url, { freeRetries: 4, clock: { now: () => 0, sleep: () => Promise.resolve() } })
  for (let i = 0; i < 60; i++) await t.throwsAsync(client.request(READ), { instanceOf: ProblemError })
  const most = 60 + 4 + 6
  t.true(seen.length > 60 && seen.length <= most, String(seen.length))
})

test('an HTML page instead of a problem is an error of its status, and no more', async (t) => {
  const page = answer(502, '<html><h1>Bad Gateway</h1></html>', { 'content-type': 'text/html' })
  const { url } = await misbehavingServer(t, page)
  const error = await t.throwsAsync(clientOf(url, { retries: 0 }).client.request(READ), { instanceOf: ProblemError })
  t.like(error, { type: 'about:blank', code: 'http-502', status: 502, detail: undefined })
})

test('the status of a refusal counts even when its body breaks off', async (t) => {
  const { url } = await misbehavingServer(t, half(404))
  const error = await t.throwsAsync(clientOf(url).client.request(CHANGE), { instanceOf: ProblemError })
  t.is(error.code, 'http-404')
})

test('a success that is no JSON, or too large, is an error and not tried again', async (t) => {
  for (const step of [
    answer(200, '{"id": '),
    answer(200, '<html>welcome</html>', { 'content-type': 'text/html' }),
    answer(200, { text: 'x'.repeat(3000) }),
    answer(304),
  ]) {
    const { url, seen } = await misbehavingServer(t, step)
    const { client } = clientOf(url, { mostBytes: 2000 })
    await t.throwsAsync(client.request(READ), { instanceOf: UnexpectedAnswerError })
    t.is(seen.length, 1)
  }
})

test('a redirect is never followed: the credentials go to nobody else', async (t) => {
  const other = await misbehavingServer(t, ok)
  for (const status of [301, 302, 303, 307, 308]) {
    const { url } = await misbehavingServer(t, answer(status, undefined, { location: `${other.url}/steal` }))
    for (const call of [READ, CREATE]) {
      const error = await t.throwsAsync(clientOf(url).client.request(call), { instanceOf: UnexpectedAnswerError })
      t.true(error.message.includes(other.url))
    }
  }
  t.deepEqual(other.seen, [])
})

/** What an API that follows events refuses before it expires, and what becomes of it when the events stop. */
import test, { type ExecutionContext } from 'ava'
import {
  createRevocationList,
  createTokenVerifier,
  TokenError,
  type FollowFrom,
  type RevocationEvent,
  type RevocationListOptions,
} from '../../src/resource-server/index.ts'
import { createRevoked, type RevocableToken } from '../../src/resource-server/revoked.ts'
import { startFakeIssuer } from '../support/fake-issuer.ts'
import { fc } from '../support/property.ts'

const T0 = Date.UTC(2030, 0, 1)
const at = (seconds: number) => new Date(T0 + seconds * 1000)

function event(type: string, seconds: number, about: Partial<RevocationEvent> = {}): RevocationEvent {
  return { type, at: at(seconds).toISOString(), subject: null, user_id: null, client_id: null, data: {}, ...about }
}

function token(issued: number, about: Partial<RevocableToken> = {}): RevocableToken {
  return { subject: 'usr_ada', clientId: 'cli_app', grantId: 'laptop', tokenId: 'jti', issuedAt: at(issued), ...about }
}

/** A memory of five minutes. */
function memory(...events: RevocationEvent[]) {
  let time = T0
  const revoked = createRevoked({ keepMs: 300_000, now: () => time })
  for (const one of events) {
    time = Math.max(time, Date.parse(one.at))
    revoked.hear(one)
  }
  return { ...revoked, pass: (seconds: number) => (time = T0 + seconds * 1000) }
}

const FAMILY_ENDS = ['grant.revoked', 'refresh_token.reuse_detected', 'authorization_code.reuse_detected']
for (const type of FAMILY_ENDS) {
  test(`after ${type} the tokens of that family end, and of no other`, (t) => {
    const { has } = memory(event(type, 10, { subject: 'phone', user_id: 'usr_ada', client_id: 'cli_app' }))
    t.true(has(token(5, { grantId: 'phone' })))
    t.true(has(token(15, { grantId: 'phone' })), 'a request that was under way may get one yet')
    t.false(has(token(5)))
    t.false(has(token(5, { grantId: undefined })))
  })
}

test('of a token that was revoked alone no other ends, nor does one that the event does not name', (t) => {
  const own = { subject: 'cli_app', grantId: undefined }
  const about = { subject: 'cli_app', client_id: 'cli_app' }
  const { has } = memory(event('token.revoked', 10, { ...about, data: { token_id: 'jti', grant_id: null } }))
  t.deepEqual([has(token(5, own)), has(token(5, { ...own, tokenId: 'other' }))], [true, false])
  t.false(memory(event('token.revoked', 10, about)).has(token(5, own)))
})

test('what a person took back ends for that client, and what they allow afterwards is good', (t) => {
  const { has } = memory(
    event('consent.withdrawn', 10, { subject: 'cli_app', user_id: 'usr_ada', client_id: 'cli_app' }),
  )
  t.true(has(token(9)))
  t.true(has(token(10)))
  t.false(has(token(11)))
  t.false(has(token(9, { clientId: 'cli_other' })))
  t.false(has(token(9, { subject: 'usr_eve' })))
})

test('of a changed password and of signing out, what was issued before ends', (t) => {
  for (const type of ['user.password_changed', 'user.signed_out']) {
    const { has } = memory(event(type, 10, { subject: 'usr_ada', user_id: 'usr_ada' }))
    t.deepEqual(
      [9, 10, 11].map((issued) => has(token(issued))),
      [true, true, false],
      type,
    )
    t.false(has(token(9, { subject: 'usr_eve' })))
  }
})

for (const [noun, subject, about] of [
  ['user', 'usr_ada', {}],
  ['client', 'cli_app', {}],
  ['client', 'cli_app', { subject: 'cli_app', grantId: undefined }],
] as const) {
  test(`a ${noun} that is disabled or deleted has no tokens (${about.subject ?? 'of people'}); once enabled, new ones`, (t) => {
    const disabled = event(`${noun}.disabled`, 10, { subject })
    t.deepEqual(
      [5, 15].map((issued) => memory(disabled).has(token(issued, about))),
      [true, true],
    )
    t.true(memory(event(`${noun}.deleted`, 10, { subject })).has(token(15, about)))
    const { has } = memory(disabled, event(`${noun}.enabled`, 20, { subject }))
    t.deepEqual(
      [5, 15, 20, 21].map((issued) => has(token(issued, about))),
      [true, true, true, false],
    )
    t.false(has(token(5, { subject: 'usr_eve', clientId: 'cli_other', grantId: undefined })))
  })
}

test('other events, and names that any object has, end nothing', (t) => {
  const about = { subject: 'usr_ada', user_id: 'usr_ada', client_id: 'cli_app' }
  for (const type of [
    'user.updated',
    'user.created',
    'token.issued',
    'session.ended',
    'constructor',
    '__proto__',
    '',
  ]) {
    const { has, size } = memory(event(type, 10, about), event(type, 10, { subject: 'laptop' }))
    t.false(has(token(5)), type)
    t.is(size(), 0)
  }
})

test('what no living token can meet is forgotten', (t) => {
  const many = Array.from({ length: 1000 }, (_, index) => event('grant.revoked', index, { subject: `grant${index}` }))
  const known = memory(...many)
  t.is(known.size(), 300, 'of the last five minutes')
  known.pass(2000)
  known.forget()
  t.is(known.size(), 0)
})

test('events that are told again change nothing', (t) => {
  const types = ['user.disabled', 'user.enabled', 'user.password_changed', 'user.signed_out', 'user.deleted']
  const history = fc.array(fc.constantFrom(...types), { minLength: 1, maxLength: 8 })
  const property = fc.property(history, fc.nat({ max: 10 }), fc.nat({ max: 8 }), (names, issued, again) => {
    const events = names.map((type, index) => event(type, index, { subject: 'usr_ada' }))
    const [once, twice] = [memory(...events), memory(...events, ...events.slice(-again))]
    return once.has(token(issued)) === twice.has(token(issued))
  })
  fc.assert(property)
  t.pass()
})

/** A list whose events the test tells. */
function list(t: ExecutionContext, options: Partial<RevocationListOptions> = {}) {
  let time = T0
  const followed: Following[] = []
  const arrived = { wake: () => undefined as void }
  const revocations = createRevocationList({
    follow: (from) => {
      const following = createFollowing(from)
      followed.push(following)
      arrived.wake()
      return following.events
    },
    retentionSeconds: 300,
    now: () => time,
    ...options,
  })
  t.teardown(() => revocations.stop())
  const nth = async (count: number) => {
    while (followed.length < count) await new Promise<void>((resolve) => (arrived.wake = resolve))
    return followed[count - 1]!
  }
  return { revocations, nth, pass: (seconds: number) => (time = T0 + seconds * 1000) }
}

type Following = ReturnType<typeof createFollowing>

function createFollowing(from: FollowFrom) {
  const queue: (() => IteratorResult<{ cursor: string; event: RevocationEvent }>)[] = []
  let wake: () => void = () => undefined
  from.signal.addEventListener('abort', () => push(() => ({ done: true, value: undefined })))
  function push(step: (typeof queue)[number]): void {
    queue.push(step)
    wake()
  }
  async function next() {
    while (queue.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return queue.shift()!()
  }
  return {
    from,
    events: { [Symbol.asyncIterator]: () => ({ next }) },
    tell: (cursor: string, told: RevocationEvent) => push(() => ({ done: false, value: { cursor, event: told } })),
    break: (error: Error) =>
      push(() => {
        throw error
      }),
  }
}

test('it begins with what tokens of now may have met, and is ready when it knows all of that', async (t) => {
  const { revocations, nth, pass } = list(t)
  const first = await nth(1)
  t.deepEqual(first.from.since, at(-360))
  t.deepEqual([revocations.lagSeconds(), revocations.isLive()], [Number.POSITIVE_INFINITY, false])
  first.tell('7', event('grant.revoked', -5, { subject: 'laptop' }))
  await new Promise((resolve) => setImmediate(resolve))
  first.from.onCursor('7', { live: false })
  t.false(revocations.isLive())
  first.from.onCursor('8', { live: true })
  await revocations.ready()
  t.deepEqual([revocations.lagSeconds(), revocations.isLive()], [0, true])
  t.is(revocations.check(token(-10)), 'revoked')
  pass(61)
  t.deepEqual([revocations.lagSeconds(), revocations.isLive()], [61, false])
})

test('after a break it goes on behind the last cursor; where that does not go on, it begins anew', async (t) => {
  const warnings: string[] = []
  const { revocations, nth } = list(t, { log: { warn: (_, text) => void warnings.push(text) } })
  const first = await nth(1)
  first.from.onCursor('7', { live: true })
  first.break(new Error('gone'))
  const second = await nth(2)
  t.deepEqual([second.from.after, second.from.since], ['7', undefined])
  second.break(new Error('410'))
  const third = await nth(3)
  t.deepEqual([third.from.after, third.from.since], [undefined, at(-360)])
  third.tell('9', event('grant.revoked', 0, { subject: 'laptop' }))
  third.from.onCursor('9', { live: true })
  await new Promise((resolve) => setImmediate(resolve))
  t.is(revocations.check(token(0)), 'revoked')
  t.is(warnings.length, 2)
})

test('while it is behind, tokens pass as without it; or are refused with 503 where that was asked for', async (t) => {
  const audience = 'https://orders.example.com'
  const issuer = await startFakeIssuer({ audience })
  t.teardown(() => issuer.stop())
  const [good, ended] = [await issuer.accessToken(), await issuer.accessToken({ claims: { grant_id: 'phone' } })]
  for (const whenBehind of ['accept', 'refuse'] as const) {
    const { revocations, nth, pass } = list(t, { whenBehind })
    const verifier = createTokenVerifier({ issuer: issuer.url, audience, revocations })
    const outcome = (value: string) =>
      verifier.verify(value).then(
        () => 200,
        (error: unknown) => (error instanceof TokenError ? error.status : error),
      )
    const otherwise = whenBehind === 'accept' ? 200 : 503
    t.is(await outcome(good), otherwise, 'before anything is known')
    const { tell, from } = await nth(1)
    tell('7', event('grant.revoked', 0, { subject: 'phone' }))
    from.onCursor('7', { live: true })
    await revocations.ready()
    t.deepEqual([await outcome(good), await outcome(ended)], [200, 401])
    pass(120)
    t.deepEqual([await outcome(good), await outcome(ended)], [otherwise, 401], 'what is known stays known')
  }
  const { revocations } = list(t)
  await revocations.stop()
  await t.throwsAsync(revocations.ready(), { message: /stopped/ })
})

test('a refusal for revocation is 401 invalid_token with a challenge, before scopes are looked at', async (t) => {
  const audience = 'https://orders.example.com'
  const issuer = await startFakeIssuer({ audience })
  t.teardown(() => issuer.stop())
  const verifier = createTokenVerifier({ issuer: issuer.url, audience, revocations: { check: () => 'revoked' } })
  const verifying = verifier.verify(await issuer.accessToken(), { scope: 'orders:delete' })
  const error = await t.throwsAsync(verifying, { instanceOf: TokenError })
  t.deepEqual([error?.status, error?.error], [401, 'invalid_token'])
  t.regex(error?.challenge ?? '', /error="invalid_token".*revoked/)
  t.throws(() => createRevocationList({ follow: () => [] as never, retentionSeconds: 0 }), { instanceOf: TypeError })
})

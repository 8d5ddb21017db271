import { hash as argon2Hash } from 'argon2'
import { networkOf } from '../../src/lib/network.ts'
import test from 'ava'
import type { Knex } from 'knex'
import type pg from 'pg'
import { disableUser } from '../../src/registry/users/disable.ts'
import { createPasswordHasher, HasherBusyError, type PasswordHasher } from '../../src/registry/users/password.ts'
import { setPassword } from '../../src/registry/users/set-password.ts'
import { checkPassword, signIn, type SignInResult } from '../../src/registry/users/sign-in.ts'
import { createLoginThrottle } from '../../src/registry/users/throttle.ts'
import { testDatabase } from '../support/database.ts'
import { events, hasher, OTHER_PASSWORD, PASSWORD, person, waitingForLocks } from './people.ts'

const ADDRESS = '192.0.2.7'
const throttle = createLoginThrottle()
const WRONG = 'not the password at all'

/** Counts what is asked of the slow hash, and answers fast. */
function countingHasher(right = PASSWORD): PasswordHasher & { calls: string[] } {
  const calls: string[] = []
  return {
    calls,
    hash: async () => (calls.push('hash'), 'hash'),
    verify: async (hash, password) => {
      calls.push('verify')
      return { valid: hash != null && password === right, needsRehash: false }
    },
  }
}

function attempt(pool: pg.Pool, login: string, password: string, address = ADDRESS): Promise<SignInResult> {
  return signIn(pool, { hasher: countingHasher(), throttle }, { login, password, address })
}

async function attempts(
  pool: pg.Pool,
  count: number,
  login: string,
  address?: (n: number) => string,
): Promise<string[]> {
  const outcomes: string[] = []
  for (let n = 0; n < count; n += 1) outcomes.push((await attempt(pool, login, WRONG, address?.(n))).outcome)
  return outcomes
}

/** Goes on failing after the first block, until one of half a minute stands: long enough for any test. */
async function deepen(knex: Knex, fail: () => Promise<SignInResult>): Promise<string[]> {
  const outcomes: string[] = []
  for (const wait of [2, 4, 8, 16]) {
    await pass(knex, wait)
    outcomes.push((await fail()).outcome)
  }
  return outcomes
}

/** Moves every counter into the past, as if so much time had gone by. */
async function pass(knex: Knex, seconds: number): Promise<void> {
  await knex.raw(
    `update login_throttles set last_failure_at = last_failure_at - make_interval(secs => :seconds),
      blocked_until = blocked_until - make_interval(secs => :seconds)`,
    { seconds },
  )
}

test('the right password opens the account, by username and by e-mail address', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada', email: 'ada@example.com' })
  for (const login of ['ada', 'ADA', ' Ada@Example.com']) {
    t.deepEqual(await signIn(pool, { hasher, throttle }, { login, password: PASSWORD, address: ADDRESS }), {
      outcome: 'ok',
      user: ada,
    })
  }
  t.is((await events(knex, 'login.failed')).length, 0)
})

test("a disabled user's sign-in is indistinguishable from a wrong password and from an unknown account", async (t) => {
  const { knex, pool } = await testDatabase(t)
  await person(knex, { username: 'ada' })
  const bob = await person(knex, { username: 'bob' })
  await disableUser(knex, { userId: bob.id, actor: 'cli' })
  const attempted: [string, string][] = [
    ['ada', WRONG],
    ['bob', PASSWORD],
    ['bob', WRONG],
    ['nobody', PASSWORD],
    ['nobody@example.com', WRONG],
    ['\0', WRONG],
    ["' or 1=1 --", WRONG],
    ['ada', 'x'.repeat(100_000)],
  ]
  const traces: unknown[] = []
  for (const [login, password] of attempted) {
    const counting = countingHasher()
    const queries: string[] = []
    const query = (config: pg.QueryConfig) => (queries.push(config.text), pool.query(config))
    const watched = { query } as unknown as pg.Pool
    const result = await signIn(watched, { hasher: counting, throttle }, { login, password, address: ADDRESS })
    traces.push({ result, calls: counting.calls, queries })
  }
  t.like(traces[0], { result: { outcome: 'wrong' }, calls: ['verify'] })
  for (const [index, trace] of traces.entries()) t.deepEqual(trace, traces[0], attempted[index]?.join(' '))
})

test.serial('an unknown account takes as long as a known one', async (t) => {
  const { knex, pool } = await testDatabase(t)
  await person(knex, { username: 'ada' })
  const patient = createLoginThrottle({
    account: { free: 1000, forgetSeconds: 900, drainSeconds: Infinity },
    address: { free: 1000, forgetSeconds: 900, drainSeconds: Infinity },
  })
  const samples: Record<'ada' | 'nobody', number[]> = { ada: [], nobody: [] }
  for (let round = 0; round < 15; round += 1) {
    for (const login of ['ada', 'nobody'] as const) {
      const before = process.cpuUsage()
      await signIn(pool, { hasher, throttle: patient }, { login, password: WRONG, address: ADDRESS })
      const { user, system } = process.cpuUsage(before)
      samples[login].push(user + system)
    }
  }
  // The least of several is what the work takes; more is what others do to the memory meanwhile.
  const [known, unknown] = [Math.min(...samples.ada), Math.min(...samples.nobody)]
  t.true(Math.abs(unknown / known - 1) < 0.15, `${unknown} µs against ${known} µs`)
})

test('blocks tell nothing either: an account that does not exist is slowed like one that does', async (t) => {
  const { knex, pool } = await testDatabase(t)
  await person(knex, { username: 'ada' })
  for (const login of ['ada', 'nobody']) {
    t.deepEqual(await attempts(pool, 6, login), Array(6).fill('wrong'))
    t.deepEqual(await deepen(knex, () => attempt(pool, login, WRONG)), Array(4).fill('wrong'))
    t.deepEqual(await attempts(pool, 3, login), Array(3).fill('throttled'))
  }
})

test('five failures are free; then each costs twice the wait of the one before, up to five minutes', async (t) => {
  const { knex, pool } = await testDatabase(t)
  t.deepEqual(await attempts(pool, 5, 'ada'), Array(5).fill('wrong'))
  for (const wait of [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]) {
    t.deepEqual(await attempts(pool, 1, 'ada'), ['wrong'])
    t.is(await longestBlock(knex), wait)
    // The first waits are short enough for a slow machine to sit them out.
    if (wait >= 16) {
      const refused = await attempt(pool, 'ada', PASSWORD)
      if (refused.outcome !== 'throttled') return t.fail(`${refused.outcome} in a block of ${wait} s`)
      t.true(refused.retryAfterSeconds <= wait && refused.retryAfterSeconds > wait - 10, String(wait))
    }
    await pass(knex, wait)
  }
})

test('while a block lasts the right password does not open either, and knocking does not prolong it', async (t) => {
  const { knex, pool } = await testDatabase(t)
  await person(knex, { username: 'ada' })
  await attempts(pool, 6, 'ada')
  await deepen(knex, () => attempt(pool, 'ada', WRONG))
  const counting = countingHasher()
  const deps = { hasher: counting, throttle }
  for (let n = 0; n < 20; n += 1) {
    const result = await signIn(pool, deps, { login: 'ada', password: PASSWORD, address: ADDRESS })
    t.is(result.outcome, 'throttled')
  }
  t.deepEqual(counting.calls, [])
  await pass(knex, 32)
  t.is((await attempt(pool, 'ada', PASSWORD)).outcome, 'ok')
})

test('twenty parallel guesses count as twenty', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const roomy = createLoginThrottle({ account: { free: 50, forgetSeconds: 900, drainSeconds: Infinity } })
  const guesses = Array.from({ length: 20 }, () =>
    signIn(pool, { hasher: countingHasher(), throttle: roomy }, { login: 'ada', password: WRONG, address: ADDRESS }),
  )
  t.true((await Promise.all(guesses)).every(({ outcome }) => outcome === 'wrong'))
  t.deepEqual(await knex('login_throttles').pluck('failures'), [20, 20])
})

test('of twenty guesses at a slowed account in the same moment one is looked at', async (t) => {
  const { knex, pool } = await testDatabase(t, { poolMax: 25 })
  await attempts(pool, 6, 'ada', () => '203.0.113.1')
  await deepen(knex, () => attempt(pool, 'ada', WRONG, '203.0.113.1'))
  await pass(knex, 32)
  const counting = countingHasher()
  const held = await knex.transaction()
  await held('login_throttles').forUpdate()
  const guesses = Array.from({ length: 20 }, (_, n) =>
    signIn(pool, { hasher: counting, throttle }, { login: 'ada', password: WRONG, address: `198.51.100.${n}` }),
  )
  // All have looked and seen no block before the first is counted.
  await waitingForLocks(knex, 20)
  await held.commit()
  const outcomes = (await Promise.all(guesses)).map(({ outcome }) => outcome)
  t.is(outcomes.filter((outcome) => outcome === 'throttled').length, 19)
  t.deepEqual(counting.calls, ['verify'])
  t.deepEqual(
    await knex('login_throttles').where('failures', '>', 0).orderBy('failures').pluck('failures'),
    [1, 10, 11],
    'what was refused has cost its address nothing',
  )
})

test('guesses at many accounts from one address are slowed after fifty, and from the next address they are not', async (t) => {
  const { knex, pool } = await testDatabase(t)
  for (let n = 0; n < 50; n += 1) t.is((await attempt(pool, `user${n}`, WRONG)).outcome, 'wrong')
  t.is(await longestBlock(knex), 0)
  t.is((await attempt(pool, 'user50', WRONG)).outcome, 'wrong')
  t.is(await longestBlock(knex), 2)
  await deepen(knex, () => attempt(pool, 'user51', WRONG))
  t.is((await attempt(pool, 'user99', WRONG)).outcome, 'throttled')
  t.is((await attempt(pool, 'user99', WRONG, '192.0.2.8')).outcome, 'wrong')
})

test('an IPv6 customer is one address, whatever the last 64 bits, and IPv4 is the same in any dress', (t) => {
  t.is(networkOf('2001:db8:1:2::1'), networkOf('2001:0DB8:1:2:ffff:1:2:3'))
  t.not(networkOf('2001:db8:1:2::1'), networkOf('2001:db8:1:3::1'))
  t.is(networkOf('::ffff:192.0.2.7'), '192.0.2.7')
  t.is(networkOf('::ffff:c000:207'), '192.0.2.7')
  t.is(networkOf('fe80::1%eth0'), networkOf('fe80::2'))
  t.is(networkOf('::1'), '0:0:0:0::/64')
  t.is(networkOf('2001:db8::'), '2001:db8:0:0::/64')
  t.is(networkOf('nonsense'), 'nonsense')
})

test('success forgets the failures of the account, and gives the address back only what it cost', async (t) => {
  const { knex, pool } = await testDatabase(t)
  await person(knex, { username: 'ada' })
  for (let n = 0; n < 5; n += 1) await attempt(pool, `user${n}`, WRONG)
  for (let round = 0; round < 3; round += 1) {
    t.deepEqual(await attempts(pool, 4, 'ada'), Array(4).fill('wrong'))
    t.is((await attempt(pool, 'ada', PASSWORD)).outcome, 'ok')
  }
  const counters = await knex('login_throttles').orderBy('failures').pluck('failures')
  t.deepEqual(counters, [1, 1, 1, 1, 1, 5 + 12])
})

test('an account that was slowed is free again after a quarter of an hour of quiet, and not sooner', async (t) => {
  const { knex, pool } = await testDatabase(t)
  await attempts(pool, 6, 'ada')
  await deepen(knex, () => attempt(pool, 'ada', WRONG))
  await pass(knex, 890)
  t.is((await attempt(pool, 'ada', WRONG)).outcome, 'wrong')
  t.is(await longestBlock(knex), 64)
  await pass(knex, 901)
  t.deepEqual(await attempts(pool, 5, 'ada'), Array(5).fill('wrong'))
  t.is(await longestBlock(knex), 0)
})

test('behind one address, mistakes that come now and then do not add up', async (t) => {
  const { knex, pool } = await testDatabase(t)
  for (let n = 0; n < 120; n += 1) {
    t.is((await attempt(pool, `user${n}`, WRONG)).outcome, 'wrong')
    await pass(knex, 60)
  }
})

test('failures are told with address and account but never with what was typed; a block is told when it begins', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  await attempts(pool, 6, 'ada')
  await deepen(knex, () => attempt(pool, 'ada', WRONG))
  await attempts(pool, 20, 'ada')
  await attempt(pool, 'my secret typed in the wrong field', WRONG)
  const log = (await events(knex)).filter(({ type }) => type.startsWith('login.'))
  const [failed, throttled] = [`login.failed ${ada.id}`, `login.throttled ${ada.id}`]
  t.deepEqual(
    log.map(({ type, user_id }) => `${type} ${user_id}`),
    [
      ...Array<string>(5).fill(failed),
      ...Array.from({ length: 5 }, () => [failed, throttled]).flat(),
      'login.failed null',
    ],
  )
  t.deepEqual(log[6]?.data, { address: ADDRESS, by: 'account', seconds: 2 })
  t.notRegex(JSON.stringify(log), /secret|not the password/)
})

test('a hash of a lesser cost is made anew when its password opens', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  const weak = await argon2Hash(PASSWORD, { memoryCost: 1024, timeCost: 2, parallelism: 1 })
  await knex('users').where({ id: ada.id }).update({ password_hash: weak })
  const open = () => signIn(pool, { hasher, throttle }, { login: 'ada', password: PASSWORD, address: ADDRESS })
  // Both find the old hash, and only one of them can replace it.
  for (const { outcome } of await Promise.all([open(), open()])) t.is(outcome, 'ok')
  const [fresh] = await knex('users').pluck('password_hash')
  t.regex(fresh, /m=19456,t=2,p=1/)
  t.is((await open()).outcome, 'ok')
  t.is((await knex('users').first()).version, ada.version)
})

test('a password that is changed while its check runs opens nothing, nor does an account that is shut meanwhile', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  const bob = await person(knex, { username: 'bob' })
  const meanwhile = {
    ada: () => setPassword(knex, { hasher }, { userId: ada.id, password: OTHER_PASSWORD, actor: 'cli' }),
    bob: () => disableUser(knex, { userId: bob.id, actor: 'cli' }),
  }
  for (const login of ['ada', 'bob'] as const) {
    let checked = 0
    const slow: PasswordHasher = {
      ...hasher,
      verify: async (hash, password) => {
        const answer = await hasher.verify(hash, password)
        if ((checked += 1) === 1) await meanwhile[login]()
        return answer
      },
    }
    const result = await signIn(pool, { hasher: slow, throttle }, { login, password: PASSWORD, address: ADDRESS })
    t.is(result.outcome, 'wrong', login)
  }
})

test('who was turned away because too many passwords are being checked has not made a failure', async (t) => {
  const { knex, pool } = await testDatabase(t)
  await person(knex, { username: 'ada' })
  const busy = createPasswordHasher({ concurrency: 1, maxQueue: 0 })
  const storm = Array.from({ length: 8 }, () =>
    signIn(pool, { hasher: busy, throttle }, { login: 'ada', password: WRONG, address: ADDRESS }),
  )
  const results = await Promise.allSettled(storm)
  const looked = results.filter((result) => result.status === 'fulfilled' && result.value.outcome === 'wrong').length
  const refused = results.filter((result) => result.status === 'rejected')
  t.true(refused.length > 0)
  t.true(refused.every(({ reason }) => reason instanceof HasherBusyError))
  t.deepEqual(await knex('login_throttles').pluck('failures'), [looked, looked])
})

test('asking for the present password counts guesses like the door does', async (t) => {
  const { knex, pool } = await testDatabase(t)
  const ada = await person(knex, { username: 'ada' })
  const deps = { hasher: countingHasher(), throttle }
  const ask = (password: string) => checkPassword(pool, deps, { userId: ada.id, password, address: ADDRESS })
  t.is((await ask(PASSWORD)).outcome, 'ok')
  for (let n = 0; n < 6; n += 1) t.is((await ask(WRONG)).outcome, 'wrong')
  await deepen(knex, () => ask(WRONG))
  t.is((await ask(PASSWORD)).outcome, 'throttled')
})

/** The longest block that stands or stood, in seconds. */
async function longestBlock(knex: Knex): Promise<number> {
  const { rows } = await knex.raw<{ rows: { seconds: number }[] }>(
    `select greatest(0, round(max(extract(epoch from blocked_until - last_failure_at))))::int as seconds from login_throttles`,
  )
  return rows[0]?.seconds ?? 0
}

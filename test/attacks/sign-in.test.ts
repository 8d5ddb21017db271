import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { waitingForLocks } from '../registry/people.ts'
import { buildUser } from '../support/registry.ts'
import { Visitor } from '../support/visitor.ts'
import { harmless, notLogged, underAttack } from './target.ts'

// Behind a proxy, so that each test can come from an address of its own.
const target = underAttack({ TRUST_PROXY: '1' })

let addresses = 0
const newAddress = () => `198.51.${(addresses += 1)}.7`

interface Door {
  try: (
    login: string,
    password: string,
    address?: string,
    signal?: AbortSignal,
  ) => Promise<{ response: Response; html: string }>
  address: string
}

/** A login form and an address to guess from. */
async function door(): Promise<Door> {
  const { issuer, web } = target()
  const visitor = new Visitor(issuer)
  const page = await visitor.open(visitor.request_uri(web).url)
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  const own = newAddress()
  return {
    address: own,
    async try(login, password, address = own, signal?: AbortSignal) {
      const response = await visitor.request(`${new URL(page.url).pathname}/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-for': address },
        body: new URLSearchParams({ csrf, login, password }).toString(),
        ...(signal && { signal }),
      })
      return { response, html: await response.text() }
    },
  }
}

const accounts = {
  known: async () => (await buildUser(target().db)).username,
  unknown: async () => `nobody${(addresses += 1)}`,
  disabled: async () => {
    const { id, username } = await buildUser(target().db)
    await target().db.knex('users').where({ id }).update({ disabled_at: new Date() })
    return username
  },
  passwordless: async () => {
    const { id, username } = await buildUser(target().db)
    await target().db.knex('users').where({ id }).update({ password_hash: null })
    return username
  },
  impossible: async () => `' or 1=1--${(addresses += 1)}`,
}

test.serial('nothing but the typed name tells a known account from any other: status, headers, text', async (t) => {
  const seen = await Promise.all(
    Object.values(accounts).map(async (name) => {
      const login = await name()
      const at = await door()
      const begun = Date.now()
      const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => at.try(login, `wrong ${index}`)))
      slowedDown(t, answers, begun)
      // Each kind of answer once: how many of each the moment decides.
      const kinds = new Map(answers.map((answer) => [answer.response.status, essence(answer)]))
      return [...kinds.values()].sort((a, b) => a.status - b.status)
    }),
  )
  const [known, ...others] = seen
  t.deepEqual(
    known!.map(({ status, waits }) => [status, waits]),
    [
      [401, false],
      [429, true],
    ],
  )
  for (const other of others) t.deepEqual(other, known)
})

/**
 * Of many guesses at once, so many are looked at as may be: the free ones, one that begins a block, and one more for each
 * block that has ended by now (2, 4, 8 … seconds). All the others are told to wait.
 */
function slowedDown(
  t: ExecutionContext,
  answers: { response: Response }[],
  begun: number,
  { wrong = 401, allowed = 6 } = {},
): void {
  const ended = Math.floor(Math.log2((Date.now() - begun) / 2_000 + 1))
  const statuses = answers.map(({ response }) => response.status)
  const looked = statuses.filter((status) => status === wrong).length
  t.true(looked >= allowed && looked <= allowed + ended, `${looked} were looked at`)
  t.is(statuses.filter((status) => status === 429).length, answers.length - looked)
  for (const { response } of answers.filter((answer) => answer.response.status === 429)) {
    t.regex(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/)
  }
}

/** Under which key failures are counted. */
function keyOf(kind: 'account' | 'address', value: string): Buffer {
  return createHash('sha256').update(`${kind}\0${value}`).digest()
}

/** An answer without what differs from request to request. */
function essence({ response, html }: { response: Response; html: string }) {
  const varying = ['date', 'x-request-id', 'content-length', 'retry-after', 'keep-alive', 'connection']
  return {
    status: response.status,
    waits: Number(response.headers.get('retry-after')) > 0,
    headers: Object.fromEntries([...response.headers].filter(([name]) => !varying.includes(name))),
    shown: html
      .replaceAll(/value="[^"]*"|\/interaction\/[\w-]+/g, '')
      .replaceAll(/\d+ (?:second|minute)s?/g, 'a while'),
  }
}

test.serial('an unknown account takes as long to refuse as a known one', async (t) => {
  const best: Record<string, number> = {}
  const at = await door()
  const alike = () =>
    ['unknown', 'impossible'].every((name) => best[name]! > best.known! * 0.5 && best[name]! < best.known! * 2)
  // The least of several is what the work takes; more is what else the machine does. A door lets only so many try.
  for (let batch = 0; batch < 6 && (batch === 0 || !alike()); batch += 1) {
    const names = {
      known: await accounts.known(),
      unknown: await accounts.unknown(),
      impossible: await accounts.impossible(),
    }
    for (let round = 0; round < 5; round += 1) {
      for (const [name, login] of Object.entries(names)) {
        const begun = performance.now()
        await at.try(login, `wrong ${round}`)
        best[name] = Math.min(best[name] ?? Infinity, performance.now() - begun)
      }
    }
  }
  t.true(alike(), JSON.stringify(best))
})

test('guesses at one account from many addresses, all at once, are slowed down after six', async (t) => {
  const { username, password } = await buildUser(target().db)
  const at = await door()
  const begun = Date.now()
  const guesses = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      at.try(index % 2 ? username : username.toUpperCase(), `guess ${index}`, newAddress()),
    ),
  )
  slowedDown(t, guesses, begun)
  // As if no time had passed, however slow this machine is.
  const block = { blocked_until: target().db.knex.raw("now() + interval '1 minute'") }
  t.is(
    await target()
      .db.knex('login_throttles')
      .where({ key: keyOf('account', username) })
      .update(block),
    1,
  )
  const right = await at.try(username, password, newAddress())
  t.is(right.response.status, 429, 'the right password has to wait as well, or it could be guessed meanwhile')
})

test.serial('forms that nobody waits for any more are not looked at, and cost their sender nothing', async (t) => {
  const { knex } = target().db
  const { id, username } = await buildUser(target().db)
  const at = await door()
  const held = await knex.transaction()
  await held('users').where({ id }).forUpdate().first('id')
  // However many may go on at once, these do: each waits for the person's row.
  const stuck = Array.from({ length: 4 }, () => at.try(username, 'wrong'))
  await waitingForLocks(knex)
  const leaving = new AbortController()
  const left = Array.from({ length: 20 }, (_, index) =>
    t.throwsAsync(at.try(`nobody-${index}`, 'wrong', at.address, leaving.signal), { name: 'AbortError' }),
  )
  await delay(300)
  leaving.abort()
  await Promise.all(left)
  await held.commit()
  for (const { response } of await Promise.all(stuck)) t.is(response.status, 401)
  t.is((await at.try('nobody-else', 'wrong')).response.status, 401)
  t.deepEqual(
    await knex('login_throttles')
      .where({ key: keyOf('address', at.address) })
      .pluck('failures'),
    [5],
  )
})

test('spellings of one name share their guesses', async (t) => {
  const { username } = await buildUser(target().db)
  const at = await door()
  const spellings = [
    username,
    username.toUpperCase(),
    ` ${username} `,
    username.replace('p', 'ｐ'),
    `${username}\t`,
    username,
  ]
  for (const spelling of spellings) t.is((await at.try(spelling, 'wrong')).response.status, 401)
  t.is((await at.try(username, 'wrong', newAddress())).response.status, 429)
})

test('guesses at many accounts from one address, all at once, are slowed down', async (t) => {
  const at = await door()
  const first = await at.try('somebody-0', 'wrong')
  t.is(first.response.status, 401)
  // Fifty failures of an address are free; those before the last few need no hashing here.
  const key = keyOf('address', at.address)
  t.is(await target().db.knex('login_throttles').where({ key }).update({ failures: 45 }), 1)
  const begun = Date.now()
  const guesses = await Promise.all(Array.from({ length: 20 }, (_, index) => at.try(`somebody-${index + 1}`, 'wrong')))
  slowedDown(t, guesses, begun)
})

const typed = test.macro<[string, string, string, number?]>({
  title: (_, what) => `${what} is an ordinary wrong sign-in`,
  async exec(t, what, login, password, status = 401) {
    const at = await door()
    const { response, html } = await at.try(login, password)
    harmless(t, target(), { status: response.status, headers: response.headers, body: html }, what)
    t.is(response.status, status)
    t.false(html.includes('<script>'))
    t.notRegex(html, /type="password"[^>]*value=/)
  },
})

test(typed, 'an empty form', '', '')
test(typed, 'SQL as a name', "' or 1=1--", "' or '1'='1")
test(typed, 'more SQL', "admin'); drop table users;--", 'x')
test(typed, 'a control character in the name', 'a\u0001\r\nb', 'x')
test(typed, 'a right-to-left name', '\u202eadmin', 'x')
test(typed, 'markup as a name', '"><script>alert(1)</script>', 'x')
test(typed, 'a template as a name', '<%= process.env %>', 'x')
test(typed, 'a name of 5,000 letters', 'x'.repeat(5_000), 'x')
test(typed, 'a name that grows when it is folded', 'ﷺ'.repeat(600), 'x')
test(typed, 'a prototype as a name', '__proto__', 'constructor')
test(typed, 'a lone surrogate', 'a\ud800', '\udfff')
test(typed, 'letters beyond the first plane', '🦦', '🦦'.repeat(100))
test(typed, 'a password of 8,000 letters', 'someone', 'x'.repeat(8_000))
test(typed, 'a password of 20,000 letters', 'someone', 'x'.repeat(20_000), 413)
test(typed, 'a password of a megabyte', 'someone', 'x'.repeat(1 << 20), 413)
test(typed, 'a NUL in the name', 'a\0b', 'x', 400)
test(typed, 'a NUL in the password', 'someone', 'x\0', 400)

test('a password that is only right at its beginning, or up to a NUL, is wrong', async (t) => {
  const { username, password } = await buildUser(target().db, { password: `${'long enough '.repeat(6)}to be cut` })
  const at = await door()
  for (const attempt of [
    `${password}x`,
    password.slice(0, 72),
    `${password} `,
    ` ${password}`,
    password.toUpperCase(),
  ]) {
    t.is((await at.try(username, attempt)).response.status, 401)
  }
  t.is((await at.try(username, password)).response.status, 303)
})

test('the password check of the account page is no place to guess in peace', async (t) => {
  const { issuer, db, web } = target()
  const person = await buildUser(db)
  const visitor = new Visitor(issuer)
  await visitor.authorize(web, person)
  const page = await visitor.open('/account')
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  const fields = { csrf, new_password: 'nine green herons sing', repeat_password: 'nine green herons sing' }
  const address = newAddress()
  const begun = Date.now()
  const guesses = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      visitor.request('/account/password', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-for': address },
        body: new URLSearchParams({ ...fields, current_password: `guess ${index}` }).toString(),
      }),
    ),
  )
  const answers = guesses.map((response) => ({ response }))
  slowedDown(t, answers, begun, { wrong: 403 })
})

test('no password is shown, stored or logged, wherever it was typed', async (t) => {
  const { db } = target()
  const secret = 'unique password of this test'
  const { username } = await buildUser(db, { password: secret })
  const at = await door()
  const wrong = await at.try(username, `${secret}!`)
  t.false(wrong.html.includes(secret))
  // People type it into the wrong field; the form shows what was typed there, and nothing keeps it.
  await at.try(secret, secret)
  await at.try(username, secret)
  const { rows } = await db.knex.raw<{ rows: { dump: string | null }[] }>(`
    select string_agg(t, '') as dump from (
      select events::text as t from events union all select users::text from users
      union all select login_throttles::text from login_throttles union all select sessions::text from sessions) as rows`)
  t.false(rows[0]?.dump?.includes(secret))
  notLogged(t, target(), { secret, encoded: new URLSearchParams({ secret }).toString().slice(7) })
})

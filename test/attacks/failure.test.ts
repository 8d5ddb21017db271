import test, { type ExecutionContext } from 'ava'
import { Visitor, type Page } from '../support/visitor.ts'
import { notLogged, underAttack } from './target.ts'

const target = underAttack()

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** Does something while one table is not to be had, as when the database fails in the middle of a request. */
async function without<T>(table: string, act: () => Promise<T>): Promise<T> {
  const { knex } = target().db
  await knex.raw('alter table ?? rename to ??', [table, `${table}_away`])
  try {
    return await act()
  } finally {
    await knex.raw('alter table ?? rename to ??', [`${table}_away`, table])
  }
}

/** A failure of ours is told as one, guarded like every answer, and found in the log by its number; it tells nothing more. */
function honest(t: ExecutionContext, { status, headers, html }: Page, what: string): void {
  t.is(status, 500, `${what} ${html}`)
  t.notRegex(html, /relation|select|column|\.ts|node_modules|\n\s+at /i, what)
  t.is(headers.get('location'), null, what)
  t.is(headers.get('x-frame-options'), 'DENY', what)
  t.regex(headers.get('content-security-policy') ?? '', /default-src 'none'/, what)
  t.is(headers.get('cache-control'), 'no-store', what)
  const traceId = headers.get('x-request-id')
  t.truthy(traceId, what)
  const logged = target().logs.filter((line) => line.level === 'error' && line.trace_id === traceId)
  t.true(logged.length > 0, what)
}

test.serial('when the database fails, every answer says so and no more', async (t) => {
  const { issuer, web, person } = target()
  const browser = new Visitor(issuer)
  const { verifier, code } = await browser.authorize(web, person)
  const login = await browser.open(browser.request_uri(web, { prompt: 'login' }).url)
  const secret = 'typed-while-nothing-worked'
  const authorization = `Basic ${btoa(`${web.client_id}:${web.client_secret}`)}`
  const grant = {
    grant_type: 'authorization_code',
    code: code!,
    code_verifier: verifier,
    redirect_uri: web.redirect_uri,
  }
  const attempts: [string, string, () => Promise<Page>][] = [
    ['clients', 'authorize', () => browser.open(browser.request_uri(web).url)],
    ['sessions', 'authorize with a session', () => browser.open(browser.request_uri(web, { prompt: 'none' }).url)],
    [
      'artifacts',
      'a code that can not be stored',
      () => browser.open(browser.request_uri(web, { prompt: 'none' }).url),
    ],
    ['users', 'sign-in', () => browser.signIn(login, { username: secret, password: secret })],
    ['login_throttles', 'sign-in', () => browser.signIn(login, { username: secret, password: secret })],
    ['artifacts', 'the sign-in page', () => browser.open(new URL(login.url).pathname)],
    ['sessions', 'the account page', () => browser.open('/account')],
    ['consents', 'the account page', () => browser.open('/account')],
    ['sessions', 'logout', () => browser.open('/logout')],
    ['clients', 'token', () => browser.open('/token', post({ grant_type: 'client_credentials' }, authorization))],
    ['artifacts', 'token', () => browser.open('/token', post(grant, authorization))],
    ['artifacts', 'userinfo', () => browser.open('/userinfo', { headers: { authorization: `Bearer ${secret}` } })],
  ]
  for (const [table, what, attempt] of attempts) honest(t, await without(table, attempt), `${what} without ${table}`)
  notLogged(t, target(), { secret, code, verifier, 'client secret': web.client_secret, password: person.password })
})

function post(fields: Record<string, string>, authorization: string): RequestInit {
  return { method: 'POST', headers: { ...FORM, authorization }, body: new URLSearchParams(fields).toString() }
}

test.serial('an answer that was ready does not leave when the session can not be saved', async (t) => {
  const { issuer, web, person, db } = target()
  const browser = new Visitor(issuer)
  await browser.authorize(web, person)
  await db.knex.raw(`alter table sessions add constraint broken check (expires_at < '2000-01-01') not valid`)
  const page = await browser.open(browser.request_uri(web, { prompt: 'none' }).url)
  await db.knex.raw('alter table sessions drop constraint broken')
  t.is(page.status, 500)
  t.is(page.headers.get('location'), null)
  t.deepEqual(page.headers.getSetCookie(), [])
  t.false(/[?&]code=/.test(page.url))
  honest(t, page, 'authorize')
})

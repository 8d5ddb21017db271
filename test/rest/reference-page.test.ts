/**
 * The reference page in a real browser, under the policy it is served with: readable without script, accessible in both
 * schemes and widths, and with script a way to sign in and to send each request.
 */
import test, { type ExecutionContext } from 'ava'
import Koa, { type Middleware } from 'koa'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { apiDocuments } from '../../src/http/api/documents.ts'
import { commonProblems, problemsOf, renderProblems } from '../../src/http/problem.ts'
import { securityHeaders } from '../../src/http/security-headers.ts'
import { trace } from '../../src/http/trace.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { chromium, testInChromium } from '../support/chromium.ts'
import { fileScope } from '../support/demo.ts'
import { startFakeIssuer, type FakeIssuer } from '../support/fake-issuer.ts'
import { bookshop } from './bookshop.ts'

const WIDE = { width: 1280, height: 850 }
const NARROW = { width: 390, height: 844 }
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const problem = problemsOf(commonProblems)
const log = createLogger({ level: 'silent' })

interface Seen {
  method: string
  path: string
  query: Record<string, unknown>
  headers: Record<string, unknown>
  body: string
}

/** What an API would answer; it remembers what it was asked. */
function cardboard(seen: Seen[]): Middleware {
  return async (ctx) => {
    if (!ctx.path.startsWith('/api/v')) return
    const chunks: Buffer[] = []
    for await (const chunk of ctx.req) chunks.push(chunk as Buffer)
    const { method, path, query, headers } = ctx
    seen.push({ method, path, query, headers, body: Buffer.concat(chunks).toString() })
    if (!ctx.get('authorization')) throw problem('unauthenticated', { headers: { 'www-authenticate': 'Bearer' } })
    ctx.set('etag', '"1-00000000"')
    ctx.status = method === 'POST' ? 201 : 200
    ctx.body = { id: 'bok_1', title: `<img src=x onerror=alert(1)> ${'a very long title '.repeat(40)}` }
  }
}

const scope = fileScope()
const seen: Seen[] = []
let issuer: FakeIssuer
let origin: string
test.before(async () => {
  issuer = await startFakeIssuer({ audience: 'https://books.test' })
  scope.teardown(() => issuer.stop())
  const app = new Koa()
  const server = createServer((request, response) => void app.callback()(request, response))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  scope.teardown(() => server.close())
  origin = `http://localhost:${(server.address() as AddressInfo).port}`
  const signIn = async () => ({
    issuer: issuer.url,
    clientId: 'cli_reference',
    redirectUri: `${origin}/api/docs/callback`,
    resource: 'https://books.test',
    scopes: ['books:read', 'books:write'],
  })
  app.use(securityHeaders({ https: false }))
  app.use(trace(log))
  app.use(renderProblems({ log, typeBase: `${origin}/problems#` }))
  app.use(apiDocuments({ ...bookshop(origin), issuer: issuer.url, signIn }))
  app.use(cardboard(seen))
})
test.after.always(() => scope.end())

/** A page that fails its test for a script error, a violation of the policy, and a request to anywhere else. */
async function open(t: ExecutionContext, path: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await (await chromium(t)).newContext({ viewport: WIDE, reducedMotion: 'reduce', ...options })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const faults: string[] = []
  page.on('pageerror', (error) => void faults.push(error.message))
  page.on('console', (message) => {
    if (!message.text().startsWith('Failed to load resource')) faults.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith(issuer.url)) faults.push(request.url())
  })
  t.teardown(() => {
    if (faults.length > 0) throw new Error(faults.join('\n'))
  })
  await page.goto(origin + path)
  return page
}

interface Findings {
  violations: string[]
  sideways: number
  small: string[]
}
const FLAWLESS: Findings = { violations: [], sideways: 0, small: [] }

/** Runs inside the page. */
const examine = (rules?: string[]) => `(async () => {
  const small = [...document.querySelectorAll('button, input, select')]
    .filter((element) => element.offsetParent !== null && element.getBoundingClientRect().height < 44)
    .map((element) => element.outerHTML)
  const { violations } = await axe.run(document, ${JSON.stringify({ resultTypes: ['violations'], ...(rules && { runOnly: rules }) })})
  return {
    violations: violations.flatMap(({ id, nodes }) => nodes.map(({ html, any }) => id + ': ' + html.slice(0, 200) + ' ' + any.map(({ message }) => message))),
    sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    small,
  }
})()`
const unfoldAll = `for (const details of document.querySelectorAll('details')) details.open = true`

testInChromium('the page is accessible and well laid out, wide and narrow, light and dark', async (t) => {
  const page = await open(t, '/api/docs#createBook')
  const isFlawless = async (what: string, rules?: string[]) =>
    t.deepEqual(await page.evaluate<Findings>(examine(rules)), FLAWLESS, what)
  await page.evaluate(axe)
  await page.getByRole('button', { name: 'Try it' }).click()
  await page.evaluate(unfoldAll)
  await isFlawless('unfolded')
  // What depends on width and colours alone.
  const looks = ['color-contrast', 'scrollable-region-focusable', 'target-size', 'landmark-unique']
  for (const [viewport, colorScheme] of [
    [WIDE, 'dark'],
    [NARROW, 'light'],
    [NARROW, 'dark'],
  ] as const) {
    await page.setViewportSize(viewport)
    await page.emulateMedia({ colorScheme })
    await isFlawless(`unfolded, ${viewport.width} px, ${colorScheme}`, looks)
  }
  await page.evaluate(`for (const details of document.querySelectorAll('details')) details.open = false`)
  await isFlawless('folded')
  await page.getByRole('button', { name: 'Credentials' }).click()
  await isFlawless('with the dialog')
  await page.goto(`${origin}/problems#not-found`)
  await page.evaluate(axe)
  await isFlawless('the problems')
})

testInChromium('everything can be read without script, and nothing shows that would need it', async (t) => {
  const page = await open(t, '/api/docs', { javaScriptEnabled: false })
  const text = await page.locator('main').innerText()
  for (const part of ['GET', '/v2/books/{book_id}', 'Change a book', 'What is for sale.', 'deprecated'])
    t.true(text.includes(part), part)
  await page.locator('summary', { hasText: 'Change a book' }).click()
  const operation = page.locator('[data-operation=changeBook]')
  const unfolded = await operation.innerText()
  for (const part of ['books:write', 'If-Match', 'required', 'precondition-required', 'curl -X PATCH', 'merge-patch'])
    t.true(unfolded.includes(part), part)
  t.is(await page.locator('.scripted:visible').count(), 0)
})

testInChromium('with the keyboard alone: find an operation, unfold it, send it', async (t) => {
  const page = await open(t, '/api/docs')
  await page.getByRole('searchbox').focus()
  await page.keyboard.type('read shop')
  await page.getByText('1 found').waitFor()
  t.is(await page.locator('.operation:visible').count(), 1)
  await page.locator('[data-operation=readShop] > summary').focus()
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Try it' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Send GET' }).focus()
  await page.keyboard.press('Enter')
  await page.getByText('401 Unauthorized').waitFor()
  await page.getByText('Add credentials first').waitFor()
  t.regex(await page.locator('.result').innerText(), /"status": 401[\s\S]*www-authenticate\s+Bearer/)
  t.is(seen.at(-1)?.path, '/api/v2/shop')
})

testInChromium(
  'with an API key a request goes out as it was filled in, and what comes back is shown as text',
  async (t) => {
    const page = await open(t, '/api/docs#createBook')
    await page.getByRole('button', { name: 'Credentials' }).click()
    await page.getByLabel('API key').fill('gr_key')
    await page.getByRole('button', { name: 'Use this key' }).click()
    await page.getByText('API key in use').waitFor()
    await page.getByRole('button', { name: 'Try it' }).click()
    await page.getByLabel('Body').fill('{"title":"Emma"}')
    await page.getByRole('button', { name: 'Send POST' }).click()
    await page.getByText('201 Created').waitFor()
    t.regex(await page.locator('.result').innerText(), /<img src=x onerror=alert\(1\)>/)
    t.is(await page.locator('.result img').count(), 0)
    const { method, headers, body } = seen.at(-1)!
    t.deepEqual(
      [method, body, headers.authorization, headers['content-type']],
      ['POST', '{"title":"Emma"}', 'Bearer gr_key', 'application/json'],
    )
    t.regex(String(headers['idempotency-key']), /^[0-9a-f-]{36}$/)

    await page.evaluate(`location.hash = 'changeBook'`)
    const change = page.locator('[data-operation=changeBook]')
    await change.getByRole('button', { name: 'Try it' }).click()
    await change.getByLabel('book_id').fill('a/b')
    await change.getByLabel('If-Match').fill('"1"')
    await change.getByRole('button', { name: 'Send PATCH' }).click()
    await change.getByText('200 OK').waitFor()
    t.is(seen.at(-1)?.path, '/api/v2/books/a%2Fb')
    t.is(seen.at(-1)?.headers['content-type'], 'application/merge-patch+json')
    t.is(seen.at(-1)?.headers['if-match'], '"1"')
  },
)

testInChromium('signing in brings a token of the authorization server and leads back to the operation', async (t) => {
  const page = await open(t, '/api/docs#listBooks')
  await page.getByRole('button', { name: 'Credentials' }).click()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('Signed in').waitFor()
  t.is(page.url(), `${origin}/api/docs#listBooks`)
  const operation = page.locator('[data-operation=listBooks]')
  await operation.getByRole('button', { name: 'Try it' }).click()
  await operation.getByText('More parameters').click()
  await operation.getByLabel('kind').selectOption('essay')
  await operation.getByRole('button', { name: 'Send GET' }).click()
  await operation.getByText('200 OK').waitFor()
  t.like(seen.at(-1), { path: '/api/v2/books', query: { kind: 'essay' } })
  t.regex(String(seen.at(-1)?.headers.authorization), /^Bearer eyJ/)
})

testInChromium('a sign-in that nobody began here is refused', async (t) => {
  const page = await open(t, '/api/docs/callback?code=stolen&state=x')
  await page.getByRole('alert').getByText('Sign in again').waitFor()
  t.is(page.url(), `${origin}/api/docs`)
})

const get = (path: string, headers: Record<string, string> = {}) => fetch(origin + path, { headers })

test('the documents are public, have an ETag, and tell of all versions or of one', async (t) => {
  const all = await get('/api/openapi.json', { 'accept-encoding': 'gzip' })
  t.is(all.headers.get('content-type'), 'application/json; charset=utf-8')
  t.is(all.headers.get('access-control-allow-origin'), '*')
  t.is(all.headers.get('content-encoding'), 'gzip')
  const again = await get('/api/openapi.json', { 'if-none-match': `W/${all.headers.get('etag')}` })
  t.is(again.status, 304)
  const one = (await (await get('/api/v1/openapi.json')).json()) as { paths: object }
  t.deepEqual(Object.keys(one.paths), ['/v1/books'])
  t.false((await get('/api/v0/openapi.json')).ok, 'a version that was removed')
  const refused = await fetch(`${origin}/api/docs`, { method: 'POST' })
  t.deepEqual([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD'])
})

test('the page of the problems has each of them, in the reader’s language', async (t) => {
  for (const [language, words] of [
    ['en', 'There is nothing here'],
    ['de', 'Hier ist nichts'],
  ] as const) {
    const answer = await get('/problems', { 'accept-language': `${language}-CH, fr;q=0.9` })
    const text = await answer.text()
    t.is(answer.headers.get('content-language'), language)
    t.regex(answer.headers.get('vary') ?? '', /Accept-Language/)
    t.true(text.includes(words))
    for (const code of Object.keys(commonProblems)) t.true(text.includes(`id="${code}"`), code)
  }
})

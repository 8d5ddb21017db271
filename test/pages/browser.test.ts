/**
 * The pages in a real browser, under the content security policy they are served with: accessible by axe's rules in both
 * schemes, nothing blocked, nothing fetched from elsewhere, no side-scrolling, no jumping, targets large enough, and of use
 * with neither script nor mouse.
 */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { BrowserContextOptions, Page } from 'playwright-core'
import type { Locale } from '../../src/interactions/pages/locale.ts'
import { OPTIONAL_FIELDS, type PageName } from '../../src/interactions/pages/models.ts'
import { createRenderer } from '../../src/interactions/pages/render.ts'
import { chromium, testInChromium } from '../support/chromium.ts'
import { drown, PLACES } from './hostile-text.ts'
import { elements, parseHtml } from './parse-html.ts'
import { ALL_SAMPLES, NOW } from './samples.ts'

const POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const renderer = createRenderer({ directory: join(import.meta.dirname, '../../views'), now: () => NOW })
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const WIDE = { width: 1280, height: 800 }
const NARROW = { width: 390, height: 844 }

interface Site {
  url: string
  /** What was posted, in order. */
  posts: { path: string; fields: Record<string, string> }[]
}

/** Serves every sample at /<page>/<state>/<locale>, as the server would. */
async function serve(t: ExecutionContext): Promise<Site> {
  const posts: Site['posts'] = []
  const server = createServer(async (request, response) => {
    const path = request.url ?? ''
    const asset = renderer.assets.find(path)
    const [, page, state, locale] = path.split('/')
    const sample = ALL_SAMPLES.find((candidate) => candidate.page === page && candidate.state === state)
    const model = state === 'hostile' ? drown(page as PageName) : sample?.model
    if (request.method === 'POST')
      posts.push({ path, fields: Object.fromEntries(await form(request)) as Record<string, string> })
    if (asset) response.setHeader('content-type', asset.type).end(asset.body)
    else if (model)
      response
        .setHeader('content-type', 'text/html; charset=utf-8')
        .setHeader('content-security-policy', POLICY)
        .end(renderer.render(page as PageName, locale as Locale, model))
    else response.writeHead(request.method === 'POST' ? 204 : 404).end()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, posts }
}

async function form(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

/** A page of its own that fails the test when anything is blocked, missing, or asked of another host. */
async function openPage(
  t: ExecutionContext,
  site: Site,
  { script, ...options }: BrowserContextOptions & { script?: string },
): Promise<Page> {
  const context = await (await chromium(t)).newContext({ ...options, reducedMotion: 'reduce' })
  t.teardown(() => context.close())
  // The browser keeps it: sent anew for every page it costs more than all that it looks for.
  if (script) await context.addInitScript(script)
  const page = await context.newPage()
  page.on('console', (message) => t.fail(`${page.url()}: ${message.text()}`))
  page.on('request', (request) => {
    if (!request.url().startsWith(site.url)) t.fail(`${page.url()} asked for ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) t.fail(`${response.url()}: ${response.status()}`)
  })
  return page
}

interface Findings {
  violations: string[]
  incomplete: string[]
  sideways: number
  small: string[]
}

const FLAWLESS: Findings = { violations: [], incomplete: [], sideways: 0, small: [] }

/** Runs inside the page, with the given options for axe; plain script, because the browser gets it as text. */
const examine = (options: object) => `(async () => {
  for (const details of document.querySelectorAll('details')) details.open = true
  const small = [...document.querySelectorAll('button, input, summary, a.primary, a.plain')]
    .filter((element) => element.offsetParent !== null && element.getBoundingClientRect().height < 44)
    .map((element) => element.outerHTML)
  const told = (results) => results.flatMap(({ id, nodes }) => nodes.map(({ html, any }) => id + ': ' + html + ' ' + any.map(({ message }) => message)))
  const { violations, incomplete } = await axe.run(document, { resultTypes: ['violations', 'incomplete'], ...${JSON.stringify(options)} })
  return {
    violations: told(violations),
    incomplete: told(incomplete),
    sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    small,
  }
})()`

/** Half of what web vitals call good: a busy machine may paint a page in two steps. */
const STILL = 0.05

/** How far things moved after they were first painted, by the browser's own measure. */
const SHIFT = `new Promise((done) => {
  let sum = 0
  const observer = new PerformanceObserver((list) => { for (const { value } of list.getEntries()) sum += value })
  observer.observe({ type: 'layout-shift', buffered: true })
  setTimeout(() => { observer.disconnect(); done(sum) }, 0)
})`

for (const name of Object.keys(OPTIONAL_FIELDS) as PageName[]) {
  testInChromium(`${name}: accessible and well laid out, wide and narrow, light and dark`, async (t) => {
    const site = await serve(t)
    const page = await openPage(t, site, { script: axe })
    const states = ALL_SAMPLES.filter((sample) => sample.page === name)
    for (const [index, { state }] of states.entries()) {
      // Each state meets both widths and both schemes; which goes with which alternates, as the language does.
      const schemes = index % 2 === 0 ? (['light', 'dark'] as const) : (['dark', 'light'] as const)
      await page.emulateMedia({ colorScheme: schemes[0] })
      await page.setViewportSize(WIDE)
      await page.goto(`${site.url}/${name}/${state}/${index % 2 === 0 ? 'en' : 'de'}`)
      t.true(Number(await page.evaluate(SHIFT)) < STILL, `${state} jumps`)
      t.deepEqual(await page.evaluate<Findings>(examine({})), FLAWLESS, `${state}, wide, ${schemes[0]}`)

      await page.emulateMedia({ colorScheme: schemes[1] })
      await page.setViewportSize(NARROW)
      const narrow = await page.evaluate<Findings>(
        examine({ runOnly: ['color-contrast', 'scrollable-region-focusable'] }),
      )
      t.deepEqual(narrow, FLAWLESS, `${state}, narrow, ${schemes[1]}`)
    }
  })
}

testInChromium('nothing scrolls sideways on the narrowest screens', async (t) => {
  const site = await serve(t)
  const page = await openPage(t, site, { viewport: { width: 320, height: 640 } })
  for (const { page: name, state } of ALL_SAMPLES) {
    await page.goto(`${site.url}/${name}/${state}/de`)
    const sideways = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
    t.is(sideways, 0, `${name} ${state}`)
  }
})

testInChromium('a browser reads a hostile page as it was written, and runs nothing of it', async (t) => {
  const site = await serve(t)
  const page = await openPage(t, site, {})
  page.on('dialog', (dialog) => {
    t.fail(`a script ran: ${dialog.message()}`)
    void dialog.dismiss()
  })
  for (const name of new Set(PLACES.map((place) => place.page))) {
    const response = await page.goto(`${site.url}/${name}/hostile/en`)
    const written = elements(parseHtml((await response?.text()) ?? '')).map(({ tag }) => tag)
    const read = await page.evaluate(`[...document.querySelectorAll('*')].map(({ localName }) => localName)`)
    t.deepEqual(read, written, name)
  }
})

testInChromium('sign-in works without script: Enter sends the form, and cancelling needs no password', async (t) => {
  const site = await serve(t)
  const page = await openPage(t, site, { javaScriptEnabled: false })
  await page.goto(`${site.url}/login/first/en`)
  await page.locator('#login:focus').waitFor() // without anybody's doing
  await page.keyboard.type('alice')
  await page.keyboard.press('Tab')
  await page.keyboard.type('correct horse battery')
  await page.keyboard.press('Enter')
  await t.notThrowsAsync(until(() => site.posts.length === 1))
  await page.getByRole('button', { name: 'Cancel and go back' }).click()
  await t.notThrowsAsync(until(() => site.posts.length === 2))
  t.deepEqual(site.posts, [
    {
      path: '/interaction/a1b2/login',
      fields: { csrf: 'kq2yPsZ0t5', login: 'alice', password: 'correct horse battery' },
    },
    { path: '/interaction/a1b2/cancel', fields: { csrf: 'kq2yPsZ0t5' } },
  ])
})

testInChromium('consent works without script, and both answers are as large as each other', async (t) => {
  const site = await serve(t)
  const page = await openPage(t, site, { javaScriptEnabled: false, viewport: NARROW })
  await page.goto(`${site.url}/consent/usual/en`)
  const [deny, allow] = [page.getByRole('button', { name: 'Deny' }), page.getByRole('button', { name: 'Allow' })]
  const [one, other] = [await deny.boundingBox(), await allow.boundingBox()]
  t.deepEqual([one?.width, one?.height, one?.y], [other?.width, other?.height, other?.y])
  await allow.click()
  await t.notThrowsAsync(until(() => site.posts.length === 1))
  await deny.click()
  await t.notThrowsAsync(until(() => site.posts.length === 2))
  t.deepEqual(site.posts, [
    { path: '/interaction/a1b2/consent', fields: { csrf: 'kq2yPsZ0t5', decision: 'allow' } },
    { path: '/interaction/a1b2/cancel', fields: { csrf: 'kq2yPsZ0t5', decision: 'deny' } },
  ])
})

testInChromium(
  'a new password that is too short or too long is stopped before it is sent, and never cut off',
  async (t) => {
    const site = await serve(t)
    const page = await openPage(t, site, {})
    await page.goto(`${site.url}/account/usual/en`)
    const field = page.getByLabel('New password', { exact: true })
    const isValid = () => page.evaluate(`document.getElementById('new_password').validity.valid`)
    const tooLong = 'x'.repeat(129)
    await field.fill(tooLong)
    t.is(await field.inputValue(), tooLong)
    t.false(await isValid())
    await field.fill('x'.repeat(14))
    t.false(await isValid())
    await field.fill('x'.repeat(128))
    t.true(await isValid())
  },
)

testInChromium('the keyboard reaches everything, and whatever has the focus shows it', async (t) => {
  const site = await serve(t)
  const page = await openPage(t, site, { viewport: WIDE })
  const targets = `[...document.querySelectorAll('a, button, input, summary')].filter(({ offsetParent }) => offsetParent)`
  for (const path of ['login/wrong', 'consent/usual', 'account/usual', 'logout/asked', 'expired/own']) {
    await page.goto(`${site.url}/${path}/en`)
    const count = Number(await page.evaluate(`${targets}.length`))
    const reached = new Set<number>()
    // One more than there are targets: past the last, the focus leaves the page once before it comes round.
    for (let press = 0; press <= count; press += 1) {
      await page.keyboard.press('Tab')
      const [index, outline] = await page.evaluate<[number, string]>(
        `[${targets}.indexOf(document.activeElement), getComputedStyle(document.activeElement).outlineStyle]`,
      )
      if (index < 0) continue
      reached.add(index)
      t.is(outline, 'solid', `${path}, target ${index}`)
    }
    t.is(reached.size, count, path)
  }
})

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('it did not come to hold within 5 s')
    await new Promise((later) => setTimeout(later, 10))
  }
}

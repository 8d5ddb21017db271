/** The playground in a real browser, under the policy it is served with, against an issuer of cardboard. */
import test, { type ExecutionContext } from 'ava'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { chromium, testInChromium } from '../support/chromium.ts'
import { deliver, webhookSecret } from '../support/deliveries.ts'
import { fileScope, startDemoFixture, type DemoFixture } from '../support/demo.ts'

const WIDE = { width: 1280, height: 850 }
const NARROW = { width: 390, height: 844 }
const user = { sub: 'usr_alice', name: 'Alice Example', email: 'alice@example.com', email_verified: true }
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const scope = fileScope()
let fixture: DemoFixture
test.before(async () => {
  fixture = await startDemoFixture(scope, { clientId: 'cli_playground', user })
})
test.after.always(() => scope.end())

/** Two pages at a time: more only wait for each other's processor. */
let turns: Promise<void>[] = [Promise.resolve(), Promise.resolve()]
async function takeTurn(t: ExecutionContext): Promise<void> {
  const turn = Promise.withResolvers<void>()
  t.teardown(turn.resolve)
  const [before] = turns
  turns = [...turns.slice(1), Promise.all([before, turn.promise]).then(() => undefined)]
  await before
}

/** A page in a context of its own that fails its test for a script error or a violation of the policy. */
async function open(t: ExecutionContext, options: BrowserContextOptions = {}): Promise<Page> {
  await takeTurn(t)
  const context = await (await chromium(t)).newContext({ viewport: WIDE, reducedMotion: 'reduce', ...options })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  page.on('pageerror', (error) => t.fail(error.message))
  page.on('console', (message) => {
    // The browser itself notes each answer that is an error; the page means to provoke those.
    if (!message.text().startsWith('Failed to load resource')) t.fail(message.text())
  })
  return page
}

async function signIn(page: Page): Promise<void> {
  await page.goto(fixture.demo.url)
  await page.getByTestId('sign-in').click()
  await page.getByTestId('status').getByText('Signed in as Alice Example').waitFor()
}

/** The page has found out what it can do. */
async function isReady(page: Page): Promise<void> {
  await page.locator('#sign-in[aria-disabled=false]').waitFor()
}

const shown = async (page: Page, id: string) => (await page.getByTestId(id).innerText()).replace(/\s+/g, ' ')

/** Presses a button and waits for the sentence that tells what came of it. */
async function press(page: Page, button: string, region: string, sentence: RegExp): Promise<string> {
  await page.getByTestId(button).click()
  await page.getByTestId(region).locator('.words').filter({ hasText: sentence }).waitFor()
  return shown(page, region)
}

for (const viewport of [WIDE, NARROW]) {
  testInChromium(
    `a newcomer gets from sign-in to a dead family and out again, ${viewport.width} px wide`,
    async (t) => {
      const { issuer, demo } = await startDemoFixture(t, { clientId: 'cli_playground', user })
      const page = await open(t, { viewport })
      await page.clock.install()
      await page.goto(demo.url)
      t.false(await page.getByTestId('call-api').isEnabled())
      await page.getByTestId('sign-in').click()
      await page.getByTestId('status').getByText('Signed in as Alice Example').waitFor()
      t.is(page.url(), `${demo.url}/`)
      t.regex(await shown(page, 'sign-in-result'), /code_challenge_method S256 .*grant_type authorization_code/)

      t.regex(await shown(page, 'access-token'), /"typ": "at\+jwt".*"sub": "usr_alice".*Audience: for whom/)
      await page.getByRole('tab', { name: 'ID token' }).click()
      t.regex(await shown(page, 'id-token'), /"typ": "JWT".*"name": "Alice Example".*proof that the token answers/)
      t.regex(await shown(page, 'timer'), /expires in [45]:\d\d/)

      t.regex(
        await press(page, 'call-api', 'api-result', /answered with your orders/),
        /200 OK .*"item": "Coffee beans/,
      )
      t.regex(
        await press(page, 'create-order', 'api-result', /was ordered/),
        /"quantity": 1.*201 Created .*"user_id": "usr_alice"/,
      )
      const refusal = await press(page, 'call-without-token', 'api-result', /wants a good token/)
      t.regex(refusal, /401 Unauthorized .*Bearer resource_metadata=".*scope="orders:read"/)

      t.false(await page.getByTestId('replay-now').isEnabled())
      await press(page, 'refresh', 'refresh-result', /old one is used up/)
      t.regex(await shown(page, 'family'), /Token 1 \S+ used window: \d+ s Token 2 \S+ in use/)
      await press(page, 'replay-now', 'refresh-result', /The same successor once more/)
      t.regex(await shown(page, 'family'), /Token 1 \S+ came back window: \d+ s Token 2 \S+ in use$/)

      issuer.reuseWindowSeconds = 0
      await page.getByTestId('replay-late').click()
      await page.getByText(/Replaying in \d+ s/).waitFor()
      await page.clock.fastForward(12_000)
      await page.getByTestId('status').getByText('Family revoked').waitFor()
      t.regex(await shown(page, 'refresh-result'), /family is dead.*400 Bad Request.*400 Bad Request.*invalid_grant/)
      t.regex(await shown(page, 'family'), /^Token 1 \S+ dead Token 2 \S+ dead$/)
      t.false(await page.getByTestId('refresh').isEnabled())

      await page.getByTestId('sign-out').click()
      await page.getByTestId('status').getByText('Signed out').waitFor()
      t.is(issuer.requests.get('/session/end'), 1)
      t.is(page.url(), `${demo.url}/`)
    },
  )
}

testInChromium('an expired access token is refused, and the page says how to go on', async (t) => {
  const { demo } = await startDemoFixture(t, { clientId: 'cli_playground', user, accessTokenSeconds: -60 })
  const page = await open(t)
  await page.goto(demo.url)
  await page.getByTestId('sign-in').click()
  await page.getByTestId('timer').getByText('The access token has expired').waitFor()
  t.regex(await press(page, 'call-api', 'api-result', /expired. Refresh below/), /error="invalid_token"/)
})

testInChromium('events are told live, newest first, and go on after a break and with the next token', async (t) => {
  const { demo, issuer } = await startDemoFixture(t, {
    clientId: 'cli_playground',
    user,
    webhookSecret,
    accessTokenSeconds: 4,
  })
  const tell = (type: string, sub = user.sub) =>
    deliver({ demo }, { userId: sub, type, data: { address: '192.0.2.7' } })
  await tell('consent.granted')
  const page = await open(t)
  const asked: (string | undefined)[] = []
  page.on('request', (request) => {
    if (request.headers().accept === 'text/event-stream') asked.push(request.headers()['last-event-id'])
  })
  await page.goto(demo.url)
  await page.getByTestId('events-state').getByText('Sign in to follow').waitFor()
  await page.getByTestId('sign-in').click()
  await page.getByTestId('events-state').getByText('Live').waitFor()
  await tell('user.updated', 'usr_bob')
  await tell('login.failed')
  const news = page.locator('[aria-live=polite]')
  await news.getByText('Somebody tried to sign in as you, with a wrong password.').waitFor()
  t.regex(
    await shown(page, 'events'),
    /^Somebody tried .* login\.failed ses_x · from 192\.0\.2\.7 You allowed an app .* consent\.granted ses_x/,
  )
  t.notRegex(await shown(page, 'events'), /Your account was changed/)

  await page.getByTestId('events-state').getByText('The access token has ended').waitFor()
  await tell('grant.revoked')
  await press(page, 'refresh', 'refresh-result', /old one is used up/)
  await page.getByTestId('events').getByText('A family of tokens ended').waitFor()
  t.deepEqual(asked, ['1', '3'])
  await page.getByTestId('sign-out').click()
  await page.getByTestId('events-state').getByText('Sign in to follow').waitFor()
  t.is(await page.getByTestId('events').getByText('family').count(), 0)
  t.is(issuer.requests.get('/session/end'), 1)
})

testInChromium('tokens live in memory only: nothing is stored, and a reload forgets them', async (t) => {
  const page = await open(t)
  await signIn(page)
  const stored = `JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.length])`
  const [local, session, cookie, address] = JSON.parse(await page.evaluate<string>(stored)) as unknown[]
  t.deepEqual([local, session, cookie, address], [{}, {}, '', `${fixture.demo.url}/`])
  await page.reload()
  await isReady(page)
  t.is(await shown(page, 'status'), 'Signed out')
  t.false(await page.getByTestId('call-api').isEnabled())
})

testInChromium('the page asks as a public client with PKCE, state, nonce and the one resource', async (t) => {
  const page = await open(t)
  await page.goto(fixture.demo.url)
  const asked = page.waitForRequest((request) => new URL(request.url()).pathname === '/auth')
  await page.getByTestId('sign-in').click()
  const { searchParams } = new URL((await asked).url())
  const { state, nonce, code_challenge, ...rest } = Object.fromEntries(searchParams)
  for (const random of [state, nonce, code_challenge]) t.regex(random!, /^[\w-]{43}$/)
  t.deepEqual(rest, {
    response_type: 'code',
    client_id: 'cli_playground',
    redirect_uri: `${fixture.demo.url}/callback`,
    scope: 'openid profile email orders:read orders:write',
    resource: fixture.demo.url,
    code_challenge_method: 'S256',
  })
})

const forged: [string, (answer: URLSearchParams) => void, RegExp][] = [
  ['of another state', (answer) => answer.set('state', 'x'), /does not belong to this sign-in/],
  ['without a state', (answer) => answer.delete('state'), /does not belong to this sign-in/],
  ['of another issuer', (answer) => answer.set('iss', 'https://evil.test'), /another issuer/],
  ['without an issuer', (answer) => answer.delete('iss'), /another issuer/],
  ['with an error', (answer) => answer.set('error', 'access_denied'), /You declined/],
  ['with markup for an error', (answer) => answer.set('error', '<img src=x onerror=alert(1)>'), /<img src=x/],
]
for (const [what, change, sentence] of forged) {
  testInChromium(`an answer ${what} is refused before its code is traded`, async (t) => {
    const page = await open(t)
    let traded = 0
    page.on('request', (request) => (traded += Number(request.url().endsWith('/token'))))
    await page.route('**/auth?*', async (route) => {
      const asked = new URL(route.request().url()).searchParams
      const answer = new URLSearchParams({ code: 'c', state: asked.get('state')!, iss: fixture.issuer.url })
      change(answer)
      await route.fulfill({ status: 303, headers: { location: `${asked.get('redirect_uri')}?${answer}` } })
    })
    await page.goto(fixture.demo.url)
    await page.getByTestId('sign-in').click()
    await page.getByTestId('alert').getByText(sentence).waitFor()
    t.is(traded, 0)
    t.is(page.url(), `${fixture.demo.url}/`)
    t.is(await page.evaluate('sessionStorage.length'), 0)
  })
}

testInChromium('a way back that nobody asked for is refused', async (t) => {
  const page = await open(t)
  await page.goto(`${fixture.demo.url}/callback?code=stolen&state=x&iss=${fixture.issuer.url}`)
  await page.getByTestId('alert').getByText('finished already, or was started in another tab').waitFor()
  t.is(page.url(), `${fixture.demo.url}/`)
})

testInChromium('an ID token of another sign-in is refused', async (t) => {
  const page = await open(t)
  await page.route('**/auth?*', (route) => {
    const url = new URL(route.request().url())
    url.searchParams.set('nonce', 'replayed')
    return route.continue({ url: url.href })
  })
  await page.goto(fixture.demo.url)
  await page.getByTestId('sign-in').click()
  await page.getByTestId('alert').getByText('The ID token does not belong to this sign-in').waitFor()
  t.is(await shown(page, 'status'), 'Signed out')
})

testInChromium('without a client the page says how to make one', async (t) => {
  const { demo } = await startDemoFixture(t)
  const page = await open(t)
  await page.goto(demo.url)
  await page.getByTestId('alert').getByText('This page has no client yet.').waitFor()
  t.regex(
    await shown(page, 'alert'),
    /npx grantry client create --kind spa .*DEMO_CLIENT_ID|DEMO_CLIENT_ID.*client create/,
  )
  t.false(await page.getByTestId('sign-in').isEnabled())
})

testInChromium('without the issuer the page says so, and what to do', async (t) => {
  const { demo, issuer } = await startDemoFixture(t, { clientId: 'cli_playground' })
  await issuer.stop()
  const page = await open(t)
  await page.goto(demo.url)
  await page.getByTestId('alert').getByText('does not answer. Start it, then reload').waitFor()
  t.false(await page.getByTestId('sign-in').isEnabled())
})

testInChromium('under another name of the same machine the page goes to the one that is registered', async (t) => {
  const page = await open(t)
  await page.goto(`${fixture.demo.url.replace('localhost', '127.0.0.1')}/?x=1`)
  await page.waitForURL(`${fixture.demo.url}/?x=1`)
  t.pass()
})

testInChromium('the page works by keyboard: tabs by arrows, results reachable', async (t) => {
  const page = await open(t)
  await signIn(page)
  await page.getByRole('tab', { name: 'Access token' }).focus()
  await page.keyboard.press('ArrowRight')
  t.true(await page.getByTestId('id-token').isVisible())
  t.false(await page.getByTestId('access-token').isVisible())
  await page.keyboard.press('Tab')
  t.is(await page.evaluate('document.activeElement.id'), 'id-token')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByTestId('api-result').getByText('200 OK').waitFor()
  t.is(await page.evaluate('document.activeElement.id'), 'call-api')
})

/** What moved after it was first painted, by the browser's own measure. */
const MOVED = `new Promise((done) => {
  const moved = []
  const name = ({ node, previousRect: from, currentRect: to }) => [node?.id || node?.className || node?.nodeName, from.y, to.y, from.x, to.x].join(' ')
  new PerformanceObserver((list) => { for (const { sources } of list.getEntries()) moved.push(...sources.map(name)) }).observe({ type: 'layout-shift', buffered: true })
  setTimeout(() => done(moved), 50)
})`

const SIDEWAYS = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

/** Schemes differ in colours alone: what is not of colours is asked of the light one. */
const RULES = { light: {}, dark: { runOnly: ['color-contrast', 'link-in-text-block'] } }

const violations = (
  options: object,
) => `axe.run(document, { resultTypes: ['violations'], ...${JSON.stringify(options)} })
  .then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))`

for (const colorScheme of ['light', 'dark'] as const) {
  for (const viewport of [WIDE, NARROW]) {
    testInChromium(`accessible and steady in every state, ${colorScheme}, ${viewport.width} px wide`, async (t) => {
      const { demo, issuer } = await startDemoFixture(t, { clientId: 'cli_playground', user, webhookSecret })
      const page = await open(t, { colorScheme, viewport })
      await page.addInitScript(axe)
      const check = async (state: string) => {
        t.deepEqual(await page.evaluate(violations(RULES[colorScheme])), [], state)
        t.is(await page.evaluate(SIDEWAYS), 0, state)
        t.deepEqual(await page.evaluate(MOVED), [], state)
      }
      await page.clock.install()
      await page.goto(demo.url)
      await isReady(page)
      await check('signed out')
      await page.getByTestId('sign-in').click()
      await page.getByTestId('status').getByText('Signed in').waitFor()
      await press(page, 'call-api', 'api-result', /your orders/)
      await check('signed in')
      for (const type of [
        'consent.granted',
        'user.updated',
        'refresh_token.reuse_detected',
        'authorization_code.reuse_detected',
      ]) {
        await deliver({ demo }, { userId: user.sub, type, data: { address: '192.0.2.7' } })
      }
      await page.getByTestId('events').getByText('A used code came back').waitFor()
      await check('told')
      await press(page, 'refresh', 'refresh-result', /used up/)
      await press(page, 'call-without-token', 'api-result', /wants a good token/)
      await press(page, 'replay-now', 'refresh-result', /same successor/)
      await check('replayed')
      issuer.reuseWindowSeconds = 0
      await page.getByTestId('replay-late').click()
      await page.getByText(/Replaying in \d+ s/).waitFor()
      await page.clock.fastForward(12_000)
      await page.getByTestId('status').getByText('Family revoked').waitFor()
      await check('dead')
    })
  }
}

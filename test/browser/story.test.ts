/** The whole story, as a newcomer lives it: the playground, in a real browser, against the server that `npm start` starts. */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { startProcess } from '../support/auth-server.ts'
import { chromium, testInChromium } from '../support/chromium.ts'
import { freePort } from '../support/free-port.ts'

testInChromium('playground → sign-in → consent → tokens → API → refresh → replay → events → sign-out', async (t) => {
  t.timeout(240_000)
  const [port, demoPort] = await Promise.all([freePort(), freePort()])
  const directory = mkdtempSync(join(tmpdir(), 'story-'))
  await startProcess(t, { PORT: String(port), DEMO_PORT: String(demoPort), DATA_DIR: directory, LOG_LEVEL: 'warn' })
  const { demo } = JSON.parse(readFileSync(join(directory, 'first-run.json'), 'utf8')) as {
    demo: { apiUrl: string; user: { username: string; password: string } }
  }
  const browser = await chromium(t)
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) faults.push(message.text())
  })

  await page.goto(`${demo.apiUrl}/`)
  await page.getByTestId('sign-in').click()
  await page.fill('input[name=login]', demo.user.username)
  await page.fill('input[name=password]', 'not the right password')
  await page.keyboard.press('Enter')
  await page.waitForSelector('[role=alert]')
  await page.fill('input[name=password]', demo.user.password)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Allow' }).click()

  await shows(page, 'access-token', /"typ": "at\+jwt"/)
  t.false(new URL(page.url()).search.includes('code='), 'the code leaves the address bar')
  await page.getByTestId('call-api').click()
  await shows(page, 'api-result', /200 OK/)
  await page.getByTestId('call-without-token').click()
  await shows(page, 'api-result', /401 Unauthorized[\s\S]*www-authenticate/i)
  await page.getByTestId('refresh').click()
  await shows(page, 'family', /Token 2/)
  await page.getByTestId('replay-now').click()
  await shows(page, 'refresh-result', /200 OK/)
  await page.getByTestId('replay-late').click()
  await shows(page, 'refresh-result', /invalid_grant/, 60_000)
  await shows(page, 'family', /dead/)
  await shows(page, 'events', /A used refresh token came back[\s\S]*You allowed an app to act for you/)
  await withdrawElsewhere(await context.newPage(), `http://localhost:${port}`)
  await shows(page, 'events', /You took an app’s permission back/)
  t.is(await page.evaluate('performance.getEntriesByType("navigation").length'), 1, 'the page was not loaded again')
  const kept = await page.evaluate('JSON.stringify({ ...localStorage, ...sessionStorage })')
  t.is(kept, '{}', 'no token outlives the tab')
  await page.getByTestId('sign-out').click()
  await page
    .getByRole('button', { name: /sign out/i })
    .first()
    .click()
  await page.waitForURL(`${demo.apiUrl}/**`)
  await page.goto(`http://localhost:${port}/account`)
  t.true(await page.isVisible('input[name=password]'), 'signed out everywhere')
  t.deepEqual(faults, [])
})

/** In another window of the same browser, on the page of one's account. */
async function withdrawElsewhere(page: Page, issuer: string): Promise<void> {
  await page.goto(`${issuer}/account`)
  await page.locator('form[action="/account/apps/revoke"] button').click()
  await page.waitForLoadState()
  await page.close()
}

async function shows(page: Page, testId: string, pattern: RegExp, timeout = 30_000): Promise<void> {
  await page.getByTestId(testId).filter({ hasText: pattern }).first().waitFor({ timeout })
}

/** The playground as a client that a malicious server, or an answer meant for somebody else, tries to fool. */
import test, { type ExecutionContext } from 'ava'
import type { Page } from 'playwright-core'
import { chromium, testInChromium } from '../support/chromium.ts'
import { fileScope, startDemoFixture, type DemoFixture } from '../support/demo.ts'

const scope = fileScope()
let fixture: DemoFixture
test.before(async () => {
  fixture = await startDemoFixture(scope, { clientId: 'cli_playground', user: { sub: 'usr_alice', name: 'Alice' } })
})
test.after.always(() => scope.end())

async function open(t: ExecutionContext): Promise<Page> {
  const context = await (await chromium(t)).newContext()
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  return page
}

testInChromium('metadata that names another issuer is not used', async (t) => {
  const page = await open(t)
  await page.route('**/.well-known/openid-configuration', async (route) => {
    const response = await route.fetch()
    const metadata = (await response.json()) as Record<string, unknown>
    await route.fulfill({ response, json: { ...metadata, issuer: 'https://evil.test' } })
  })
  await page.goto(fixture.demo.url)
  await page.getByTestId('alert').getByText('belongs to another issuer').waitFor()
  t.false(await page.getByTestId('sign-in').isEnabled())
})

testInChromium('an ID token for another client, or of another issuer, is refused', async (t) => {
  for (const change of [{ aud: 'cli_another' }, { iss: 'https://evil.test' }]) {
    const page = await open(t)
    await page.route('**/token', async (route) => {
      const response = await route.fetch()
      const tokens = (await response.json()) as { id_token: string }
      const [header, payload = '', signature] = tokens.id_token.split('.')
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
      const changed = Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url')
      await route.fulfill({ response, json: { ...tokens, id_token: [header, changed, signature].join('.') } })
    })
    await page.goto(fixture.demo.url)
    await page.getByTestId('sign-in').click()
    await page.getByTestId('alert').getByText('The ID token does not belong to this sign-in').waitFor()
    t.regex(await page.getByTestId('status').innerText(), /Signed out/)
  }
})

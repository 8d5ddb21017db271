/** The reference page of the management API against the real server: an operator signs in, and tries operations out. */
import { managementAudience, managementScopes } from '../../src/registry/management-scopes.ts'
import { startAuthServer } from '../support/auth-server.ts'
import { chromium, testInChromium } from '../support/chromium.ts'
import { buildClient, buildUser } from '../support/registry.ts'

testInChromium('an operator signs in on the reference page and makes, changes and deletes a user there', async (t) => {
  const { issuer, db } = await startAuthServer(t)
  await buildClient(db, {
    kind: 'spa',
    redirectUris: [`${issuer}/api/docs/callback`],
    firstParty: true,
    access: [{ resource: managementAudience(issuer), scopes: [...managementScopes] }],
  })
  const { username, password } = await buildUser(db, { roles: ['grantry-user-admin'] })
  const context = await (await chromium(t)).newContext({ viewport: { width: 1280, height: 850 } })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const faults: string[] = []
  page.on('pageerror', ({ message }) => void faults.push(message))
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) faults.push(message.text())
  })

  await page.goto(`${issuer}/api/docs#createUser`)
  await page.getByRole('button', { name: 'Credentials' }).click()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.fill('input[name=login]', username)
  await page.fill('input[name=password]', password)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.locator('#credentials-state', { hasText: 'Signed in' }).waitFor()
  t.is(page.url(), `${issuer}/api/docs#createUser`)

  const form = (id: string) => page.locator(`[data-operation=${id}]`)
  await form('createUser').getByRole('button', { name: 'Try it' }).click()
  await form('createUser').getByRole('button', { name: 'Send POST' }).click()
  await form('createUser').getByText('201 Created').waitFor()
  const text = await form('createUser').locator('.result pre').innerText()
  const { id, version } = JSON.parse(text) as { id: string; version: number }
  t.is(version, 1)

  // What was read last is what a change is for: the page fills in the ETag.
  await page.evaluate(`location.hash = 'readUser'`)
  await form('readUser').getByRole('button', { name: 'Try it' }).click()
  await form('readUser').getByLabel('user_id').fill(id)
  await form('readUser').getByRole('button', { name: 'Send GET' }).click()
  await form('readUser').getByText('200 OK').waitFor()
  await page.evaluate(`location.hash = 'deleteUser'`)
  await form('deleteUser').getByRole('button', { name: 'Try it' }).click()
  await form('deleteUser').getByLabel('user_id').fill(id)
  await form('deleteUser').getByLabel('If-Match').focus()
  await form('deleteUser').getByRole('button', { name: 'Send DELETE' }).click()
  await form('deleteUser').getByText('204 No Content').waitFor()

  await page.evaluate(`location.hash = 'listClients'`)
  await form('listClients').getByRole('button', { name: 'Try it' }).click()
  await form('listClients').getByRole('button', { name: 'Send GET' }).click()
  await form('listClients').getByText('403 Forbidden').waitFor()
  t.is(await page.evaluate('JSON.stringify({ ...localStorage, ...sessionStorage })'), '{}', 'no token is stored')
  t.deepEqual(faults, [])
})

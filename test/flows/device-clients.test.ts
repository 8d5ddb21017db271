/**
 * The device grant by two client libraries that know nothing of Grantry, over two instances behind one issuer, with a person
 * at a form and once in a real browser.
 */
import test, { type ExecutionContext } from 'ava'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startServerProcesses } from '../support/auth-server.ts'
import { chromium, testInChromium } from '../support/chromium.ts'
import type { Teardown } from '../support/database.ts'
import {
  approve,
  askForCode,
  buildDeviceClient,
  poll,
  prolongBlocks,
  reachQuestion,
  typeCode,
} from '../support/device.ts'
import { API, buildResource, buildUser } from '../support/registry.ts'
import { Visitor } from '../support/visitor.ts'

const plainHttp = { [oauth.allowInsecureRequests]: true }
const stops: (() => unknown)[] = []
let issuer: string
let instances: string[]
let db: Database

test.before(async () => {
  const file: Teardown = { teardown: (stop) => void stops.push(stop) }
  const started = await startServerProcesses(file, 2, { RATE_LIMIT_TOKEN: 'off' })
  issuer = started.issuer
  instances = started.servers.map(({ url }) => url)
  const log = createLogger({ level: 'silent' })
  db = await connectDatabase({ url: started.databaseUrl, dataDirectory: '', poolMax: 2, log })
  stops.push(() => db.close())
  await buildResource(db)
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

test('openid-client: initiates, polls until the person has approved, checks the ID token, refreshes', async (t) => {
  const [client, person] = [await buildDeviceClient(db), await buildUser(db)]
  const insecure = { execute: [oidc.allowInsecureRequests] }
  const config = await oidc.discovery(new URL(issuer), client.client_id, undefined, oidc.None(), insecure)
  const scope = 'openid offline_access orders:read'
  const asked = await oidc.initiateDeviceAuthorization(config, { scope, resource: API })
  t.is(asked.interval, 5)
  await approve(new Visitor(issuer, instances), person, asked.user_code)
  // The library waits before it asks for the first time: let it ask at once.
  const tokens = await oidc.pollDeviceAuthorizationGrant(config, { ...asked, interval: 0.01 })
  t.is(tokens.claims()?.sub, person.id)
  const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '')
  t.truthy(renewed.access_token)
})

test('oauth4webapi: is told to wait, to slow down, and that it was denied', async (t) => {
  const [client, person] = [await buildDeviceClient(db), await buildUser(db)]
  const url = new URL(issuer)
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, plainHttp))
  t.is(as.device_authorization_endpoint, `${issuer}/device_authorization`)
  t.true(as.grant_types_supported?.includes('urn:ietf:params:oauth:grant-type:device_code'))
  const self = { client_id: client.client_id }
  const request = new URLSearchParams({ scope: 'openid' })
  const response = await oauth.deviceAuthorizationRequest(as, self, oauth.None(), request, plainHttp)
  const asked = await oauth.processDeviceAuthorizationResponse(as, self, response)
  const ask = async () => {
    const answer = await oauth.deviceCodeGrantRequest(as, self, oauth.None(), asked.device_code, plainHttp)
    const error = await t.throwsAsync(oauth.processDeviceCodeResponse(as, self, answer))
    return (error as oauth.ResponseBodyError).error
  }
  t.is(await ask(), 'authorization_pending')
  t.is(await ask(), 'slow_down')
  const visitor = new Visitor(issuer, instances)
  await visitor.submit(await reachQuestion(visitor, person, asked.user_code), /\/cancel$/)
  t.is(await ask(), 'access_denied')
})

test('over two instances: tokens once, questions counted together, guesses counted together', async (t) => {
  const [client, person] = [await buildDeviceClient(db), await buildUser(db)]
  const { body } = await askForCode(issuer, client)
  const askAll = () =>
    Promise.all([0, 1, 0, 1].map((index) => poll(issuer, client, body.device_code, instances[index])))
  const early = (await askAll()).map((answer) => String(answer.body.error))
  t.deepEqual(early.toSorted(), ['authorization_pending', 'slow_down', 'slow_down', 'slow_down'])
  await approve(new Visitor(issuer, instances), person, body.user_code)
  const answers = await askAll()
  t.is(answers.filter(({ status }) => status === 200).length, 1)
  t.is(answers.filter((answer) => answer.body.error === 'invalid_grant').length, 3)

  const guesser = new Visitor(issuer, instances)
  let page = await typeCode(guesser, 'BBBB-BBBB')
  for (const letter of 'CDFGH') page = await guesser.submit(page, '/device', { user_code: `BBBB-BBB${letter}` })
  await prolongBlocks(db)
  // Each instance has seen three of the six guesses, and five are free: only together is that too many.
  for (const one of instances) t.is(await next(guesser, one), 429)

  /** With the cookies of the guesser, at this very instance; by a form of its own, because a refusal makes the one before stale. */
  async function next({ cookies }: Visitor, instance: string): Promise<number> {
    const same = new Visitor(issuer, [instance])
    for (const [name, cookie] of cookies) same.cookies.set(name, cookie)
    return (await typeCode(same, 'BBBB-BBBJ')).status
  }
})

testInChromium('a person connects a device in Chromium by keyboard, from the address with the code', async (t) => {
  const [client, person] = [await buildDeviceClient(db, { name: 'Television' }), await buildUser(db)]
  const { body } = await askForCode(issuer, client, { scope: 'openid orders:read', resource: API })
  const page = await openPage(t)
  await page.goto(body.verification_uri_complete)
  t.true((await page.textContent('main'))?.includes(body.user_code))
  await page.getByRole('button', { name: 'It is the same, continue' }).press('Enter')
  await page.getByLabel('Username or email').fill(person.username)
  await page.getByLabel('Password').fill(person.password)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor()
  const text = (await page.textContent('main')) ?? ''
  for (const shown of ['Television', body.user_code, 'See your orders']) t.true(text.includes(shown), shown)
  await page.getByRole('button', { name: 'Allow' }).press('Enter')
  await page.getByRole('heading', { name: 'Your device is connected' }).waitFor()
  t.is((await poll(issuer, client, body.device_code)).status, 200)
  await page.goBack()
  t.not((await poll(issuer, client, body.device_code)).status, 200)
})

testInChromium('another account can be chosen at the question, and the device gets that one', async (t) => {
  const [client, first, second] = [await buildDeviceClient(db), await buildUser(db), await buildUser(db)]
  const { body } = await askForCode(issuer, client)
  const page = await openPage(t)
  const signIn = async ({ username, password }: typeof first) => {
    await page.getByLabel('Username or email').fill(username)
    await page.getByLabel('Password').fill(password)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Allow access?' }).waitFor()
  }
  await page.goto(`${issuer}/device`)
  await page.getByLabel('Code on the device').fill(body.user_code.toLowerCase().replace('-', ' '))
  await page.keyboard.press('Enter')
  await signIn(first)
  await page.getByRole('button', { name: 'Use another account' }).click()
  await page.getByRole('button', { name: 'It is the same, continue' }).click()
  await signIn(second)
  t.true((await page.textContent('main'))?.includes(second.username))
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByRole('heading', { name: 'Your device is connected' }).waitFor()
  const tokens = await poll(issuer, client, body.device_code)
  const claims = JSON.parse(atob(tokens.body.id_token?.split('.')[1] ?? '')) as { sub: string }
  t.is(claims.sub, second.id)
})

async function openPage(t: ExecutionContext) {
  const context = await (await chromium(t)).newContext({ reducedMotion: 'reduce', locale: 'en' })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) t.fail(message.text())
  })
  return page
}

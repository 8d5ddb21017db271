/** RP-Initiated Logout 1.0: who may end a session, and where the browser goes afterwards. */
import { createHmac, createPublicKey } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, SignJWT, type JWTPayload } from 'jose'
import * as oidc from 'openid-client'
import { keyPolicy } from '../../src/config/key-policy.ts'
import { loadConfig } from '../../src/config/load.ts'
import { readKeys } from '../../src/keys/queries.ts'
import { rotateKeys } from '../../src/keys/rotate.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, refresh, Visitor, type Page } from '../support/visitor.ts'
import { asksForPassword, silently, tokensFor, userinfo } from './browsing.ts'

const BYE = 'https://app.example.com/bye'
const CONFIRM = /\/logout\/confirm$/
const masterKey = newMasterKey()

const stops: (() => unknown)[] = []
let server: TestServer
let issuer: string
let db: TestServer['db']

test.before(async () => {
  server = await startAuthServer({ teardown: (stop) => void stops.push(stop) }, { MASTER_KEY: masterKey })
  ;({ issuer, db } = server)
  await buildResource(db)
})
test.after.always('no request ended in an internal error', () => {
  const errors = server.logs.filter(({ level }) => level === 'error')
  if (errors.length > 0) throw new Error(JSON.stringify(errors, null, 1))
})
test.after.always(async () => {
  for (const stop of stops.toReversed()) await stop()
})

async function signedIn() {
  const client = await buildClient(db, { kind: 'spa', postLogoutRedirectUris: [BYE] })
  const person = await buildUser(db)
  const browser = new Visitor(issuer)
  const tokens = await tokensFor(browser, client, person)
  return { client, person, browser, tokens, hint: tokens.id_token ?? '' }
}

function logout(browser: Visitor, parameters: Record<string, string>): Promise<Page> {
  return browser.open(`/logout?${new URLSearchParams(parameters)}`)
}

test('an app signs the person out with its ID token: session, its tokens and its cookie end, and the browser goes back', async (t) => {
  const { client, person, browser, tokens, hint } = await signedIn()
  const native = await buildClient(db, { kind: 'native' })
  const onDevice = await tokensFor(browser, native, person)
  const confirm = await logout(browser, { id_token_hint: hint, post_logout_redirect_uri: BYE, state: 'a b&c' })
  t.is(confirm.status, 200)
  t.regex(confirm.html, /Test spa/, 'the page says who asks')
  t.is(await silently(browser, client), 'code', 'asking alone ends nothing')

  const again = await logout(browser, { id_token_hint: hint, post_logout_redirect_uri: BYE, state: 'a b&c' })
  const end = new URL((await browser.submit(again, CONFIRM, { logout: 'yes' })).url)
  t.is(end.origin + end.pathname, BYE)
  t.deepEqual([...end.searchParams], [['state', 'a b&c']])
  t.false(browser.cookies.has('session'))
  t.is(await silently(browser, client), 'login_required')
  t.is((await refresh(issuer, client, tokens.refresh_token)).body.error, 'invalid_grant')
  t.is((await userinfo(issuer, tokens.access_token)).status, 401)
  t.is(
    (await refresh(issuer, native, onDevice.refresh_token)).status,
    200,
    'an app on the device has a life of its own',
  )
  t.is((await db.knex('events').where({ type: 'session.ended', user_id: person.id })).length, 1)
})

test('a post_logout_redirect_uri that is not registered is refused, and nothing ends', async (t) => {
  const { client, browser, hint } = await signedIn()
  const other = await buildClient(db, { kind: 'spa', postLogoutRedirectUris: ['https://other.example.com/bye'] })
  for (const uri of [
    `${BYE}/`,
    `${BYE}?x=1`,
    `${BYE}#x`,
    'https://app.example.com/BYE',
    'https://app.example.com.evil.example/bye',
    'https://app.example.com@evil.example/bye',
    'http://app.example.com/bye',
    'https://other.example.com/bye',
    client.redirect_uri,
    'javascript:alert(1)',
    '//evil.example',
  ]) {
    for (const who of [{ id_token_hint: hint }, { client_id: client.client_id }]) {
      await refused(t, browser, { ...who, post_logout_redirect_uri: uri })
    }
  }
  await refused(t, browser, { client_id: other.client_id, post_logout_redirect_uri: BYE })
  t.is(await silently(browser, client), 'code')
})

test('a post_logout_redirect_uri of nobody is not followed', async (t) => {
  const { browser } = await signedIn()
  const end = await browser.submit(await logout(browser, { post_logout_redirect_uri: BYE }), CONFIRM, { logout: 'yes' })
  t.is(new URL(end.url).origin, issuer)
  t.is(new URL(end.url).pathname, '/logout/success')
})

test('a hint that this issuer did not sign for this client is refused, and nothing ends', async (t) => {
  const { client, browser, hint } = await signedIn()
  const other = await buildClient(db, { kind: 'spa', postLogoutRedirectUris: [BYE] })
  const [header, payload, signature] = hint.split('.') as [string, string, string]
  const claims = decodeJwt(hint)
  const foreign = await generateKeyPair('RS256', { extractable: true })
  const publicKey = createPublicKey({ key: (await signingKey(hint)).publicJwk as never, format: 'jwk' })
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const hs256 = `${encode({ ...decodeProtectedHeader(hint), alg: 'HS256' })}.${payload}`
  const pem = publicKey.export({ type: 'spki', format: 'pem' })
  const bent = {
    junk: 'junk',
    'another payload': `${header}.${encode({ ...claims, aud: other.client_id })}.${signature}`,
    'no signature': `${encode({ alg: 'none' })}.${payload}.`,
    'the public key as a secret': `${hs256}.${createHmac('sha256', pem).update(hs256).digest('base64url')}`,
    'a foreign key': await sign(foreign.privateKey, claims, { kid: decodeProtectedHeader(hint).kid }),
    'a key that it brings along': await sign(foreign.privateKey, claims, { jwk: await exportJWK(foreign.publicKey) }),
    'another issuer': await signAsServer(hint, { ...claims, iss: 'https://other.example.com' }),
    'nobody in particular': await signAsServer(hint, { ...claims, aud: 'cli_nobody' }),
  }
  for (const [name, id_token_hint] of Object.entries(bent)) {
    await refused(t, browser, { id_token_hint, post_logout_redirect_uri: BYE }, name)
  }
  await refused(
    t,
    browser,
    { id_token_hint: hint, client_id: other.client_id, post_logout_redirect_uri: BYE },
    'mixed up',
  )
  t.is(await silently(browser, client), 'code')
})

test('what openid-client builds is understood: hint, exact way back, state; also with the hint of a key that has turned over', async (t) => {
  const old = await signedIn()
  const { kid } = decodeProtectedHeader(old.hint)
  const policy = keyPolicy(loadConfig({ NODE_ENV: 'test', ISSUER: issuer, DATABASE_URL: server.databaseUrl }))
  const masterKeys = parseMasterKeys(masterKey)
  await rotateKeys(db, { alg: 'RS256', policy, masterKeys, actor: 'test', emergency: true })
  let fresh = await signedIn()
  while (decodeProtectedHeader(fresh.hint).kid === kid) fresh = await signedIn()
  for (const { client, browser, hint } of [old, fresh]) {
    const execute = [oidc.allowInsecureRequests]
    const config = await oidc.discovery(new URL(issuer), client.client_id, undefined, oidc.None(), { execute })
    const parameters = { id_token_hint: hint, post_logout_redirect_uri: BYE, state: 'x y' }
    const page = await browser.open(oidc.buildEndSessionUrl(config, parameters).href)
    const end = await browser.submit(page, CONFIRM, { logout: 'yes' })
    t.is(end.url, `${BYE}?state=x+y`)
    t.false(browser.cookies.has('session'))
  }
})

test('a hint that has expired is still a hint', async (t) => {
  const { browser, hint } = await signedIn()
  const claims = decodeJwt(hint)
  const old = await signAsServer(hint, {
    ...claims,
    iat: Number(claims.iat) - 90_000,
    exp: Number(claims.iat) - 89_000,
  })
  const page = await logout(browser, { id_token_hint: old, post_logout_redirect_uri: BYE })
  const end = await browser.submit(page, CONFIRM, { logout: 'yes' })
  t.true(end.url.startsWith(BYE))
})

test('a hint about somebody else ends nothing by itself: whoever sits there is asked', async (t) => {
  const [mine, theirs] = [await signedIn(), await signedIn()]
  const page = await logout(mine.browser, { id_token_hint: theirs.hint, post_logout_redirect_uri: BYE })
  t.regex(page.html, /name="logout" value="yes"/)
  t.is(await silently(mine.browser, mine.client), 'code')
  t.is(await silently(theirs.browser, theirs.client), 'code')
})

test('signing out of one app only keeps the session, and the tokens of the others', async (t) => {
  const { client, person, browser, tokens, hint } = await signedIn()
  const other = await buildClient(db, { kind: 'spa', firstParty: true })
  const kept = await tokensFor(browser, other, person)
  const before = browser.cookies.get('session')?.value
  const page = await logout(browser, { id_token_hint: hint, post_logout_redirect_uri: BYE })
  const end = await browser.submit(page, CONFIRM)
  t.true(end.url.startsWith(BYE))
  t.not(browser.cookies.get('session')?.value, before)
  t.is((await refresh(issuer, client, tokens.refresh_token)).body.error, 'invalid_grant')
  t.is((await refresh(issuer, other, kept.refresh_token)).status, 200)
  t.is(await silently(browser, other), 'code')
})

test('without a session the browser goes straight back', async (t) => {
  const { hint } = await signedIn()
  const stranger = new Visitor(issuer)
  const page = await logout(stranger, { id_token_hint: hint, post_logout_redirect_uri: BYE, state: 's' })
  t.notRegex(page.html, asksForPassword)
  const end = await stranger.submit(page, CONFIRM)
  t.is(end.url, `${BYE}?state=s`)
})

test('a confirmation that this browser was not shown ends nothing', async (t) => {
  const { client, browser } = await signedIn()
  const shown = await browser.open('/logout')
  for (const xsrf of ['', 'x', '0'.repeat(48)]) {
    t.is((await browser.submit(shown, CONFIRM, { logout: 'yes', xsrf })).status, 400)
  }
  const post = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'logout=yes' }
  t.is((await browser.open('/logout/confirm', post)).status, 400)
  t.is(await silently(browser, client), 'code')
})

test('confirming twice, one after the other or at once, is no error of the server', async (t) => {
  const { client, browser } = await signedIn()
  const page = await browser.open('/logout')
  const ends = await Promise.all([1, 2, 3].map(() => browser.submit(page, CONFIRM, { logout: 'yes' })))
  t.true(ends.some(({ url }) => new URL(url).pathname === '/logout/success'))
  t.true(ends.every(({ status }) => status === 200 || status === 400))
  t.is((await browser.submit(page, CONFIRM, { logout: 'yes' })).status, 400)
  t.is(await silently(browser, client), 'login_required')
})

test('a code from before the sign-out buys nothing after it', async (t) => {
  const { client, person, browser } = await signedIn()
  const answer = await browser.authorize(client, person)
  await browser.submit(await browser.open('/logout'), CONFIRM, { logout: 'yes' })
  t.is((await redeem(issuer, client, answer)).body.error, 'invalid_grant')
})

/** On a page of our own: an unchecked address must not be gone to. */
async function refused(
  t: ExecutionContext,
  browser: Visitor,
  parameters: Record<string, string>,
  name = parameters.post_logout_redirect_uri,
): Promise<void> {
  const page = await logout(browser, parameters)
  t.is(page.status, 400, name)
  t.is(new URL(page.url).origin, issuer, name)
  t.notRegex(page.html, /name="logout"/, name)
}

async function signingKey(jwt: string) {
  const keys = await readKeys(db.knex, parseMasterKeys(masterKey))
  return keys.find(({ kid }) => kid === decodeProtectedHeader(jwt).kid)!
}

/** Signs as only the server can. */
async function signAsServer(like: string, claims: JWTPayload): Promise<string> {
  const { kid, privateJwk } = await signingKey(like)
  return sign(await importJWK(privateJwk, 'RS256'), claims, { kid })
}

function sign(
  key: Parameters<SignJWT['sign']>[0],
  claims: JWTPayload,
  header: Record<string, unknown>,
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ ...header, alg: 'RS256' }).sign(key)
}

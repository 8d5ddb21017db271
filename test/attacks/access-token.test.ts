import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { decodeJwt, decodeProtectedHeader, exportJWK, type JWK, type JWTPayload } from 'jose'
import { readKeys } from '../../src/keys/queries.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { createTokenVerifier, TokenError, type TokenVerifier } from '../../src/resource-server/index.ts'
import { API } from '../support/registry.ts'
import { redeem, token, Visitor } from '../support/visitor.ts'
import { harmless, notLogged, post, request, underAttack } from './target.ts'

const MASTER_KEY = newMasterKey()
const target = underAttack({ MASTER_KEY })

type Header = Record<string, unknown>

/** A token for the API, as the server signed it, and its parts. */
let good: string
let header: Header
let claims: JWTPayload
/** Tokens of other kinds that the same sign-in gave. */
let others: { idToken: string; opaque: string; refreshToken: string; code: string }
let verifier: TokenVerifier
/** The server's own keys, private halves included: what a token that it would never issue has to be signed with. */
let own: { privateJwk: JWK; publicJwk: JWK; kid: string }
/** The attacker's key, and a server of theirs that publishes it and counts who asks. */
const evil = generateKeyPairSync('rsa', { modulusLength: 2048 })
let evilServer: Server
let evilUrl: string
let fetched = 0

test.before(async () => {
  const { issuer, db, spa, person } = target()
  verifier = createTokenVerifier({ issuer, audience: API })
  const visitor = new Visitor(issuer)
  const forApi = await visitor.authorize(spa, person, { scope: 'openid orders:read', resource: API })
  const first = (await redeem(issuer, spa, forApi)).body
  const answer = await visitor.authorize(spa, person)
  const second = (await redeem(issuer, spa, answer)).body
  const unused = await visitor.authorize(spa, person)
  good = first.access_token ?? ''
  header = { ...decodeProtectedHeader(good) }
  claims = decodeJwt(good)
  others = {
    idToken: first.id_token ?? '',
    opaque: second.access_token ?? '',
    refreshToken: second.refresh_token ?? '',
    code: unused.code ?? '',
  }
  const keys = await readKeys(db.knex, parseMasterKeys(MASTER_KEY))
  own = keys.find(({ kid }) => kid === header.kid)!

  const jwk = { ...(await exportJWK(evil.publicKey)), kid: String(header.kid), alg: 'RS256' }
  evilServer = createServer((_req, res) => {
    fetched += 1
    res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }))
  }).listen(0, '127.0.0.1')
  await once(evilServer, 'listening')
  evilUrl = `http://127.0.0.1:${(evilServer.address() as AddressInfo).port}/jwks`
})
test.after.always(() => evilServer?.close())

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function unsigned(head: Header, body: object = claims): string {
  return `${part(head)}.${part(body)}.`
}

/** Whatever is to be signed, without the scruples of a JWT library. */
function signedBy(key: KeyObject, head: Header, body: object = claims): string {
  const input = `${part({ ...header, ...head })}.${part(body)}`
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

/** What the server itself would sign if it made a mistake. */
function mistaken(changes: Record<string, unknown>, head: Header = {}): string {
  const key = createPrivateKey({ key: own.privateJwk as JsonWebKey, format: 'jwk' })
  return signedBy(key, head, { ...claims, ...changes })
}

/** RFC 8725 §2.1: the public key as an HMAC secret, in every form in which somebody may have it at hand. */
function hmac(secret: string | Buffer, alg = 'HS256', head: Header = {}): string {
  const input = `${part({ ...header, ...head, alg })}.${part(claims)}`
  const hash = `sha${alg.slice(2)}`
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

function publicKey(type: 'spki' | 'pkcs1', format: 'pem' | 'der'): Buffer {
  const key = createPublicKey({ key: own.publicJwk as JsonWebKey, format: 'jwk' })
  return Buffer.from(format === 'pem' ? key.export({ type, format }) : key.export({ type, format }))
}

test('the good token is good, or nothing here means anything', async (t) => {
  t.is((await verifier.verify(good, { scope: 'orders:read' })).subject, target().person.id)
  t.is((await verifier.verify(mistaken({}))).subject, target().person.id)
  const userinfo = await request(target(), '/userinfo', { headers: [`Authorization: Bearer ${others.opaque}`] })
  t.is(userinfo.status, 200)
})

/** Refused by an API, and by userinfo, which takes no token that was made for an API. */
const refused = test.macro<[string, () => string | Promise<string>]>({
  title: (_, what) => `${what} opens neither an API nor userinfo`,
  async exec(t, _what, forge) {
    const forged = await forge()
    const error = await t.throwsAsync(() => verifier.verify(forged), { instanceOf: TokenError })
    t.is(error?.status, 401)
    t.is(error?.error, 'invalid_token')

    for (const [method, form] of [
      ['GET', ''],
      ['POST', ''],
      ['POST', `access_token=${encodeURIComponent(forged)}`],
    ] as const) {
      const bearer = form ? 'Content-Type: application/x-www-form-urlencoded' : `Authorization: Bearer ${forged}`
      const answer = await request(target(), '/userinfo', { method, headers: [bearer], body: form })
      harmless(t, target(), answer, method)
      t.is(answer.status, 401)
      t.is((JSON.parse(answer.body) as { error: string }).error, 'invalid_token')
      t.regex(answer.headers.get('www-authenticate') ?? '', /^Bearer realm="http.*error="invalid_token"/)
    }
    t.is(fetched, 0, 'nobody was asked for a key')
  },
})

for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, undefined, 0]) {
  test(refused, `a token of algorithm ${JSON.stringify(alg)}`, () => unsigned({ ...header, alg }))
}
test(
  refused,
  'a token of algorithm none with its old signature',
  () => unsigned({ ...header, alg: 'none' }) + good.split('.')[2],
)
test(refused, 'a token without its signature', () => good.split('.').slice(0, 2).join('.') + '.')
test(refused, 'a token of two parts', () => good.split('.').slice(0, 2).join('.'))
for (const alg of ['HS256', 'HS384', 'HS512']) {
  test(refused, `${alg} with the public key as PEM`, () => hmac(publicKey('spki', 'pem'), alg))
  test(refused, `${alg} with the public key as PEM without its last line break`, () =>
    hmac(publicKey('spki', 'pem').toString().trim(), alg),
  )
  test(refused, `${alg} with the public key as DER`, () => hmac(publicKey('spki', 'der'), alg))
  test(refused, `${alg} with the public key in PKCS#1`, () => hmac(publicKey('pkcs1', 'pem'), alg))
  test(refused, `${alg} with the modulus`, () => hmac(Buffer.from(own.publicJwk.n ?? '', 'base64url'), alg))
  test(refused, `${alg} with the key as JSON`, () => hmac(JSON.stringify(own.publicJwk), alg))
  test(refused, `${alg} with an empty secret and no key id`, () => hmac('', alg, { kid: undefined }))
}
test(refused, "an attacker's signature under our key id", () => signedBy(evil.privateKey, {}))
test(refused, "an attacker's key in the header", async () =>
  signedBy(evil.privateKey, { jwk: await exportJWK(evil.publicKey) }),
)
test(refused, "an attacker's key in the header, without a key id", async () =>
  signedBy(evil.privateKey, { kid: undefined, jwk: await exportJWK(evil.publicKey) }),
)
for (const name of ['jku', 'x5u', 'iss', 'jwks_uri']) {
  test(refused, `an attacker's address as ${name}`, () => signedBy(evil.privateKey, { [name]: evilUrl }))
  test(refused, `an attacker's address as ${name}, under a key id of theirs`, () =>
    signedBy(evil.privateKey, { [name]: evilUrl, kid: 'evil' }),
  )
}
test(refused, 'a certificate in the header', () => signedBy(evil.privateKey, { x5c: ['MIIB'], x5t: 'x' }))
for (const kid of ['../../../../dev/null', "' or 1=1--", '', '0', '__proto__', 'x'.repeat(5_000), null, 7, ['a'], {}]) {
  test(refused, `the key id ${JSON.stringify(kid).slice(0, 30)}`, () => signedBy(evil.privateKey, { kid }))
}
test(refused, 'a signature of zeros', () => `${good.split('.').slice(0, 2).join('.')}.${'A'.repeat(342)}`)
test(refused, 'a tampered claim', () =>
  [part(header), part({ ...claims, sub: 'usr_admin' }), good.split('.')[2]].join('.'),
)
test(refused, 'a tampered scope', () =>
  [part(header), part({ ...claims, scope: 'admin' }), good.split('.')[2]].join('.'),
)
test(refused, 'a tampered header', () => [part({ ...header, x: 1 }), ...good.split('.').slice(1)].join('.'))
test(refused, 'a critical extension', () => mistaken({}, { crit: ['x'], x: 1 }))
test(
  refused,
  'an unencrypted token posing as encrypted',
  () => `${part({ ...header, alg: 'dir', enc: 'A128GCM' })}.e30.x.y.z`,
)
test(refused, 'a nested token', () => mistaken({}, { cty: 'JWT', typ: 'JWT' }))

test(refused, 'an ID token', () => others.idToken)
test(refused, 'a refresh token', () => others.refreshToken)
test(refused, 'an authorization code', () => others.code)
test(refused, 'a token of type JWT', () => mistaken({}, { typ: 'JWT' }))
test(refused, 'a token without a type', () => mistaken({}, { typ: undefined }))
test(refused, 'a logout token', () => mistaken({}, { typ: 'logout+jwt' }))
test(refused, 'a token for another API', () => mistaken({ aud: 'https://other.example.com' }))
test(refused, 'a token for a longer name', () => mistaken({ aud: `${API}.evil.test` }))
test(refused, 'a token for a client', () => mistaken({ aud: target().spa.client_id }))
test(refused, 'a token for nobody', () => mistaken({ aud: undefined }))
test(refused, 'a token for an empty list', () => mistaken({ aud: [] }))
test(refused, 'a token of another issuer', () => mistaken({ iss: 'https://evil.test' }))
test(refused, 'a token of an issuer with a slash', () => mistaken({ iss: `${target().issuer}/` }))
test(refused, 'a token of no issuer', () => mistaken({ iss: undefined }))
test(refused, 'an expired token', () => mistaken({ iat: 1_000, exp: 2_000 }))
test(refused, 'a token without an end', () => mistaken({ exp: undefined }))
test(refused, 'a token that ends in words', () => mistaken({ exp: 'never' as unknown as number }))
test(refused, 'a token that begins tomorrow', () => mistaken({ nbf: Math.floor(Date.now() / 1000) + 86_400 }))
test(refused, 'a token about nobody', () => mistaken({ sub: undefined }))
test(refused, 'a token of no client', () => mistaken({ client_id: undefined }))
test(refused, 'a token bound to a key that nobody proves', () => mistaken({ cnf: { jkt: 'x' } }))
for (const junk of [
  'a',
  'a.b',
  'a.b.c',
  '...',
  '....',
  '{}',
  'null',
  '"',
  "' or 1=1--",
  '%00',
  'x'.repeat(9_000),
  'ä',
]) {
  test(refused, `the token ${JSON.stringify(junk.slice(0, 20))}`, () =>
    junk.replaceAll(/[^\x21-\x7e]/g, '~').replaceAll(' ', '+'),
  )
}

test('a token for an API is refused at userinfo though it is good, and the opaque one at an API', async (t) => {
  const userinfo = await request(target(), '/userinfo', { headers: [`Authorization: Bearer ${good}`] })
  t.is(userinfo.status, 401)
  t.is((await t.throwsAsync(() => verifier.verify(others.opaque), { instanceOf: TokenError }))?.status, 401)
})

test('a machine has no userinfo', async (t) => {
  const { issuer, service } = target()
  const { body } = await token(issuer, service, { grant_type: 'client_credentials' })
  const answer = await request(target(), '/userinfo', { headers: [`Authorization: Bearer ${body.access_token}`] })
  t.is(answer.status, 401)
})

test('a token counts in one place only: never in the URL, never twice, under no other scheme', async (t) => {
  const { opaque } = others
  const form = 'Content-Type: application/x-www-form-urlencoded'
  const bearer = `Authorization: Bearer ${opaque}`
  const attempts = {
    query: request(target(), `/userinfo?access_token=${opaque}`),
    'header and query': request(target(), `/userinfo?access_token=${opaque}`, { headers: [bearer] }),
    'header and body': post(target(), '/userinfo', `access_token=${opaque}`, [bearer]),
    'twice in the body': post(target(), '/userinfo', `access_token=${opaque}&access_token=${opaque}`),
    'a JSON body': post(target(), '/userinfo', `{"access_token":"${opaque}"}`, ['Content-Type: application/json']),
    'another scheme': request(target(), '/userinfo', { headers: [`Authorization: Token ${opaque}`] }),
    'the scheme alone': request(target(), '/userinfo', { headers: ['Authorization: Bearer'] }),
    'two tokens': request(target(), '/userinfo', { headers: [`${bearer} ${opaque}`] }),
    DPoP: request(target(), '/userinfo', { headers: [`Authorization: DPoP ${opaque}`, 'DPoP: x'] }),
    'Basic credentials': request(target(), '/userinfo', { headers: [`Authorization: Basic ${btoa(`x:${opaque}`)}`] }),
    'a body of GET': request(target(), '/userinfo', { headers: [form], body: `access_token=${opaque}` }),
  }
  for (const [what, attempt] of Object.entries(attempts)) {
    const answer = await attempt
    harmless(t, target(), answer, what)
    t.true([400, 401].includes(answer.status), `${what}: ${answer.status}`)
    t.is(answer.headers.get('cache-control'), 'no-store')
    t.regex(answer.headers.get('www-authenticate') ?? '', what === 'DPoP' ? /^DPoP / : /^Bearer /, what)
  }
  t.is((await post(target(), '/userinfo', `access_token=${opaque}`)).status, 200)
  notLogged(t, target(), { good, ...others })
})

test('a forged hint signs nobody out and nobody in', async (t) => {
  const { issuer, spa, person } = target()
  const visitor = new Visitor(issuer)
  await visitor.authorize(spa, person)
  const body = { ...decodeJwt(others.idToken), sub: 'usr_somebody' }
  const hints = {
    unsigned: unsigned({ alg: 'none' }, body),
    HS256: hmac(publicKey('spki', 'pem')),
    "an attacker's": signedBy(evil.privateKey, { typ: 'JWT' }, body),
    'an access token': good,
    'of another issuer': mistaken({ ...body, iss: 'https://evil.test' }, { typ: 'JWT' }),
  }
  for (const [what, hint] of Object.entries(hints)) {
    const { url } = visitor.request_uri(spa, { parameters: { id_token_hint: hint, prompt: 'none' } })
    const end = new URL((await visitor.open(url)).url)
    t.is(end.searchParams.get('error'), 'invalid_request', what)
    const logout = await visitor.request(`/logout?id_token_hint=${hint}`)
    t.is(logout.status, 400, what)
  }
  const { url } = visitor.request_uri(spa, { parameters: { prompt: 'none' } })
  t.true(new URL((await visitor.open(url)).url).searchParams.has('code'), 'still signed in')
})

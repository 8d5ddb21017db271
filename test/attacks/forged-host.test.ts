import test from 'ava'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { testDatabaseUrl } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { buildClient, type TestClient } from '../support/registry.ts'
import { Visitor } from '../support/visitor.ts'
import { request, send, type RawRequest } from './target.ts'

const PUBLIC = 'https://login.example.com'
const EVIL = 'evil.test'

const doors = {
  /** TRUST_PROXY unset: nobody's word counts but the socket's. */
  direct: {},
  /** One proxy, whose last word counts. */
  proxied: { TRUST_PROXY: '1', ISSUER: PUBLIC },
  /** Proxies by network; the peer of the test is one of them. */
  networked: { TRUST_PROXY: '127.0.0.0/8,10.0.0.0/8', ISSUER: PUBLIC },
  /** Proxies by network; the peer of the test is none of them. */
  elsewhere: { TRUST_PROXY: '10.0.0.0/8' },
}
type DoorName = keyof typeof doors

const servers = {} as Record<DoorName, TestServer & { port: number }>
let client: TestClient

const ends: (() => unknown)[] = []
test.before(async () => {
  const scope = { teardown: (end: () => unknown) => void ends.push(end) }
  const shared = { DATABASE_URL: await testDatabaseUrl(scope), MASTER_KEY: newMasterKey(), DATABASE_POOL_MAX: '3' }
  for (const [name, settings] of Object.entries(doors)) {
    const port = await freePort()
    const server = await startAuthServer(scope, { ...shared, ...settings, PORT: String(port) })
    servers[name as DoorName] = { ...server, port }
  }
  client = await buildClient(servers.direct.db, { firstParty: true, access: [] })
})
test.after.always(async () => {
  for (let end = ends.pop(); end; end = ends.pop()) await end()
})

const DISCOVERY = '/.well-known/openid-configuration'

function urlsIn(text: string): string[] {
  return [...text.matchAll(/https?:\/\/[^"'\s<>]+/g)].map(([url]) => url)
}

const refused = test.macro<[DoorName, string, RawRequest, number?, string?]>({
  title: (_, name: DoorName, what: string) => `${name}: ${what} is misdirected`,
  async exec(t, name: DoorName, _what: string, options: RawRequest, status = 421, path = DISCOVERY) {
    const answer = await request(servers[name], path, options)
    t.is(answer.status, status)
    t.false(answer.text.includes(EVIL))
  },
})

const ours = test.macro<[DoorName, string, RawRequest, string?]>({
  title: (_, name: DoorName, what: string) => `${name}: only the issuer's URLs come of ${what}`,
  async exec(t, name: DoorName, _what: string, options: RawRequest, path = DISCOVERY) {
    const { issuer } = servers[name]
    const answer = await request(servers[name], path, options)
    t.is(answer.status, 200)
    const urls = urlsIn(answer.body)
    t.true(urls.length > 5)
    t.deepEqual([...new Set(urls.map((url) => new URL(url).origin))], [issuer])
    t.false(answer.text.includes(EVIL))
  },
})

test(refused, 'direct', 'another host', { host: EVIL })
test(refused, 'direct', 'our name in front of a longer one', { host: `localhost.${EVIL}` })
test(refused, 'direct', 'our name as a user name', { host: `localhost@${EVIL}` })
test(refused, 'direct', 'another port', { host: 'localhost:1' })
test(refused, 'direct', 'a list of hosts', { host: `localhost, ${EVIL}` })
test(refused, 'direct', 'a second Host', { headers: [`Host: ${EVIL}`] }, 400)
test(refused, 'direct', 'a whole URL of another host', {}, 421, `http://${EVIL}${DISCOVERY}`)
test(refused, 'direct', 'a URL without a host', {}, 421, `http://${DISCOVERY}`)
test(refused, 'direct', 'a URL of another scheme', {}, 400, `ftp://${EVIL}${DISCOVERY}`)
test(refused, 'proxied', 'another host that the proxy names', { headers: [`X-Forwarded-Host: ${EVIL}`] })
test(refused, 'networked', 'another host that the proxy names', { headers: [`X-Forwarded-Host: ${EVIL}`] })
test(refused, 'elsewhere', 'another host', { host: EVIL, headers: ['X-Forwarded-Host: localhost'] })

test(ours, 'direct', 'X-Forwarded-Host', { headers: [`X-Forwarded-Host: ${EVIL}`] })
test(ours, 'direct', 'X-Forwarded-Proto', { headers: ['X-Forwarded-Proto: ftp', 'X-Forwarded-Port: 1'] })
test(ours, 'direct', 'Forwarded', { headers: [`Forwarded: host=${EVIL};proto=ftp`] })
test(ours, 'direct', 'X-Original-URL and its kin', {
  headers: [`X-Original-URL: //${EVIL}`, `X-Rewrite-URL: //${EVIL}`, `X-Original-Host: ${EVIL}`, `X-Host: ${EVIL}`],
})
test(ours, 'elsewhere', 'X-Forwarded-Host from no proxy of ours', { headers: [`X-Forwarded-Host: ${EVIL}`] })
test(ours, 'proxied', 'the proxy saying http', { headers: ['X-Forwarded-Proto: http'] })
test(ours, 'proxied', 'two X-Forwarded-Host', { headers: [`X-Forwarded-Host: ${EVIL}, login.example.com`] })
test(ours, 'networked', 'the proxy naming the host', {
  host: 'internal:8080',
  headers: ['X-Forwarded-Host: login.example.com'],
})

test('a whole URL of our own is understood as its path', async (t) => {
  const { issuer } = servers.direct
  const answer = await request(servers.direct, `${issuer.toUpperCase().replace('HTTP', 'http')}${DISCOVERY}`)
  t.is(answer.status, 200)
  t.deepEqual([...new Set(urlsIn(answer.body).map((url) => new URL(url).origin))], [issuer])
})

test('a request without Host is refused', async (t) => {
  t.is((await send(servers.direct, `GET ${DISCOVERY} HTTP/1.1\r\n\r\n`)).status, 400)
  t.is((await send(servers.direct, `GET ${DISCOVERY} HTTP/1.0\r\n\r\n`)).status, 421)
})

for (const name of ['direct', 'proxied', 'networked', 'elsewhere'] as const) {
  test(`${name}: pages, forms and redirects of a sign-in know no host but ours`, async (t) => {
    const { issuer, port } = servers[name]
    const forged = new Headers({
      'x-forwarded-host': name === 'direct' || name === 'elsewhere' ? EVIL : new URL(issuer).host,
      'x-forwarded-proto': 'gopher',
      'x-forwarded-for': `<${EVIL}>, 6.6.6.6`,
      forwarded: `host=${EVIL}`,
      referer: `https://${EVIL}/`,
    })
    const visitor = new Visitor(issuer, [`http://localhost:${port}`])
    const seen: string[] = []
    const see = async (path: string) => {
      const response = await visitor.request(path, { headers: forged })
      const location = response.headers.get('location')
      seen.push(location ?? '', await response.text(), JSON.stringify([...response.headers]))
      return location ? new URL(location, issuer) : undefined
    }
    const login = await see(visitor.request_uri(client).url)
    t.is(login?.origin, issuer)
    await see(login!.pathname)
    await see('/account')
    await see('/logout')
    await see('/logout/success')
    await see('/nowhere')
    t.notRegex(seen.join('\n'), new RegExp(`${EVIL.replace('.', '\\.')}|gopher`))
    const abroad = urlsIn(seen.join('\n')).filter(
      (url) => ![issuer, new URL(client.redirect_uri).origin].includes(new URL(url).origin),
    )
    t.deepEqual(abroad, [])
  })
}

const countedAs = test.macro<[DoorName, string, string]>({
  title: (_, name: DoorName, chain: string) => `${name}: a wrong password counts for the right address behind ${chain}`,
  async exec(t, name: DoorName, chain: string, expected: string) {
    const door = servers[name]
    const visitor = new Visitor(door.issuer, [`http://localhost:${door.port}`])
    const page = await visitor.open(visitor.request_uri(client).url)
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
    const login = `nobody-${name}-${chain.replaceAll(/[^a-z0-9]/gi, '')}`
    for (const random of ['198.51.100.1', '198.51.100.2', '2001:db8::3', 'junk']) {
      const answer = await visitor.request(`${new URL(page.url).pathname}/login`, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'x-forwarded-for': chain.replace('RANDOM', random),
        },
        body: new URLSearchParams({ csrf, login, password: random }).toString(),
      })
      t.is(answer.status, 401)
    }
    // Events come in the order of these tests, which run one after the other.
    const events = await door.db
      .knex('events')
      .where({ type: 'login.failed' })
      .orderBy('id', 'desc')
      .limit(4)
      .select('data')
    t.deepEqual([...new Set(events.map(({ data }: { data: { address: string } }) => data.address))], [expected])
  },
})

test.serial(countedAs, 'direct', 'RANDOM', '127.0.0.1')
test.serial(countedAs, 'direct', 'RANDOM, 203.0.113.7', '127.0.0.1')
test.serial(countedAs, 'elsewhere', 'RANDOM, 203.0.113.7', '127.0.0.1')
test.serial(countedAs, 'proxied', 'RANDOM, 203.0.113.7', '203.0.113.7')
test.serial(countedAs, 'proxied', 'RANDOM, [2001:db8::7]:443', '2001:db8::7')
test.serial(countedAs, 'networked', 'RANDOM, 203.0.113.7', '203.0.113.7')
test.serial(countedAs, 'networked', 'RANDOM, 203.0.113.7, 10.1.2.3, 127.0.0.9', '203.0.113.7')

test('a chain of proxies that is longer than any never counts as an address', async (t) => {
  const chain = Array.from({ length: 900 }, () => '10.0.0.1').join(',')
  const answer = await request(servers.networked, DISCOVERY, { headers: [`X-Forwarded-For: ${chain}`] })
  t.is(answer.status, 200)
})

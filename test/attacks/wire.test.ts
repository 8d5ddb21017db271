import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { createHttpServer } from '../../src/http/http-server.ts'
import { Visitor } from '../support/visitor.ts'
import { basic, harmless, notLogged, post, request, send, underAttack, type Answer } from './target.ts'

const target = underAttack()

const FORM = 'Content-Type: application/x-www-form-urlencoded'
const CHUNKED = 'Transfer-Encoding: chunked'

/** Two readers that disagree where a request ends let one smuggle a second one past the other: exactly one refusal comes. */
const ambiguous = test.macro<[string, string[], string?]>({
  title: (_, what) => `a request with ${what} is refused and nothing after it is read`,
  async exec(t, _what, lines, body = '0\r\n\r\n') {
    const { host } = new URL(target().issuer)
    const next = `GET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`
    const { status, text } = await send(
      target(),
      `POST /token HTTP/1.1\r\nHost: ${host}\r\n${lines.join('\r\n')}\r\n\r\n${body}${next}`,
    )
    t.true([400, 413, 431].includes(status), text)
    t.is(text.match(/HTTP\/1\.1 \d/g)?.length, 1)
    t.false(target().logs.some(({ path }) => path === '/smuggled'))
  },
})

test(ambiguous, 'Content-Length and Transfer-Encoding', ['Content-Length: 5', CHUNKED])
test(ambiguous, 'Transfer-Encoding and Content-Length', [CHUNKED, 'Content-Length: 5'])
test(ambiguous, 'two lengths', ['Content-Length: 3', 'Content-Length: 4'], 'abcd')
test(ambiguous, 'a list of lengths', ['Content-Length: 3, 3'], 'abc')
test(ambiguous, 'a signed length', ['Content-Length: +3'], 'abc')
test(ambiguous, 'a negative length', ['Content-Length: -1'])
test(ambiguous, 'an unknown transfer coding', ['Transfer-Encoding: xchunked'])
test(ambiguous, 'chunked that is not last', ['Transfer-Encoding: chunked, identity'])
test(ambiguous, 'two transfer codings', [CHUNKED, 'Transfer-Encoding: identity'])
test(ambiguous, 'a space before the colon', ['Transfer-Encoding : chunked'])
test(ambiguous, 'a vertical tab before the coding', ['Transfer-Encoding: \x0bchunked'])
test(ambiguous, 'a folded header', ['X: a', ' b', CHUNKED])
test(ambiguous, 'a bare CR in a header', ['X: a\rContent-Length: 0', CHUNKED])
test(ambiguous, 'a bare LF in a header', ['X: a\nContent-Length: 0', CHUNKED])
test(ambiguous, 'a NUL in a header', ['X: a\0b'])
test(ambiguous, 'a chunk size in other digits', [CHUNKED], '0x3\r\nabc\r\n0\r\n\r\n')
test(ambiguous, 'a negative chunk size', [CHUNKED], '-3\r\nabc\r\n0\r\n\r\n')
test(ambiguous, 'a chunk size beyond any number', [CHUNKED], 'fffffffffffffffff\r\nabc\r\n0\r\n\r\n')
test(ambiguous, 'a chunk extension without end', [CHUNKED], `3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`)

const garbage: Record<string, string> = {
  'no method': '\r\n\r\n\r\n/ HTTP/1.1\r\n\r\n',
  'an unknown method': 'FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'an unknown version': 'GET / HTTP/9.9\r\nHost: localhost\r\n\r\n',
  'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  TLS: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'a space in the path': 'GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'a header line of 100 kB': `GET / HTTP/1.1\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`,
  'three thousand headers': `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(3_000)}\r\n`,
}
for (const [what, bytes] of Object.entries(garbage)) {
  test(`garbage: ${what} gets one refusal`, async (t) => {
    const { status, text } = await send(target(), bytes)
    t.true(status >= 400 && status < 500, text)
    t.notRegex(text, /\n\s+at |node:/)
  })
}

test('CONNECT and Upgrade lead nowhere', async (t) => {
  const { host } = new URL(target().issuer)
  const tunnel = await send(target(), `CONNECT evil.test:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  t.not(tunnel.status, 200)
  const upgraded = await request(target(), '/jwks', { headers: ['Connection: Upgrade', 'Upgrade: h2c'] })
  t.is(upgraded.status, 200)
  t.is(upgraded.headers.get('upgrade'), null)
})

test('Expect: 100-continue is answered, any other expectation refused', async (t) => {
  const headers = [FORM, basic(target().service)]
  const body = 'grant_type=client_credentials'
  const going = await request(target(), '/token', {
    method: 'POST',
    body,
    headers: [...headers, 'Expect: 100-continue'],
  })
  t.regex(going.text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
  const odd = await request(target(), '/token', { method: 'POST', body, headers: [...headers, 'Expect: tea'] })
  t.is(odd.status, 417)
})

/** The login form of a fresh interaction: where to post, and with which cookies and token. */
async function loginForm(): Promise<{ path: string; cookie: string; csrf: string }> {
  const { issuer, web } = target()
  const visitor = new Visitor(issuer)
  const page = await visitor.open(visitor.request_uri(web).url)
  const path = new URL(page.url).pathname
  const cookie = [...visitor.cookies]
    .filter(([, { path: scope }]) => scope === path)
    .map(([key, { value }]) => `${key.split(' ')[0]}=${value}`)
  return {
    path: `${path}/login`,
    cookie: `Cookie: ${cookie.join('; ')}`,
    csrf: /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '',
  }
}

test('a body of five megabytes is refused with an answer that arrives', async (t) => {
  const { path, cookie } = await loginForm()
  const body = `password=${'x'.repeat(5 << 20)}`
  for (const [where, status] of [
    [path, 413],
    ['/token', 400],
    ['/userinfo', 400],
    ['/logout/confirm', 400],
    ['/nowhere', 404],
  ] as const) {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', cookie: cookie.slice('Cookie: '.length) }
    const answer = await fetch(target().issuer + where, { method: 'POST', body, headers })
    t.is(answer.status, status, where)
    t.true((await answer.text()).length < 5_000)
  }
})

test('a compressed body is never unpacked', async (t) => {
  const { path, cookie, csrf } = await loginForm()
  const bomb = gzipSync('grant_type=client_credentials&'.padEnd(20 << 20, 'a')).toString('latin1')
  const token = await post(target(), '/token', bomb, ['Content-Encoding: gzip', basic(target().service)])
  t.is(token.status, 400, token.text)
  t.is((JSON.parse(token.body) as { error: string }).error, 'invalid_request')
  // As it is, this form has a good token and a wrong password. Wrapped and not made smaller, it still looks like a form, but for
  // gzip's header, which makes another name of "csrf", and for what it ends with: a checksum, here free of "&" and "=", and
  // a length, which holds NULs. A name may hold them, a value may not.
  const form = `csrf=${csrf}&login=a&password=`
  const wrap = (end: string) =>
    Array.from({ length: 100 }, (_, index) => gzipSync(`${form}${index}${end}`, { level: 0 }).toString('latin1')).find(
      (bytes) => !/[&=]/.test(bytes.slice(-8)),
    )!
  t.is((await post(target(), path, `${form}0`, [cookie])).status, 401, 'as it is')
  for (const [end, status] of [
    ['&name', 403],
    ['', 400],
  ] as const) {
    const { status: refused, text } = await post(target(), path, wrap(end), ['Content-Encoding: gzip', cookie])
    t.is(refused, status, text)
  }
})

test('ten thousand parameters are refused', async (t) => {
  const many = Array.from({ length: 10_000 }, (_, index) => `p${index}=`).join('&')
  const few = Array.from({ length: 1_000 }, (_, index) => `p${index}`).join('&')
  t.is((await request(target(), `/authorize?${few}`)).status, 400)
  t.is((await request(target(), `/authorize?${many.slice(0, 15_000)}`)).status, 414)
  t.is((await post(target(), '/token', many, [basic(target().service)])).status, 400)
})

test('one token request asks the registry for a bounded number of resources', async (t) => {
  const body = `grant_type=client_credentials&${'resource=https://api.example.com&'.repeat(1_000)}`
  const { status, body: text } = await post(target(), '/token', body, [basic(target().service)])
  t.is(status, 400)
  t.deepEqual(JSON.parse(text), { error: 'invalid_target', error_description: 'too many resources' })
})

/** Opens a connection and sends these bytes, and then more of them for as long as it lasts. */
async function drip(
  t: ExecutionContext,
  bytes: string,
  more: string,
  everyMs: number,
): Promise<Answer & { ms: number }> {
  const { port } = new URL(target().issuer)
  return dripTo(t, Number(port), bytes, more, everyMs)
}

async function dripTo(
  t: ExecutionContext,
  port: number,
  bytes: string,
  more: string,
  everyMs: number,
): Promise<Answer & { ms: number }> {
  const socket: Socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.on('error', () => undefined)
  const begun = performance.now()
  socket.write(bytes)
  const timer = setInterval(() => socket.write(more), everyMs)
  await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(timer)
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)
  return { status, headers: new Headers(), body: '', text, ms: performance.now() - begun }
}

for (const where of ['/token', '/userinfo', '/logout/confirm', '/authorize', '/jwks', '/nowhere', 'login']) {
  test(`an upload without end to ${where} loses its connection`, async (t) => {
    const { path, cookie } = where === 'login' ? await loginForm() : { path: where, cookie: 'X: y' }
    const { host } = new URL(target().issuer)
    const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${FORM}\r\n${CHUNKED}\r\n${cookie}\r\n\r\n`
    const { status, ms } = await drip(t, head, `1000\r\n${'x'.repeat(4096)}\r\n`.repeat(4), 5)
    t.true(status >= 400 && status < 500, String(status))
    t.true(ms < 15_000, `${ms} ms`)
  })
}

test('clients that send a byte now and then are given up, and the others do not wait for them', async (t) => {
  const server = createHttpServer((req, res) => void req.resume().once('end', () => res.end('done')), {
    patience: { headersMs: 1_000, requestMs: 1_500, lingerMs: 50 },
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const [head, body, honest] = await Promise.all([
    dripTo(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n', 'a: b\r\n', 20),
    dripTo(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n', 'x', 20),
    fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text()),
  ])
  t.is(honest, 'done')
  for (const { status, ms } of [head, body]) {
    // A client that goes on sending may lose the answer with its connection.
    t.true([408, 0].includes(status), String(status))
    t.true(ms < 15_000, `${ms} ms`)
  }
})

test('a hundred connections that never finish leave the server quick for everybody else', async (t) => {
  const { port, host } = new URL(target().issuer)
  const slow = Array.from({ length: 100 }, (_, index) => {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined)
    socket.write(
      `POST /token HTTP/1.1\r\nHost: ${host}\r\n${index % 2 ? '' : `${FORM}\r\nContent-Length: 100\r\n\r\na`}`,
    )
    return socket
  })
  t.teardown(() => slow.forEach((socket) => socket.destroy()))
  await delay(50)
  const answer = await fetch(`${target().issuer}/jwks`, { signal: AbortSignal.timeout(10_000) })
  t.is(answer.status, 200)
})

test('what was on its way when a connection broke is not in the log', async (t) => {
  const { path, cookie, csrf } = await loginForm()
  const { host } = new URL(target().issuer)
  const secret = 'a password that breaks off in the middle'
  const encoded = `csrf=${csrf}&login=ada&password=${secret.replaceAll(' ', '+')}`
  const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${FORM}\r\n${cookie}\r\n`
  // A chunk that ends in garbage, and a length that is never reached.
  await send(target(), `${head}${CHUNKED}\r\n\r\n${encoded.length.toString(16)}\r\n${encoded}\r\nZZ\r\n${encoded}`)
  const cut = connect(Number(new URL(target().issuer).port), '127.0.0.1')
  cut.write(`${head}Content-Length: 9999\r\n\r\n${encoded}`)
  await delay(100)
  cut.destroy()
  const begun = Date.now()
  while (target().logs.filter(({ msg }) => msg === 'a connection broke off').length < 2 && Date.now() - begun < 15_000)
    await delay(20)
  const bytes = [...Buffer.from(encoded)].join(',')
  notLogged(t, target(), { password: secret, 'encoded password': encoded, bytes, csrf })
  t.deepEqual(
    target().logs.filter(({ level }) => level === 'error'),
    [],
  )
})

test('a path of any length takes little room in the log', async (t) => {
  harmless(t, target(), await request(target(), `/${'a'.repeat(7_000)}`), 'long path')
  harmless(t, target(), await request(target(), `/${'b'.repeat(15_000)}`), 'longer path')
  t.true(target().logs.every((line) => JSON.stringify(line).length < 1_000))
})

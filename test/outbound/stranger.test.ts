import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { isPublicAddress } from '../../src/lib/public-address.ts'
import { createStrangers, strangerUrlProblem, StrangerError, type Resolve } from '../../src/outbound/stranger.ts'

const REQUEST = { method: 'GET', timeoutMs: 5000, mostBytes: 1000 } as const
const inside = createStrangers({ allowPrivate: true })
const outside = createStrangers({ allowPrivate: false })
test.after.always(() => Promise.all([inside.close(), outside.close()]))

async function serve(t: ExecutionContext, handle: RequestListener): Promise<{ url: string; port: number }> {
  const server = createServer(handle).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, port }
}

/** A listener that counts who comes as far as a connection. */
async function trap(t: ExecutionContext): Promise<{ port: number; connections: () => number }> {
  let connections = 0
  const server = createTcpServer((socket: Socket) => {
    connections += 1
    socket.destroy()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, connections: () => connections }
}

for (const address of [
  '127.0.0.1',
  '10.1.2.3',
  '172.31.0.1',
  '192.168.1.1',
  '169.254.169.254',
  '100.100.100.200',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '::1',
  '::',
  'fe80::1%eth0',
  'fd00:ec2::254',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:0:1::',
  'nonsense',
  '',
]) {
  test(`the address ${address || '(none)'} is nobody's to be called by strangers`, (t) =>
    t.false(isPublicAddress(address)))
}

test('addresses that are given out are public', (t) => {
  for (const address of ['1.1.1.1', '93.184.216.34', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::1']) {
    t.true(isPublicAddress(address), address)
  }
})

for (const url of [
  'http://example.com/',
  'ftp://example.com/',
  'https://user:secret@example.com/',
  'https://example.com/#part',
  'https://127.0.0.1/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://017700000001/',
  'https://[::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://169.254.169.254/latest/meta-data/',
  'https://localhost/',
  'https://app.localhost./',
  'https://metadata.google.internal/',
  'not a url',
  `https://example.com/${'a'.repeat(2000)}`,
]) {
  test(`the URL ${url.slice(0, 60)} is refused, and nothing is sent`, async (t) => {
    t.truthy(strangerUrlProblem(url, { allowPrivate: false }))
    await t.throwsAsync(outside.request(url, REQUEST), { instanceOf: StrangerError })
  })
}

test('an ordinary URL is fine', (t) => {
  t.is(strangerUrlProblem('https://hooks.example.com:8443/a?b=c', { allowPrivate: false }), undefined)
})

test('a name that leads inside, or inside as well, gets no connection', async (t) => {
  const { port, connections } = await trap(t)
  for (const addresses of [['127.0.0.1'], ['93.184.216.34', '127.0.0.1'], ['::1'], []]) {
    const resolve: Resolve = (_name, _options, callback) => {
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )
    }
    const strangers = createStrangers({ allowPrivate: false }, { resolve })
    await t.throwsAsync(strangers.request(`https://rebind.example:${port}/`, REQUEST), { message: /not public/ })
    await strangers.close()
  }
  t.is(connections(), 0)
})

test('a redirect is an answer, not followed', async (t) => {
  const { url, port } = await serve(t, (_req, res) =>
    res.writeHead(302, { location: `http://127.0.0.1:${port}/b` }).end(),
  )
  t.is((await inside.request(url, REQUEST)).status, 302)
})

test('an endless body is read as far as agreed, and then left', async (t) => {
  const ended = Promise.withResolvers<void>()
  const { url } = await serve(t, (_req, res) => {
    res.on('close', () => ended.resolve())
    const more = () => {
      while (!res.destroyed && res.write(Buffer.alloc(65_536, 'x')));
    }
    res.on('drain', more)
    more()
  })
  const { body, isCut } = await inside.request(url, REQUEST)
  t.is(body.length, 1000)
  t.true(isCut)
  await ended.promise
})

test('a server that says nothing, or stops in the middle, costs the agreed time and no more', async (t) => {
  const { url } = await serve(t, (req, res) => {
    if (req.url === '/half') res.write('half')
  })
  const quick = { ...REQUEST, timeoutMs: 200 }
  await t.throwsAsync(inside.request(url, quick), { message: 'no answer within 0.2 s' })
  await t.throwsAsync(inside.request(`${url}half`, quick), { message: 'no answer within 0.2 s' })
})

test('what went wrong is told in one line', async (t) => {
  const { port } = await trap(t)
  await t.throwsAsync(inside.request('http://127.0.0.1:1/', REQUEST), { message: 'nothing listens there' })
  await t.throwsAsync(inside.request(`http://127.0.0.1:${port}/`, REQUEST), { message: /broke off|reset/ })
  await t.throwsAsync(inside.request(`https://127.0.0.1:${port}/`, REQUEST), { instanceOf: StrangerError })
})

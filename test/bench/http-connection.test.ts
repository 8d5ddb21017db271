import test from 'ava'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { headerOf, HttpConnection } from '../../bench/support/http-connection.ts'

async function connect(t: { teardown(end: () => void): void }, listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connection = new HttpConnection((server.address() as AddressInfo).port)
  t.teardown(() => {
    connection.close()
    server.closeAllConnections()
    server.close()
  })
  return connection
}

const call = { method: 'POST', path: '/echo?a=1', headers: { Host: 'example.com' }, body: 'grün' }

test('what is sent arrives, and one connection carries one request after the other', async (t) => {
  const sockets = new Set<unknown>()
  const connection = await connect(t, async (req, res) => {
    sockets.add(req.socket)
    const body = await text(req)
    res.writeHead(201, { 'X-Told': 'yes' }).end(`${req.method} ${req.url} ${req.headers.host} ${body}`)
  })
  for (let n = 0; n < 3; n += 1) {
    const answer = await connection.send(call)
    t.is(answer.status, 201)
    t.is(headerOf(answer, 'x-told'), 'yes')
    t.is(Buffer.from(answer.body, 'latin1').toString(), 'POST /echo?a=1 example.com grün')
  }
  t.is(sockets.size, 1)
})

test('answers in chunks, in pieces and without a body are read to their ends', async (t) => {
  const connection = await connect(t, async (req, res) => {
    if (req.url === '/none') return void res.writeHead(204).end()
    res.write('first\r\n')
    await new Promise((resolve) => setTimeout(resolve, 5))
    res.end('second')
  })
  t.is((await connection.send({ ...call, path: '/chunks' })).body, 'first\r\nsecond')
  t.is((await connection.send({ ...call, path: '/none' })).body, '')
  t.is((await connection.send({ ...call, path: '/chunks' })).body, 'first\r\nsecond')
})

test('a server that hangs up is an error, not a short answer, and the next request opens a new connection', async (t) => {
  let count = 0
  const connection = await connect(t, (_req, res) => {
    if ((count += 1) > 1) return void res.end('there')
    res.writeHead(200, { 'Content-Length': '100' })
    res.write('half')
    res.socket!.destroy()
    return undefined
  })
  await t.throwsAsync(connection.send(call), { message: /closed the connection|ECONNRESET/ })
  t.is((await connection.send(call)).body, 'there')
})

/** Discovery and the keys come from memory after the first time: nobody can tell, and nobody decides what the next one reads. */
import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'

let server: TestServer
const ends: (() => unknown)[] = []
test.before(async () => {
  server = await startAuthServer({ teardown: (end) => void ends.unshift(end) })
})
test.after.always(async () => {
  for (const end of ends) await end()
})

const paths = ['/jwks', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']

/** What comes back, byte for byte, but for what is of the moment. */
async function ask(line: string, headers: readonly string[] = []): Promise<string> {
  const { host, port } = new URL(server.issuer)
  const socket = connect(Number(port), '127.0.0.1')
  await once(socket, 'connect')
  const named = headers.some((header) => header.startsWith('Host:')) ? headers : [`Host: ${host}`, ...headers]
  socket.write([`${line} HTTP/1.1`, ...named, 'Connection: close', '', ''].join('\r\n'))
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text.replaceAll(/^(?:date|x-request-id): .*\r\n/gim, '')
}

const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4)

for (const path of paths) {
  test(`${path} says the same each time, whatever was asked the first time`, async (t) => {
    const { host } = new URL(server.issuer)
    const forged = ['X-Forwarded-Host: evil.test', 'X-Forwarded-Proto: https', 'Forwarded: host=evil.test;proto=https']
    // The target as a proxy gets it names a host of its own; so does nothing after this request.
    const first = await ask(`GET http://${host}${path}?issuer=https://evil.test`, forged)
    t.regex(first, /^HTTP\/1.1 200 /)
    t.false(first.includes('evil.test'))
    for (const again of [`GET ${path}`, `GET ${path}?a=b`]) t.is(await ask(again), first)
    t.is(await ask(`HEAD ${path}`), first.slice(0, first.indexOf('\r\n\r\n') + 4))

    for (const header of [/^Cache-Control: public, max-age=600\r$/m, /^Access-Control-Allow-Origin: \*\r$/m]) {
      t.regex(first, header)
    }
    t.is(/^Content-Length: (\d+)\r$/m.exec(first)?.[1], String(Buffer.byteLength(bodyOf(first))))
    const told = JSON.parse(bodyOf(first)) as { issuer?: string; keys?: { d?: unknown }[] }
    if (path === '/jwks') t.true(told.keys?.every((key) => key.d === undefined))
    else t.is(told.issuer, server.issuer)
  })

  test(`${path} is for nobody who asks another host, or in another way, however often it was told`, async (t) => {
    await ask(`GET ${path}`)
    t.regex(await ask(`GET ${path}`, ['Host: evil.test']), /^HTTP\/1.1 421 /)
    t.regex(await ask(`POST ${path}`, ['Content-Length: 0']), /^HTTP\/1.1 405 /)
    t.regex(await ask(`GET ${path}/`), /^HTTP\/1.1 404 /)
  })
}
